#!/usr/bin/env python3
"""Gemma's forward pass in NumPy, and what it becomes with each known mistake: traces for the tests of gemma diagnose.

It shares nothing with the C++ program: float64 from the formulas, one `if` where a mistake is made. With --dtype
bfloat16 every tensor that Google's model rounds is rounded. Needs NumPy.

Letters: T tokens, D hidden size, H query heads, K key/value heads, d head dimension, F feed-forward size, V vocabulary.
"""

import argparse
import json
import math
import os

import numpy as np

# ---- the mistakes ---------------------------------------------------------------------------------------------------

MISTAKES = """
bos-missing bos-twice
embedding-unscaled embedding-scale-precision embedding-divided
norm-layernorm norm-eps-1e-5 norm-eps-missing norm-eps-outside norm-weight-plain norm-weight-twice norm-weight-bfloat16
norm-cast-early norm-weight-missing norm-weights-swapped
rope-missing rope-queries-only rope-keys-only rope-interleaved rope-from-one rope-wrong-axis rope-backwards
rope-theta-500000 rope-theta-1000000 rope-exponent rope-head-dim rope-angles-bfloat16 rope-cosines-bfloat16 rope-values
key-value-swapped scale-missing scale-twice scale-head-dim scale-hidden scores-capped heads-tiled
mask-missing mask-off-by-one mask-hides-self mask-zero mask-minus-one mask-minus-ten mask-after-softmax
softmax-without-max softmax-bfloat16 heads-not-transposed
gate-up-swapped gelu-erf gelu-sigmoid gate-silu gate-relu gate-sigmoid gate-linear gelu-on-up gate-added
residual-after-norm residual-attention-missing residual-mlp-missing attention-lost last-layer-missing
final-norm-missing output-scaled output-transposed output-untied logits-capped
""".split()


def bfloat16(x):
    """The nearest bfloat16 numbers, ties to even: the upper half of a float32."""
    x = np.asarray(x, np.float64)
    bits = np.atleast_1d(x.astype(np.float32)).view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(x), bits.view(np.float32).reshape(x.shape), x)


def forward(config, weights, tokens, wrong=(), dtype="float32"):
    """{name: array}, in the order of the forward pass, and the tokens that it ran, with the mistakes of `wrong`."""
    unknown = set(wrong) - set(MISTAKES)
    assert not unknown, unknown
    D, H, K = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    d, eps, theta = config["head_dim"], config["rms_norm_eps"], config["rope_theta"]
    low = dtype == "bfloat16"
    keep = bfloat16 if low else lambda x: x
    trace = {}

    def show(name, value):
        trace[name] = value
        return value

    def linear(x, name):
        return keep(x @ weights[f"{name}.weight"].T)

    # -- RMSNorm

    def norm(x, name):
        if name == "model.norm" and "final-norm-missing" in wrong:
            return show(name, x)
        if "norm-layernorm" in wrong:
            x = x - x.mean(-1, keepdims=True)
        mean_square = show(f"{name}.mean_square", (x * x).mean(-1))[:, None]
        if "norm-eps-1e-5" in wrong:
            x = x / np.sqrt(mean_square + 1e-5)
        elif "norm-eps-missing" in wrong:
            x = x / np.sqrt(mean_square)
        elif "norm-eps-outside" in wrong:
            x = x / (np.sqrt(mean_square) + eps)
        else:
            x = x / np.sqrt(mean_square + eps)
        show(f"{name}.normalized", x)
        of = name
        if "norm-weights-swapped" in wrong and name != "model.norm":
            before, after = "input_layernorm", "post_attention_layernorm"
            of = name.replace(before, after) if before in name else name.replace(after, before)
        w = weights[f"{of}.weight"]
        if "norm-weight-plain" in wrong:
            return show(name, keep(x * w))
        if "norm-weight-twice" in wrong:
            return show(name, keep(x * (1 + (1 + w))))
        if "norm-weight-missing" in wrong:
            return show(name, keep(x))
        if "norm-weight-bfloat16" in wrong:
            return show(name, keep(x * bfloat16(1 + w)))
        if "norm-cast-early" in wrong:
            return show(name, keep(bfloat16(x) * (1 + w)))
        return show(name, keep(x * (1 + w)))

    # -- RoPE

    def rotate(x):
        T, heads, _ = x.shape
        position = np.arange(T, dtype=np.float64)[:, None, None] * np.ones((1, heads, 1))  # [T, heads, 1]
        if "rope-from-one" in wrong:
            position = position + 1
        if "rope-wrong-axis" in wrong:
            position = np.ones((T, 1, 1)) * np.arange(heads, dtype=np.float64)[None, :, None]
        base = 5e5 if "rope-theta-500000" in wrong else 1e6 if "rope-theta-1000000" in wrong else theta
        size = D / H if "rope-head-dim" in wrong else d
        step = 1 if "rope-exponent" in wrong else 2
        frequency = base ** (-step * np.arange(d // 2) / size)
        angle = position * frequency
        if "rope-angles-bfloat16" in wrong:
            angle = bfloat16(bfloat16(position) * bfloat16(frequency))
        if "rope-backwards" in wrong:
            angle = -angle
        cos, sin = np.cos(angle), np.sin(angle)
        if "rope-cosines-bfloat16" in wrong:
            cos, sin = bfloat16(cos), bfloat16(sin)
        y = np.empty_like(x)
        if "rope-interleaved" in wrong:
            a, b = x[..., 0::2], x[..., 1::2]
            y[..., 0::2], y[..., 1::2] = a * cos - b * sin, a * sin + b * cos
        else:
            a, b = x[..., : d // 2], x[..., d // 2:]
            y[..., : d // 2], y[..., d // 2:] = a * cos - b * sin, a * sin + b * cos
        return keep(y)

    # -- attention

    def softmax_of(scores):
        """scores [H, T, T] to probs."""
        T = scores.shape[-1]
        later = np.arange(T)[None, :] > np.arange(T)[:, None]  # [t, s]: s comes after t
        if "mask-missing" in wrong or "mask-after-softmax" in wrong:
            masked = scores
        elif "mask-off-by-one" in wrong:
            masked = np.where(np.triu(np.ones((T, T), bool), 2), -np.inf, scores)
        elif "mask-hides-self" in wrong:  # added in float32, this number leaves nothing of the score
            huge = np.float32(-2.3819763e38) * np.triu(np.ones((T, T), np.float32), 0)
            masked = (scores.astype(np.float32) + huge).astype(np.float64)
        elif "mask-zero" in wrong:
            masked = scores * ~later
        elif "mask-minus-one" in wrong:
            masked = scores + ~later  # True and False added as numbers
        elif "mask-minus-ten" in wrong:
            masked = scores - 10.0 * later
        else:
            masked = np.where(later, -np.inf, scores)
        with np.errstate(over="ignore", invalid="ignore"):
            if "softmax-without-max" in wrong:
                e = np.exp(masked.astype(np.float32))  # float32 ends at 3.4e38
                probs = (e / e.sum(-1, keepdims=True)).astype(np.float64)
                probs[:, later] = 0
            elif "softmax-bfloat16" in wrong:
                s = bfloat16(masked)
                e = bfloat16(np.exp(bfloat16(s - s.max(-1, keepdims=True))))
                probs = bfloat16(e / bfloat16(e.sum(-1, keepdims=True)))
            else:
                e = np.exp(masked - masked.max(-1, keepdims=True))
                probs = e / e.sum(-1, keepdims=True)
        if "mask-after-softmax" in wrong:
            probs = probs * ~later
        return keep(probs)

    def attention(x, name):
        T = len(x)
        k_part, v_part = ("v_proj", "k_proj") if "key-value-swapped" in wrong else ("k_proj", "v_proj")
        q = show(f"{name}.q_proj", linear(x, f"{name}.q_proj").reshape(T, H, d))
        k = show(f"{name}.k_proj", linear(x, f"{name}.{k_part}").reshape(T, K, d))
        v = show(f"{name}.v_proj", linear(x, f"{name}.{v_part}").reshape(T, K, d))
        turn_q = "rope-missing" not in wrong and "rope-keys-only" not in wrong
        turn_k = "rope-missing" not in wrong and "rope-queries-only" not in wrong
        q = show(f"{name}.q_rope", rotate(q) if turn_q else q)
        k = show(f"{name}.k_rope", rotate(k) if turn_k else k)
        if "rope-values" in wrong:
            v = rotate(v)
        if "heads-tiled" in wrong:
            k, v = (np.tile(part, (1, H // K, 1)) for part in (k, v))
        else:
            k, v = (np.repeat(part, H // K, axis=1) for part in (k, v))  # [T, K, d] to [T, H, d]
        scale = d**-0.5
        if "scale-missing" in wrong:
            scale = 1.0
        elif "scale-twice" in wrong:
            scale = 1.0 / d
        elif "scale-head-dim" in wrong:
            scale = (D / H) ** -0.5
        elif "scale-hidden" in wrong:
            scale = D**-0.5
        q = keep(q * keep(scale))
        scores = keep(np.einsum("thd,shd->hts", q, k))
        if "scores-capped" in wrong:
            scores = keep(50 * np.tanh(scores / 50))
        probs = show(f"{name}.probs", softmax_of(show(f"{name}.scores", scores)))
        context = show(f"{name}.context", keep(np.einsum("hts,shd->thd", probs, v)))
        if "heads-not-transposed" in wrong:
            context = np.ascontiguousarray(context.transpose(1, 0, 2))  # [H, T, d]
        return show(f"{name}.o_proj", linear(context.reshape(T, H * d), f"{name}.o_proj"))

    # -- the MLP

    def activation(x):
        if "gelu-erf" in wrong:
            return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        if "gelu-sigmoid" in wrong:
            return x / (1 + np.exp(-1.702 * x))
        if "gate-silu" in wrong:
            return x / (1 + np.exp(-x))
        if "gate-relu" in wrong:
            return np.maximum(x, 0)
        if "gate-sigmoid" in wrong:
            return 1 / (1 + np.exp(-x))
        if "gate-linear" in wrong:
            return x
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def mlp(x, name):
        gate_part, up_part = ("up_proj", "gate_proj") if "gate-up-swapped" in wrong else ("gate_proj", "up_proj")
        gate = show(f"{name}.gate_proj", linear(x, f"{name}.{gate_part}"))
        up = linear(x, f"{name}.{up_part}")
        if "gelu-on-up" in wrong:
            activated = show(f"{name}.act_fn", keep(activation(up)))
            other = gate
        else:
            activated = show(f"{name}.act_fn", keep(activation(gate)))
            other = up
        show(f"{name}.up_proj", up)
        gated = activated + other if "gate-added" in wrong else activated * other
        return show(f"{name}.down_proj", linear(show(f"{name}.gated", keep(gated)), f"{name}.down_proj"))

    # -- the whole

    tokens = list(tokens)
    if "bos-missing" in wrong:
        tokens = tokens[1:]
    if "bos-twice" in wrong:
        tokens = tokens[:1] + tokens
    x = show("model.embed_tokens", weights["model.embed_tokens.weight"][tokens])
    scale = math.sqrt(D)
    rounds = low != ("embedding-scale-precision" in wrong)
    if "embedding-unscaled" in wrong:
        scale = 1.0
    elif "embedding-divided" in wrong:
        scale = 1 / math.sqrt(D)
    elif rounds:
        scale = bfloat16(scale)
    x = show("model.embed_scaled", keep(x * scale))
    layers = config["num_hidden_layers"] - (1 if "last-layer-missing" in wrong else 0)
    for i in range(layers):
        layer = f"model.layers.{i}"
        normed = norm(x, f"{layer}.input_layernorm")
        out = attention(normed, f"{layer}.self_attn")
        residual = normed if "residual-after-norm" in wrong else 0 if "residual-attention-missing" in wrong else x
        y = show(f"{layer}.residual_attn", keep(residual + out))
        normed = norm(y, f"{layer}.post_attention_layernorm")
        out = mlp(normed, f"{layer}.mlp")
        residual = (normed if "residual-after-norm" in wrong else 0 if "residual-mlp-missing" in wrong
                    else x if "attention-lost" in wrong else y)
        x = show(layer, keep(residual + out))
    x = norm(x, "model.norm")
    embedding = weights["model.embed_tokens.weight"]
    if "output-untied" in wrong:
        logits = np.zeros((len(tokens), len(embedding)))
    elif "output-transposed" in wrong:
        logits = keep(x @ embedding.reshape(D, -1))
    elif "output-scaled" in wrong:
        logits = keep(x @ (embedding * math.sqrt(D)).T)
    else:
        logits = keep(x @ embedding.T)
    if "logits-capped" in wrong:
        logits = keep(30 * np.tanh(logits / 30))
    show("lm_head", logits)
    return trace, tokens


# ---- models and files -----------------------------------------------------------------------------------------------

def make_config(**sizes):
    return {"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "hidden_activation": "gelu_pytorch_tanh",
            "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "torch_dtype": "float32",
            **sizes}


def make_weights(config, seed, embedding_scale=1.0, query_scale=1.0, rounded=False):
    """Random weights under Hugging Face's names; `rounded`: all of them bfloat16 numbers."""
    random = np.random.RandomState(seed)
    D, F, V, d = (config[key] for key in ("hidden_size", "intermediate_size", "vocab_size", "head_dim"))
    H, K = config["num_attention_heads"], config["num_key_value_heads"]
    weights = {"model.embed_tokens.weight": random.normal(0, embedding_scale * D**-0.5, (V, D))}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows, columns, scale in (
                ("self_attn.q_proj", H * d, D, 1.6 * query_scale), ("self_attn.k_proj", K * d, D, 1.6),
                ("self_attn.v_proj", K * d, D, 1), ("self_attn.o_proj", D, H * d, 1.5),
                ("mlp.gate_proj", F, D, 1.5), ("mlp.up_proj", F, D, 1), ("mlp.down_proj", D, F, 1.5)):
            weights[f"{layer}{name}.weight"] = random.normal(0, scale * columns**-0.5, (rows, columns))
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{layer}{name}.weight"] = random.normal(0, 0.3, D)
    weights["model.norm.weight"] = random.normal(0, 0.3, D)
    # What the C++ program reads is what is computed with here.
    exact = bfloat16 if rounded else lambda x: x.astype(np.float32).astype(np.float64)
    return {name: exact(weight) for name, weight in weights.items()}


def save(path, tensors, metadata=None):
    """A .safetensors file: 8 bytes with the length of a JSON header, the header, the numbers."""
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, array in tensors.items():
        dtype = {"int64": "I64", "float32": "F32"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def load(path):
    """{name: float64 array} of a .safetensors file of float32 and bfloat16 numbers and token ids."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(data[begin:end], {"F32": np.float32, "I64": np.int64}[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"]).astype(np.float64)
    return tensors


def save_model(directory, config, weights):
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    save(os.path.join(directory, "model.safetensors"),
         {name: weight.astype(np.float32) for name, weight in weights.items()})


def load_model(directory):
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    return config, load(os.path.join(directory, "model.safetensors"))


def save_trace(path, trace, tokens, dtype="float32"):
    tensors = {"tokens": np.array(tokens, np.int64)} if tokens is not None else {}
    tensors.update({name: value.astype(np.float32) for name, value in trace.items()})
    save(path, tensors, {"format_version": "1", "precision": dtype, "producer": "mistakes.py"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR", help="config.json and model.safetensors")
    parser.add_argument("--tokens", required=True, metavar="2,5,7")
    parser.add_argument("--mistakes", nargs="*", default=[], choices=MISTAKES, metavar="NAME",
                        help="none, or some of: " + " ".join(MISTAKES))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors")
    arguments = parser.parse_args()
    tokens = [int(token) for token in arguments.tokens.split(",")]
    config, weights = load_model(arguments.model)
    trace, ran = forward(config, weights, tokens, arguments.mistakes, arguments.dtype)
    save_trace(arguments.out, trace, ran, arguments.dtype)


if __name__ == "__main__":
    main()
