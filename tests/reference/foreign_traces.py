#!/usr/bin/env python3
"""Writes a trace as other programs would: their names, their file formats, their orders of axes.

The numbers are those of a trace file (the official model's, in tests/fixtures/tiny); only numpy is used. What
`gemma compare` makes of the results is checked by foreign_traces_test.py.
"""

import json
import os
import struct
import zipfile

import numpy as np


def load_trace(path):
    """{name: array} of a .safetensors file of float32 and int64, with its tokens."""
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    numbers = data[8 + length:]
    types = {"F32": "<f4", "I64": "<i8"}
    return {name: np.frombuffer(numbers[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


def layer_count(trace):
    return sum(name.endswith(".residual_attn") for name in trace)


def part(trace, layer, name):
    return trace[f"model.layers.{layer}.{name}"]


def layer_input(trace, layer):
    return trace["model.embed_scaled"] if layer == 0 else trace[f"model.layers.{layer - 1}"]


# ---- names ---------------------------------------------------------------------------------------------------------

def transformer_lens(trace):
    """HookedTransformer.run_with_cache: [batch, pos, head_index, d_head], scores after the mask."""
    result = {"input_ids": trace["tokens"][None], "hook_embed": trace["model.embed_scaled"][None]}
    for i in range(layer_count(trace)):
        block = f"blocks.{i}"
        scores = part(trace, i, "self_attn.scores")
        T = scores.shape[1]
        masked = np.where(np.tril(np.ones((T, T), bool)), scores, np.float32(-np.inf))
        names = {"hook_resid_mid": "residual_attn", "hook_attn_out": "self_attn.o_proj",
                 "hook_mlp_out": "mlp.down_proj", "ln1.hook_normalized": "input_layernorm.normalized",
                 "ln2.hook_normalized": "post_attention_layernorm.normalized", "attn.hook_q": "self_attn.q_proj",
                 "attn.hook_k": "self_attn.k_proj", "attn.hook_v": "self_attn.v_proj",
                 "attn.hook_rot_q": "self_attn.q_rope", "attn.hook_rot_k": "self_attn.k_rope",
                 "attn.hook_pattern": "self_attn.probs", "attn.hook_z": "self_attn.context",
                 "mlp.hook_pre": "mlp.gate_proj", "mlp.hook_pre_linear": "mlp.up_proj", "mlp.hook_post": "mlp.gated"}
        result[f"{block}.hook_resid_pre"] = layer_input(trace, i)[None]
        result.update({f"{block}.{theirs}": part(trace, i, ours)[None] for theirs, ours in names.items()})
        result[f"{block}.attn.hook_attn_scores"] = masked[None]
        result[f"{block}.ln1.hook_scale"] = np.sqrt(part(trace, i, "input_layernorm.mean_square") + 1e-6)[None, :, None]
        result[f"{block}.hook_resid_post"] = trace[f"model.layers.{i}"][None]
    result["ln_final.hook_normalized"] = trace["model.norm.normalized"][None]
    result["logits"] = trace["lm_head"][None]
    return result


def gemma_pytorch(trace):
    """Outputs of the official code's modules: q, k and v in one."""
    T = len(trace["tokens"])
    result = {"embedder": trace["model.embed_tokens"][None]}
    for i in range(layer_count(trace)):
        layer = f"model.layers.{i}"
        fused = [part(trace, i, f"self_attn.{x}_proj").reshape(T, -1) for x in "qkv"]
        result[f"{layer}.input_layernorm"] = part(trace, i, "input_layernorm")[None]
        result[f"{layer}.self_attn.qkv_proj"] = np.concatenate(fused, axis=1)[None]
        result[f"{layer}.self_attn"] = part(trace, i, "self_attn.o_proj")[None]
        result[f"{layer}.post_attention_layernorm"] = part(trace, i, "post_attention_layernorm")[None]
        for name in ("gate_proj", "up_proj", "down_proj"):
            result[f"{layer}.mlp.{name}"] = part(trace, i, f"mlp.{name}")[None]
        result[layer] = trace[layer][None]
    result["model.norm"] = trace["model.norm"][None]
    return result


def hugging_face(trace):
    """output_hidden_states, output_attentions and logits, and two modules' outputs with the heads merged or first."""
    L, T = layer_count(trace), len(trace["tokens"])
    result = {"input_ids": trace["tokens"][None], "logits": trace["lm_head"][None]}
    for i in range(L):
        result[f"hidden_states.{i}"] = layer_input(trace, i)[None]
        result[f"attentions.{i}"] = part(trace, i, "self_attn.probs")[None]
        result[f"model.layers.{i}.self_attn.q_proj"] = part(trace, i, "self_attn.q_proj").reshape(1, T, -1)
        result[f"model.layers.{i}.self_attn.q_rope"] = part(trace, i, "self_attn.q_rope").transpose(1, 0, 2)[None]
        result[f"model.layers.{i}.mlp"] = part(trace, i, "mlp.down_proj")[None]
    result[f"hidden_states.{L}"] = trace["model.norm"][None]
    return result


def llama_cpp(trace):
    """(name, array) of the graph's nodes, in which names come twice, and a cache that is padded to 32 tokens."""
    T = len(trace["tokens"])
    result = [("inp_tokens", trace["tokens"].astype(np.int32)), ("inp_embd", trace["model.embed_tokens"]),
              ("inp_scaled", trace["model.embed_scaled"])]

    def padded(scores, fill):
        wide = np.full((*scores.shape[:2], 32), fill, np.float32)
        wide[:, :, :T] = scores
        return wide

    for i in range(layer_count(trace)):
        for name, ours in (("norm", "input_layernorm.normalized"), ("attn_norm", "input_layernorm")):
            result.append((f"{name}-{i}", part(trace, i, ours)))
        for name in "qk":
            result.append((f"{name.upper()}cur-{i}", part(trace, i, f"self_attn.{name}_proj").reshape(T, -1)))
            result.append((f"{name.upper()}cur-{i}", part(trace, i, f"self_attn.{name}_rope")))
        d = part(trace, i, "self_attn.q_rope").shape[2]
        result.append((f"Qcur_scaled-{i}", part(trace, i, "self_attn.q_rope") / np.float32(np.sqrt(d))))
        result.append((f"Vcur-{i}", part(trace, i, "self_attn.v_proj")))
        result.append((f"kq-{i}", padded(part(trace, i, "self_attn.scores"), 7)))
        result.append((f"kq_soft_max-{i}", padded(part(trace, i, "self_attn.probs"), 0)))
        result.append((f"kqv_out-{i}", part(trace, i, "self_attn.context").reshape(T, -1)))
        result.append((f"sa_out-{i}", part(trace, i, "residual_attn")))
        for name, ours in (("norm", "post_attention_layernorm.normalized"), ("ffn_norm", "post_attention_layernorm"),
                           ("ffn_up", "mlp.up_proj"), ("ffn_gate", "mlp.gate_proj"), ("ffn_geglu", "mlp.gated"),
                           ("ffn_out", "mlp.down_proj")):
            result.append((f"{name}-{i}", part(trace, i, ours)))
        result.append((f"l_out-{i}", trace[f"model.layers.{i}"]))
    return result + [("norm", trace["model.norm.normalized"]), ("result_norm", trace["model.norm"]),
                     ("result_output", trace["lm_head"])]


def numbered(pairs):
    """A dict of pairs whose names come several times: the second gets "#2"."""
    result, count = {}, {}
    for name, array in pairs:
        count[name] = count.get(name, 0) + 1
        result[name if count[name] == 1 else f"{name}#{count[name]}"] = array
    return result


# ---- files ---------------------------------------------------------------------------------------------------------

def save_directory(path, arrays):
    """A directory of .npy files."""
    os.makedirs(path)
    for name, array in arrays.items():
        np.save(os.path.join(path, name + ".npy"), array)


def save_npz_twice_named(path, pairs):
    """An .npz file in which several entries have the same name, as a zip file may."""
    import io
    import warnings
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        for name, array in pairs:
            buffer = io.BytesIO()
            np.save(buffer, array)
            file.writestr(name + ".npy", buffer.getvalue())


def ggml_shape(array):
    """The same numbers in the same order under the shape as ggml counts it, from the innermost axis."""
    return np.ascontiguousarray(array).reshape(array.shape[::-1])


def bfloat16_bits(array):
    """The nearest bfloat16 of each number, as the upper half of its float32."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)
