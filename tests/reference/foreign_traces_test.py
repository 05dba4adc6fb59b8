#!/usr/bin/env python3
"""`gemma compare` on traces as other programs write them: python3 foreign_traces_test.py GEMMA FIXTURES README COMPILER

Right traces compare as the same, a damaged one is found at the tensor that was damaged, and files that are broken end
in one line and exit code 2. The programs in the README are run too.
"""

import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np

import foreign_traces as foreign

GEMMA, FIXTURES, README, COMPILER = (os.path.abspath(path) for path in sys.argv[1:5])
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}


def fixture(name, file="expected.safetensors"):
    return os.path.join(FIXTURES, name, file)


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def compare(self, *arguments):
        return subprocess.run([GEMMA, "compare", *arguments], capture_output=True, text=True, env=ENVIRONMENT,
                              timeout=120)

    def compare_json(self, *arguments):
        run = self.compare(*arguments, "--json")
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.assertEqual(run.returncode == 0, json.loads(run.stdout)["same"])
        return json.loads(run.stdout)

    def npz(self, arrays, save=np.savez):
        path = self.path(f"{len(os.listdir(self.directory.name))}.npz")
        save(path, **arrays)
        return path

    def compared(self, result):
        return [tensor["name"] for tensor in result["tensors"] if tensor["judgement"] != "not compared"]

    def assert_identical(self, result, names):
        self.assertTrue(result["same"])
        self.assertEqual(sorted(self.compared(result)), sorted(names))
        self.assertEqual({tensor["judgement"] for tensor in result["tensors"] if tensor["name"] in names},
                         {"identical"})

    def assert_refused(self, path, *words):
        run = self.compare(fixture("two_kv_heads"), path)
        self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        for word in (os.path.basename(path), *words):
            self.assertIn(word, run.stderr)


class RightTraces(InDirectory):
    """The official numbers under other names and in other orders are the same."""

    FIXTURES = ("one_kv_head", "two_kv_heads", "all_kv_heads", "wide_heads", "one_layer")

    def check(self, make, without, save=np.savez):
        for name in self.FIXTURES:
            with self.subTest(name):
                trace = foreign.load_trace(fixture(name))
                wanted = [tensor for tensor in trace if tensor != "tokens" and not re.search(without, tensor)]
                theirs = self.npz(make(trace), save)
                self.assert_identical(self.compare_json(fixture(name), theirs), wanted)
                # The other way round: the reference is the foreign one.
                self.assert_identical(self.compare_json(theirs, fixture(name)), wanted)

    def test_transformer_lens(self):
        without = r"mean_square|layernorm$|embed_tokens|act_fn|^model\.norm$"
        self.check(foreign.transformer_lens, without)
        self.check(foreign.transformer_lens, without, np.savez_compressed)

    def test_gemma_pytorch(self):
        self.check(foreign.gemma_pytorch, r"mean_square|normalized|embed_scaled|rope|scores|probs|context|"
                   r"residual_attn|act_fn|gated|lm_head")

    def test_hugging_face(self):
        for name in self.FIXTURES:
            trace = foreign.load_trace(fixture(name))
            L = foreign.layer_count(trace)
            wanted = ["model.embed_scaled", "model.norm", "lm_head"] + [f"model.layers.{i}" for i in range(L - 1)]
            wanted += [f"model.layers.{i}.{part}" for i in range(L)
                       for part in ("self_attn.probs", "self_attn.q_proj", "self_attn.q_rope", "mlp.down_proj")]
            self.assert_identical(self.compare_json(fixture(name), self.npz(foreign.hugging_face(trace))), wanted)

    LLAMA_CPP_LACKS = r"mean_square|o_proj|act_fn"

    def test_llama_cpp(self):
        # one_layer has more tokens than the padded cache.
        for name in ("one_kv_head", "two_kv_heads", "all_kv_heads", "wide_heads"):
            trace = foreign.load_trace(fixture(name))
            wanted = [tensor for tensor in trace if tensor != "tokens" and not re.search(self.LLAMA_CPP_LACKS, tensor)]
            pairs = foreign.llama_cpp(trace)
            twice = self.path(name + ".npz")
            foreign.save_npz_twice_named(twice, pairs)
            numbered = foreign.numbered(pairs)
            innermost_first = {key: foreign.ggml_shape(array) for key, array in numbered.items()}
            columns_first = {key: np.asfortranarray(array.T) for key, array in numbered.items()}
            for path in (twice, self.npz(numbered), self.npz(innermost_first), self.npz(columns_first)):
                with self.subTest(name, path=path):
                    result = self.compare_json(fixture(name), path)
                    self.assert_identical(result, wanted)
                    self.assertTrue(all(entry["name"].startswith("Qcur_scaled") and entry["reason"]
                                        for entry in result["other"]["not_compared"]))

    def test_older_llama_cpp(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        layer = "model.layers.0"
        arrays = {"inp_scaled": trace["model.embed_scaled"], "l_out-0": trace[layer],
                  "kqv_merged_cont-0": trace[f"{layer}.self_attn.context"].reshape(12, -1),
                  "kqv_out-0": trace[f"{layer}.self_attn.o_proj"], "ffn_inp-0": trace[f"{layer}.residual_attn"],
                  "Qcur-0": trace[f"{layer}.self_attn.q_rope"], "ffn_gelu-0": trace[f"{layer}.mlp.act_fn"],
                  "ffn_gate_par-0": trace[f"{layer}.mlp.gated"]}
        wanted = ["model.embed_scaled", layer] + [f"{layer}.{part}" for part in (
            "self_attn.context", "self_attn.o_proj", "residual_attn", "self_attn.q_rope", "mlp.act_fn", "mlp.gated")]
        self.assert_identical(self.compare_json(fixture("two_kv_heads"), self.npz(arrays)), wanted)

    def test_our_names_in_every_file_and_number_format(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        names = [name for name in trace if name != "tokens"]
        directory = self.path("trace")
        foreign.save_directory(directory, trace)
        for arrays in (trace, {name: array[None] for name, array in trace.items()},
                       {name: np.asfortranarray(array) for name, array in trace.items()},
                       {name: array.astype(np.float64) if name != "tokens" else array for name, array in trace.items()},
                       {name: array.transpose(1, 0, 2) if "_rope" in name else array for name, array in trace.items()}):
            self.assert_identical(self.compare_json(fixture("two_kv_heads"), self.npz(arrays)), names)
        self.assert_identical(self.compare_json(fixture("two_kv_heads"), directory), names)

    def test_versions_of_npy(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        for version in ((1, 0), (2, 0), (3, 0)):
            directory = self.path(f"version{version[0]}")
            os.makedirs(directory)
            with open(os.path.join(directory, "lm_head.npy"), "wb") as file:
                np.lib.format.write_array(file, trace["lm_head"], version=version)
            self.assert_identical(self.compare_json(fixture("two_kv_heads"), directory), ["lm_head"])

    def test_sixteen_bits(self):
        exact = foreign.load_trace(fixture("bfloat16", "expected_bfloat16.safetensors"))
        bits = {name: foreign.bfloat16_bits(array) for name, array in exact.items()
                if name != "tokens" and not re.search("mean_square|normalized", name)}
        as_void = {name: array.view("V2") for name, array in bits.items()}
        for arrays in (bits, as_void):
            path = self.npz(arrays)
            reference = fixture("bfloat16", "expected_bfloat16.safetensors")
            self.assert_identical(self.compare_json(reference, path), list(bits))
            # Against float32 they are rounding noise, and it is from the numbers that the precision is known.
            result = self.compare_json(fixture("bfloat16"), path)
            self.assertTrue(result["same"])
            self.assertEqual(result["precision"], "bfloat16")
        trace = foreign.load_trace(fixture("two_kv_heads"))
        halves = {name: array.astype(np.float16) for name, array in trace.items() if name != "tokens"}
        result = self.compare_json(fixture("two_kv_heads"), self.npz(halves))
        self.assertEqual((result["same"], result["precision"]), (True, "float16"))

    def test_names_of_any_program(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        arrays = {"h": trace["model.norm"], "mine": trace["lm_head"]}
        arrays.update({f"dec.{i}.out": trace[f"model.layers.{i}"] for i in range(2)})
        names = self.path("names.json")
        with open(names, "w", encoding="utf-8") as file:
            json.dump({"h": "model.norm", "dec.{i}.out": "model.layers.{i}"}, file)
        result = self.compare_json(fixture("two_kv_heads"), self.npz(arrays), "--names", names)
        self.assertEqual(self.compared(result), ["model.layers.0", "model.layers.1", "model.norm"])
        self.assertTrue(result["same"])

    def test_fused_needs_to_know_the_heads(self):
        theirs = self.npz(foreign.gemma_pytorch(foreign.load_trace(fixture("two_kv_heads"))))
        alone = self.compare_json(theirs, theirs)
        self.assertTrue(all("--config" in entry["reason"] for entry in alone["other"]["not_compared"]))
        self.assertEqual(len(alone["other"]["not_compared"]), 2)
        told = self.compare_json(theirs, theirs, "--config", os.path.dirname(fixture("two_kv_heads")))
        self.assertIn("model.layers.1.self_attn.v_proj", self.compared(told))

    def test_as_many_tokens_as_heads(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        six = {name: array[:6] for name, array in trace.items() if re.search(r"tokens|_proj$|q_rope", name)}
        # A reference that says that it is ours, so that its shapes are known: six tokens, six heads.
        reference = self.path("reference.safetensors")
        save_safetensors(reference, six)
        rotated, output = "model.layers.0.self_attn.q_rope", "model.layers.0.self_attn.o_proj"
        swapped = self.npz({rotated: six[rotated].transpose(1, 0, 2), output: six[output]})
        unsure = self.compare_json(reference, swapped)
        self.assertEqual(self.compared(unsure), ["model.layers.0.self_attn.o_proj"])
        self.assertIn("two ways", unsure["other"]["not_compared"][0]["reason"])
        self.assertTrue(self.compare_json(reference, swapped, "--layout", "heads-first")["same"])
        self.assertFalse(self.compare_json(reference, swapped, "--layout", "tokens-first")["same"])


def save_safetensors(path, arrays):
    """A trace file of ours."""
    header, place = {"__metadata__": {"format_version": "1"}}, 0
    for name, array in arrays.items():
        kind = "I64" if array.dtype == np.int64 else "F32"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values()))


class DamagedTraces(InDirectory):
    """A damaged tensor, and what would follow from it, is found where the damage is."""

    def test_each_tensor_of_ours(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        for name in trace:
            if name == "tokens":
                continue
            with self.subTest(name):
                damaged = trace[name].copy()
                damaged.reshape(len(damaged), -1)[-1, 0] += np.float32(1e-3) * np.abs(damaged).max()
                result = self.compare_json(fixture("two_kv_heads"), self.npz({**trace, name: damaged}))
                self.assertEqual(result["first"], name)

    def test_the_fault_is_where_the_inputs_agree(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        theirs = foreign.transformer_lens(trace)
        theirs["blocks.1.attn.hook_z"] = np.roll(theirs["blocks.1.attn.hook_z"], 1, axis=2)  # heads in another order
        theirs["blocks.1.hook_attn_out"] = theirs["blocks.1.hook_attn_out"] * np.float32(1.1)
        result = self.compare_json(fixture("two_kv_heads"), self.npz(theirs))
        self.assertEqual(result["first"], "model.layers.1.self_attn.context")
        self.assertIn("model.layers.1.self_attn.probs and model.layers.1.self_attn.v_proj", result["verdict"])
        self.assertIn("the fault is in this step: model.layers.1.self_attn.context", result["verdict"])

    def test_in_bfloat16_a_fault_stands_out_from_noise(self):
        reference = fixture("six_layers")
        trace = foreign.load_trace(fixture("six_layers", "expected_bfloat16.safetensors"))
        for name, factor in (("model.layers.5.mlp.gated", 1.25), ("model.layers.3.self_attn.q_proj", 0.8),
                             ("model.embed_scaled", 1.01), ("model.layers.0.self_attn.scores", 1.05)):
            with self.subTest(name):
                result = self.compare_json(reference, self.npz({**trace, name: trace[name] * np.float32(factor)}),
                                           "--precision", "bfloat16")
                self.assertEqual(result["first"], name)

    def test_between_hidden_states(self):
        trace = foreign.load_trace(fixture("two_kv_heads"))
        arrays = {"hidden_states.0": trace["model.embed_scaled"], "hidden_states.1": trace["model.layers.0"] + 1,
                  "hidden_states.2": trace["model.norm"]}
        result = self.compare_json(fixture("two_kv_heads"), self.npz(arrays))
        self.assertEqual(result["first"], "model.layers.0")
        self.assertIn("in one that was not compared", result["verdict"])
        self.assertIn("model.layers.0.mlp.down_proj", result["verdict"])


class BrokenFiles(InDirectory):
    """Each ends in one line that names the file, with exit code 2."""

    def setUp(self):
        super().setUp()
        self.trace = {"lm_head": np.ones((12, 96), np.float32)}

    def test_cut_short_anywhere(self):
        for save in (np.savez, np.savez_compressed):
            whole = self.npz({"lm_head": self.trace["lm_head"]}, save)
            with open(whole, "rb") as file:
                data = file.read()
            directory = data.index(b"PK\1\2")
            for length in {0, 1, 4, 29, 30, 40, 60, 100, directory // 2, directory - 1, directory, directory + 20,
                           directory + 46, len(data) - 22, len(data) - 1}:
                with self.subTest(save=save.__name__, length=length):
                    cut = self.path("cut.npz")
                    with open(cut, "wb") as file:
                        file.write(data[:length])
                    self.assert_refused(cut)

    def npy(self, data):
        directory = self.path(f"d{len(os.listdir(self.directory.name))}")
        os.makedirs(directory)
        with open(os.path.join(directory, "lm_head.npy"), "wb") as file:
            file.write(data)
        return directory

    def npy_with_header(self, header, numbers=b"", version=1):
        length = struct.pack("<H" if version == 1 else "<I", len(header))
        return self.npy(b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin1") + numbers)

    def test_npy_cut_short(self):
        buffer = io.BytesIO()
        np.save(buffer, self.trace["lm_head"])
        data = buffer.getvalue()
        for length in (0, 5, 6, 8, 9, 10, 11, 60, 127, 128, 129, len(data) - 1):
            with self.subTest(length):
                self.assert_refused(self.npy(data[:length]), "lm_head")
        self.assert_refused(self.npy(data + b"x"), "lm_head")

    def test_npy_headers(self):
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        self.assert_refused(self.npy_with_header(good, bytes(7)), "[2]")
        for header, word in ((good.replace("(2,)", "(4294967296, 4294967296, 4)"), "bytes of numbers"),
                             (good.replace("(2,)", "(99999999999999999999,)"), "whole number"),
                             (good.replace("(2,)", "(-2,)"), "whole number"),
                             (good.replace("(2,)", "(2"), "expected"),
                             (good.replace("'shape': (2,), ", ""), "shape"),
                             (good.replace("False", "Maybe"), "expected"),
                             (good.replace("'<f4'", "[('x', '<f4')]"), "structures"),
                             (good.replace("<f4", ">f4"), '">f4"'), (good.replace("<f4", "|O"), '"|O"'),
                             (good.replace("<f4", "<c8"), '"<c8"'), (good.replace("<f4", "<i4"), '"<i4"'),
                             (good + " x", "expected"), ("", "expected"), ("{" * 1000, "expected")):
            with self.subTest(header):
                self.assert_refused(self.npy_with_header(header, bytes(8)), "lm_head", word)
        self.assert_refused(self.npy_with_header(" " * 70000 + good, bytes(8), version=2), "70057 bytes")
        self.assert_refused(self.npy(b"\x93NUMPY\x01\x00\xff\xff{"), "65535 bytes")
        self.assert_refused(self.npy(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"), "4294967295 bytes")
        self.assert_refused(self.npy(b"\x93NUMPY\x09\x00\x02\x00{}"), "version 9")

    def changed_zip(self, change, save=np.savez):
        path = self.npz({"lm_head": self.trace["lm_head"]}, save)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        change(data, data.index(b"PK\1\2"), data.rindex(b"PK\5\6"))
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_zip_directories(self):
        def put(where, place, value, size=4):
            def change(data, directory, end):
                start = {"entry": directory, "end": end, "file": 0}[where] + place
                data[start:start + size] = value.to_bytes(size, "little")
            return change
        for change, word in ((put("entry", 10, 12, 2), "method 12"), (put("entry", 8, 1, 2), "encrypted"),
                             (put("entry", 20, 10**6), "left in the file"),
                             (put("entry", 24, 4000000000), "cannot be packed"), (put("entry", 42, 10**8), "header"),
                             (put("entry", 28, 60000, 2), "longer than the directory"),
                             (put("entry", 16, 1), "checksum"), (put("end", 16, 10**9), "directory"),
                             (put("end", 12, 10**9), "directory"), (put("end", 10, 60000, 2), "directory"),
                             (put("entry", 0, 0), "directory"), (put("file", 26, 65535, 2), "left in the file")):
            with self.subTest(word):
                self.assert_refused(self.changed_zip(change), word)

    def test_zip_bombs_and_broken_streams(self):
        def claim(data, directory, _end):  # 4 GB out of a few bytes
            data[directory + 24:directory + 28] = (2**32 - 2).to_bytes(4, "little")
        self.assert_refused(self.changed_zip(claim, np.savez_compressed), "cannot be packed")

        def corrupt(data, directory, _end):
            data[directory - 12:directory - 4] = b"\xff" * 8
        self.assert_refused(self.changed_zip(corrupt, np.savez_compressed), "lm_head")

    def test_other_zip_files(self):
        path = self.path("notes.npz")
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("notes.txt", "no array")
        self.assert_refused(path, "notes.txt")
        with zipfile.ZipFile(self.path("empty.npz"), "w"):
            pass
        self.assert_refused(self.path("empty.npz"), "no array")
        os.makedirs(self.path("nothing"))
        self.assert_refused(self.path("nothing"), "no .npy file")

    def test_arguments(self):
        reference = fixture("two_kv_heads")
        names = self.path("names.json")
        for text, word in (("[1]", "names.json"), ("{\"a\": 1}", "names.json"), ("{", "names.json"),
                           ("{\"a\": \"\"}", "expected the name of a tensor"),
                           ("{\"a\": \"model.layers.{i}\"}", "{i}")):
            with open(names, "w", encoding="utf-8") as file:
                file.write(text)
            run = self.compare(reference, reference, "--names", names)
            self.assertEqual(run.returncode, 2)
            self.assertIn(word, run.stderr)
        for option in ("--layout", "--precision", "--config"):
            run = self.compare(reference, reference, option, "sideways")
            self.assertEqual((run.returncode, run.stderr.count("\n")), (2, 1), run.stderr)
            self.assertIn("sideways", run.stderr)


class ProgramsOfTheReadme(InDirectory):
    """Both writers run as they stand, and gemma compare reads what they write."""

    def block(self, language):
        with open(README, encoding="utf-8") as file:
            blocks = re.findall(rf"```{language}\n(.*?)```", file.read(), re.DOTALL)
        self.assertEqual(len(blocks), 1)
        return blocks[0]

    def test_they_write_the_same(self):
        with open(self.path("writer.cpp"), "w", encoding="utf-8") as file:
            file.write(self.block("cpp"))
        subprocess.run([sys.executable, "-c", self.block("python")], cwd=self.directory.name, check=True)
        subprocess.run([COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", "writer.cpp", "-o", "writer"],
                       cwd=self.directory.name, check=True)
        subprocess.run([self.path("writer")], cwd=self.directory.name, check=True)
        result = self.compare_json(self.path("python.npz"), self.path("trace"))
        self.assert_identical(result, ["model.embed_scaled", "model.layers.0"])
        self.assertEqual([tensor["shape"] for tensor in result["tensors"]], [[3, 2], [3, 2]])

    def test_the_name_map_is_one(self):
        with open(self.path("names.json"), "w", encoding="utf-8") as file:
            file.write(self.block("json"))
        run = self.compare(fixture("two_kv_heads"), fixture("two_kv_heads"), "--names", self.path("names.json"))
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
