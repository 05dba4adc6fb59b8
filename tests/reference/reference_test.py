#!/usr/bin/env python3
"""Tests of this folder's programs. Needs PyTorch, else all is skipped. With a checkout of google/gemma_pytorch in the
environment variable GEMMA_PYTORCH, the official model itself is asked, too.

example:
  GEMMA_PYTORCH=gemma_pytorch python3 reference_test.py
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "fixtures", "tiny")
CHECKOUT = os.environ.get("GEMMA_PYTORCH")

sys.path.insert(0, HERE)
try:
    import torch
except ImportError:
    torch = None
if torch:
    import float64_gemma
    import make_fixtures
    import model_directory
    import safetensors_file
    import trace_writer
    torch.set_num_threads(1)

needs_checkout = unittest.skipUnless(CHECKOUT, "GEMMA_PYTORCH names no checkout of google/gemma_pytorch")


def fixtures():
    """(name, directory) of every committed fixture."""
    return [(name, os.path.join(FIXTURES, name)) for name in sorted(os.listdir(FIXTURES))
            if os.path.isdir(os.path.join(FIXTURES, name))]


def relative_difference(tensor, reference):
    return ((tensor.double() - reference.double()).abs().max() / reference.double().abs().max()).item()


class TemporaryDirectoryTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name

    def path(self, *parts):
        return os.path.join(self.directory, *parts)


@unittest.skipUnless(torch, "PyTorch is not installed")
class SafetensorsFileTest(TemporaryDirectoryTest):
    def test_tensors_metadata_and_order_come_back(self):
        tensors = {"z": torch.tensor([2, -7]), "a": torch.randn(2, 3), "b": torch.randn(3).bfloat16(),
                   "c": torch.randn(1, 2, 2).half(), "scalar": torch.tensor(1.5), "empty": torch.empty(0, 4)}
        safetensors_file.save(self.path("t"), tensors, {"prompt": "Käse \"и\" 🧀"})
        loaded, metadata = safetensors_file.load(self.path("t"))
        self.assertEqual(list(loaded), list(tensors))
        self.assertEqual(metadata, {"prompt": "Käse \"и\" 🧀"})
        for name, tensor in tensors.items():
            self.assertEqual((loaded[name].dtype, loaded[name].shape), (tensor.dtype, tensor.shape))
            self.assertTrue(torch.equal(loaded[name], tensor), name)
        self.assertEqual(os.listdir(self.directory), ["t"])

    def test_a_file_that_is_cut_short_is_refused(self):
        safetensors_file.save(self.path("t"), {"a": torch.randn(8)})
        with open(self.path("t"), "rb") as file:
            whole = file.read()
        for length in (0, 7, 20, len(whole) - 1):
            with open(self.path("t"), "wb") as file:
                file.write(whole[:length])
            with self.assertRaisesRegex(safetensors_file.FormatError, "cut short"):
                safetensors_file.load(self.path("t"))


@unittest.skipUnless(torch, "PyTorch is not installed")
class FixturesTest(TemporaryDirectoryTest):
    def test_every_tensor_is_what_the_formulas_say(self):
        for name, directory in fixtures():
            with self.subTest(name):
                config = model_directory.read_config(directory)
                trace, metadata = safetensors_file.load(os.path.join(directory, "expected.safetensors"))
                tokens = trace.pop("tokens")
                formulas = float64_gemma.forward(config, model_directory.read_tensors(directory), tokens)
                self.assertEqual([entry for entry in formulas if entry in trace], list(trace))
                self.assertEqual(metadata["precision"], "float32")
                # The model's angles are float32: at position 640 they are off by up to 640 · 2^-24, which is 4e-5.
                tolerance = 5e-5 if len(tokens) > 600 else 5e-6
                for entry, tensor in trace.items():
                    self.assertEqual(tensor.shape, formulas[entry].shape, entry)
                    self.assertLess(relative_difference(tensor, formulas[entry]), tolerance, entry)

    def test_shapes_are_the_table_s(self):
        for name, directory in fixtures():
            config = model_directory.read_config(directory)
            trace, _metadata = safetensors_file.load(os.path.join(directory, "expected.safetensors"))
            expected = trace_writer.expected_trace(config, len(trace.pop("tokens")))
            self.assertEqual({entry: tuple(tensor.shape) for entry, tensor in trace.items()},
                             {entry: expected[entry] for entry in trace}, name)

    @needs_checkout
    def test_the_same_command_makes_the_same_weights_and_nearly_the_same_traces(self):
        subprocess.run([sys.executable, os.path.join(HERE, "make_fixtures.py"), "--gemma-pytorch", CHECKOUT,
                        "--out", self.directory], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual([name for name, _directory in fixtures()], sorted(os.listdir(self.directory)))
        for name, directory in fixtures():
            for file in sorted(os.listdir(directory)):
                with self.subTest(f"{name}/{file}"):
                    self.compare_files(os.path.join(directory, file), self.path(name, file))

    def compare_files(self, committed, made):
        if committed.endswith(".json"):
            with open(committed) as first, open(made) as second:
                self.assertEqual(json.load(first), json.load(second))
            return
        tolerance = 5e-2 if "bfloat16.safe" in committed else 1e-5 if "expected" in committed else 0.0
        (first, _), (second, _) = safetensors_file.load(committed), safetensors_file.load(made)
        self.assertEqual(list(first), list(second))
        for name, tensor in first.items():
            self.assertLessEqual(relative_difference(second[name], tensor), tolerance, name)


@unittest.skipUnless(torch, "PyTorch is not installed")
class ConvertCheckpointTest(TemporaryDirectoryTest):
    """A tiny random official state dict, converted and read back."""

    def setUp(self):
        super().setUp()
        fixture = {**make_fixtures.SMALL, "dtype": "bfloat16", "num_attention_heads": 6, "num_key_value_heads": 2}
        self.config = make_fixtures.make_config(fixture)
        self.state = self.random_official_state()
        os.mkdir(self.path("sizes"))
        model_directory.write_config(self.path("sizes"), self.config)

    def random_official_state(self):
        """{official name: random bfloat16 tensor}, with the fused rows q, k, v and with freqs_cis."""
        config = self.config
        D, F, d = config["hidden_size"], config["intermediate_size"], config["head_dim"]
        H, K = config["num_attention_heads"], config["num_key_value_heads"]
        shapes = {"embedder.weight": (config["vocab_size"], D), "model.norm.weight": (D,)}
        for i in range(config["num_hidden_layers"]):
            layer = {"self_attn.qkv_proj": ((H + 2 * K) * d, D), "self_attn.o_proj": (D, H * d),
                     "mlp.gate_proj": (F, D), "mlp.up_proj": (F, D), "mlp.down_proj": (D, F),
                     "input_layernorm": (D,), "post_attention_layernorm": (D,)}
            shapes.update({f"model.layers.{i}.{name}.weight": shape for name, shape in layer.items()})
        generator = torch.Generator().manual_seed(7)
        state = {name: (0.2 * torch.randn(shape, generator=generator)).bfloat16() for name, shape in shapes.items()}
        return {**state, "freqs_cis": torch.ones(16, d // 2, dtype=torch.complex64)}

    def run_program(self, *arguments):
        """Saves the state as a .ckpt and converts it. Returns the finished process."""
        torch.save({"model_state_dict": self.state}, self.path("tiny.ckpt"))
        command = [sys.executable, os.path.join(HERE, "convert_checkpoint.py"), "--checkpoint", self.path("tiny.ckpt"),
                   "--config", self.path("sizes"), "--out", self.path("out"), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def converted(self, *arguments):
        """The tensors of the converted directory, read back."""
        process = self.run_program(*arguments)
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        tensors = model_directory.read_tensors(self.path("out"))
        model_directory.check_tensors(self.path("out"), model_directory.read_config(self.path("out")), tensors)
        return tensors

    def check_equal(self, tensors):
        """Every weight of the state dict is there bit for bit, the fused rows under one another."""
        for name, expected in self.state.items():
            if name == "freqs_cis":
                continue
            if name.endswith("qkv_proj.weight"):
                found = torch.cat([tensors[name.replace("qkv", part)] for part in "qkv"])
            else:
                found = tensors[name.replace("embedder", "model.embed_tokens")]
            self.assertEqual(found.dtype, torch.bfloat16)
            self.assertTrue(torch.equal(found, expected), name)

    def test_every_tensor_comes_back(self):
        self.check_equal(self.converted())
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["config.json", "model.safetensors"])

    def test_every_tensor_comes_back_from_shards(self):
        self.check_equal(self.converted("--shard-size", "0.00003"))
        self.assertIn("model-00002-of-00004.safetensors", os.listdir(self.path("out")))
        with open(self.path("out", "model.safetensors.index.json")) as file:
            total = json.load(file)["metadata"]["total_size"]
        self.assertEqual(total, sum(2 * tensor.numel() for name, tensor in self.state.items() if name != "freqs_cis"))

    def test_dtype_is_converted_and_written_down(self):
        tensors = self.converted("--dtype", "float32")
        self.assertEqual({tensor.dtype for tensor in tensors.values()}, {torch.float32})
        self.assertEqual(model_directory.read_config(self.path("out"))["torch_dtype"], "float32")

    def test_padded_embedding_is_cut_and_said(self):
        embedding = self.state["embedder.weight"]
        self.state["embedder.weight"] = torch.cat([embedding, torch.zeros(8, embedding.shape[1]).bfloat16()])
        process = self.run_program()
        self.assertIn("embedder.weight has 104 rows: the first 96 kept, 8 left out", process.stdout)
        tensors = model_directory.read_tensors(self.path("out"))
        self.assertTrue(torch.equal(tensors["model.embed_tokens.weight"], embedding))

    def test_bad_checkpoints_end_in_one_line_and_leave_nothing(self):
        norm = self.state["model.norm.weight"]
        cases = {"no tensor model.norm.weight": {"model.norm.weight": None},
                 "model.norm.weight has shape [3], expected [48]": {"model.norm.weight": norm[:3]},
                 "an int8 checkpoint": {"embedder.weight_scaler": norm},
                 "tensors that a Gemma of this size has not": {"model.layers.9.mlp.up_proj.weight": norm}}
        good = dict(self.state)
        for message, change in cases.items():
            with self.subTest(message):
                self.state = {name: tensor for name, tensor in {**good, **change}.items() if tensor is not None}
                process = self.run_program()
                self.assertEqual((process.returncode, process.stdout, process.stderr.count("\n")), (2, "", 1))
                self.assertIn(message, process.stderr)
                self.assertEqual(sorted(os.listdir(self.directory)), ["sizes", "tiny.ckpt"])

    @needs_checkout
    def test_the_official_model_gives_the_same_logits(self):
        import official_gemma
        official = official_gemma.import_official(CHECKOUT)
        self.state.pop("freqs_cis")  # made of ones here; the model computes its own
        before = self.official_logits(official, self.state)
        after = self.official_logits(official, official_gemma.official_state(self.config, self.converted()))
        self.assertGreater(before.std().item(), 0.1)
        self.assertTrue(torch.equal(before, after))

    def official_logits(self, official, state):
        import official_gemma
        recorder = trace_writer.Recorder(self.config, [2, 5, 7, 95, 0], ["lm_head"])
        model = official_gemma.build_model(official, self.config, state, "float32")
        with trace_writer.running("float32"), official_gemma.record_official(official, model, recorder):
            official_gemma.run_model(model, recorder.tokens)
        return recorder.values["lm_head"]


@unittest.skipUnless(torch, "PyTorch is not installed")
class ProgramsTest(TemporaryDirectoryTest):
    MODEL = os.path.join(FIXTURES, "one_kv_head")

    def run_program(self, program, *arguments):
        return subprocess.run([sys.executable, os.path.join(HERE, program), *arguments], capture_output=True, text=True)

    def check_refused(self, message, program, *arguments):
        process = self.run_program(program, *arguments, "--out", self.path("out"))
        self.assertEqual((process.returncode, process.stdout, process.stderr.count("\n")), (2, "", 1), process.stderr)
        self.assertIn(message, process.stderr)
        self.assertEqual(os.listdir(self.directory), [])

    def test_help_has_an_example(self):
        for program in ("dump_official.py", "dump_transformers.py", "convert_checkpoint.py", "make_fixtures.py",
                        "compare_traces.py"):
            process = self.run_program(program, "--help")
            self.assertEqual(process.returncode, 0)
            self.assertIn(f"python3 {program}", process.stdout)

    def test_bad_input_ends_in_one_line(self):
        dump = ("dump_official.py", "--gemma-pytorch", "nowhere", "--model")
        self.check_refused("nowhere/config.json: not found", *dump, "nowhere", "--tokens", "2")
        self.check_refused("token 96 is out of range, expected 0 to 95", *dump, self.MODEL, "--tokens", "2,96")
        self.check_refused("found '2,x'", *dump, self.MODEL, "--tokens", "2,x")
        self.check_refused("gemma/model.py not found", *dump, self.MODEL, "--tokens", "2")

    @needs_checkout
    def test_a_trace_agrees_with_itself_and_not_with_bfloat16(self):
        tokens = safetensors_file.load(os.path.join(self.MODEL, "expected.safetensors"))[0]["tokens"].tolist()
        dump = ("dump_official.py", "--gemma-pytorch", CHECKOUT, "--model", self.MODEL,
                "--tokens", ",".join(map(str, tokens)))
        for dtype in ("float32", "bfloat16"):
            process = self.run_program(*dump, "--dtype", dtype, "--out", self.path(dtype))
            self.assertEqual(process.returncode, 0, process.stderr)
        expected = os.path.join(self.MODEL, "expected.safetensors")
        self.assertEqual(self.run_program("compare_traces.py", expected, self.path("float32")).returncode, 0)
        self.assertEqual(self.run_program("compare_traces.py", expected, self.path("bfloat16")).returncode, 1)

    @needs_checkout
    def test_names_choose_what_is_written(self):
        process = self.run_program("dump_official.py", "--gemma-pytorch", CHECKOUT, "--model", self.MODEL,
                                   "--tokens", "2,3", "--names", "lm_head", "*.1.self_attn.q_rope",
                                   "--out", self.path("out"))
        self.assertEqual(process.returncode, 0, process.stderr)
        tensors, metadata = safetensors_file.load(self.path("out"))
        self.assertEqual(list(tensors), ["tokens", "model.layers.1.self_attn.q_rope", "lm_head"])
        self.assertEqual((metadata["model"], metadata["format_version"]), ("one_kv_head", "1"))


if __name__ == "__main__":
    if torch is None:
        print("skipped: PyTorch is not installed")
    unittest.main()
