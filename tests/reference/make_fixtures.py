#!/usr/bin/env python3
"""Makes tiny random Gemma models and their traces by Google's official PyTorch code: what the C++ tests compare with.

Each model is a folder NAME/ with config.json, model.safetensors (or shards and their index) and expected.safetensors.
The weights come from a fixed seed, so the same command makes the same models again.
"""

import os

from command_line import parser_with_example, require, run

EXAMPLE = "python3 make_fixtures.py --gemma-pytorch gemma_pytorch --out ../fixtures/tiny"

SMALL = dict(vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, tokens=12, dtype="float32",
             names=("*",), also=None, shard_limit=10**9, embedding_scale=1.0,
             activation={"hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh"})

# What each one is there for is said in README.md. A key that is not given is SMALL's.
FIXTURES = {
    "one_kv_head": dict(num_key_value_heads=1, activation={"hidden_act": "gelu"}),
    "two_kv_heads": dict(num_attention_heads=6, num_key_value_heads=2, also="bfloat16"),
    "all_kv_heads": dict(num_key_value_heads=4, head_dim=8, hidden_size=32,
                         activation={"hidden_activation": "gelu_pytorch_tanh"}),
    "wide_heads": dict(num_attention_heads=2, num_key_value_heads=1, head_dim=256, hidden_size=32, num_hidden_layers=1,
                       also="bfloat16"),
    "one_token": dict(tokens=1, also="bfloat16"),
    "one_layer": dict(num_hidden_layers=1, num_attention_heads=8, num_key_value_heads=4, head_dim=4, tokens=33,
                      embedding_scale=1e-3),
    "six_layers": dict(num_hidden_layers=6, hidden_size=32, intermediate_size=48, num_key_value_heads=1,
                       head_dim=8, tokens=9, also="bfloat16"),
    "long": dict(hidden_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=32, vocab_size=48, tokens=640,
                 names=("lm_head", "model.norm", "*.0.self_attn.[qk]_rope", "*.1.self_attn.context")),
    "bfloat16": dict(num_key_value_heads=1, dtype="bfloat16", also="bfloat16"),
    "float16": dict(num_attention_heads=3, num_key_value_heads=3, dtype="float16", also="bfloat16"),
    "sharded": dict(intermediate_size=128, dtype="bfloat16", shard_limit=24000),
}


def make_config(fixture):
    """config.json as Hugging Face writes it for Gemma."""
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "head_dim")
    return {"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "attention_bias": False,
            "attention_dropout": 0.0, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
            **fixture["activation"], **{size: fixture[size] for size in sizes},
            "max_position_embeddings": 8192, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 10000.0,
            "torch_dtype": fixture["dtype"]}


def spread(name, config, embedding_scale):
    """The standard deviation of a tensor's weights: activations stay near 1, and attention is far from uniform."""
    D, F = config["hidden_size"], config["intermediate_size"]
    if name.endswith("norm.weight"):
        return 0.3  # the model multiplies by 1 + w
    if "embed_tokens" in name:
        return embedding_scale * D**-0.5
    if "q_proj" in name or "k_proj" in name:
        return 1.6 * D**-0.5  # the scores' standard deviation is about 1.6²
    if "o_proj" in name:
        return 1.5 * (config["num_attention_heads"] * config["head_dim"])**-0.5
    if "down_proj" in name:
        return 1.5 * F**-0.5
    return (1.5 if "gate_proj" in name else 1.0) * D**-0.5


def make_tensors(config, embedding_scale, generator):
    """Random weights, Hugging Face's names, in the config's type."""
    import torch
    import model_directory
    dtype = getattr(torch, config["torch_dtype"])
    return {name: torch.from_numpy(generator.standard_normal(shape) * spread(name, config, embedding_scale)).to(dtype)
            for name, shape in model_directory.expected_shapes(config).items()}


def make_tokens(config, count, generator):
    """bos, the last token of the vocabulary, the first, then random ones (with repeats)."""
    return ([2, config["vocab_size"] - 1, 0] + generator.randint(0, config["vocab_size"], count).tolist())[:count]


def make_fixture(official, directory, fixture, seed):
    """Writes one folder. Returns the recorded tensors."""
    import model_directory
    import numpy
    import official_gemma
    generator = numpy.random.RandomState(seed)
    os.makedirs(directory, exist_ok=True)
    config = make_config(fixture)
    model_directory.write_config(directory, config)
    tensors = make_tensors(config, fixture["embedding_scale"], generator)
    model_directory.write_tensors(directory, tensors, fixture["shard_limit"])
    tokens = make_tokens(config, fixture["tokens"], generator)
    if fixture["also"]:
        path = os.path.join(directory, f"expected_{fixture['also']}.safetensors")
        official_gemma.dump(official, directory, tokens, path, fixture["also"], fixture["names"])
    path = os.path.join(directory, "expected.safetensors")
    return official_gemma.dump(official, directory, tokens, path, "float32", fixture["names"])


def describe(directory, values):
    """One line: how large the folder is, and whether the numbers in it are lively."""
    size = sum(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory))
    line = f"{size:9,d} bytes, {len(values):3d} tensors, logits up to {values['lm_head'].abs().max():.2f}"
    probs = [value for name, value in values.items() if name.endswith(".probs")]
    if probs and probs[0].shape[1] > 1:
        last = probs[0][:, -1]  # [H, S]: the last token's attention in the first layer
        largest, uniform = last.max(-1).values.mean(), 1 / last.shape[1]
        line += f", the last token's largest attention {largest:.2f} (uniform: {uniform:.2f})"
    return line


def main():
    parser = parser_with_example(__doc__, EXAMPLE)
    parser.add_argument("--gemma-pytorch", required=True, metavar="CHECKOUT", help="a checkout of google/gemma_pytorch")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder that gets one folder for each model")
    parser.add_argument("--seed", type=int, default=20240221,
                        help="another seed gives other weights (default 20240221)")
    parser.add_argument("--only", nargs="+", choices=FIXTURES, metavar="NAME",
                        help="make these only: " + ", ".join(FIXTURES))
    arguments = parser.parse_args()
    torch = require("torch", "to run the official model")
    require("numpy", "for the random weights")
    torch.set_num_threads(1)
    import official_gemma
    official = official_gemma.import_official(arguments.gemma_pytorch)
    for number, (name, changes) in enumerate(FIXTURES.items()):
        if arguments.only and name not in arguments.only:
            continue
        directory = os.path.join(arguments.out, name)
        values = make_fixture(official, directory, {**SMALL, **changes}, arguments.seed + number)
        print(f"{name:14s} {describe(directory, values)}")


if __name__ == "__main__":
    run(main)
