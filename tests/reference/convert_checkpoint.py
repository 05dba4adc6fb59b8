#!/usr/bin/env python3
"""Converts Google's official PyTorch checkpoint of Gemma (a .ckpt file) into a Hugging Face directory.

The directory gets config.json and model.safetensors, or shards and their index above --shard-size. The weights keep
their type unless --dtype says otherwise. The fused qkv_proj is cut into q, k and v. Left out are freqs_cis, which is no
weight, and embedding rows above the vocabulary (some formats pad to 256128); the program says so.
"""

import os
import shutil
import tempfile

from command_line import DTYPES, CommandError, parser_with_example, require, run

EXAMPLE = ("python3 convert_checkpoint.py --checkpoint gemma-2b.ckpt --variant 2b --tokenizer tokenizer.model "
           "--out gemma-2b")

VARIANTS = {
    "2b": dict(hidden_size=2048, intermediate_size=16384, num_hidden_layers=18, num_attention_heads=8,
               num_key_value_heads=1),
    "7b": dict(hidden_size=3072, intermediate_size=24576, num_hidden_layers=28, num_attention_heads=16,
               num_key_value_heads=16),
}
COMMON = dict(architectures=["GemmaForCausalLM"], model_type="gemma", attention_bias=False, attention_dropout=0.0,
              bos_token_id=2, eos_token_id=1, pad_token_id=0, head_dim=256, hidden_act="gelu_pytorch_tanh",
              hidden_activation="gelu_pytorch_tanh", max_position_embeddings=8192, rms_norm_eps=1e-06,
              rope_scaling=None, rope_theta=10000.0, vocab_size=256000)


def read_checkpoint(path):
    """The state dict of an official .ckpt: {official name: tensor}."""
    import inspect
    import pickle
    import torch
    if not os.path.isfile(path):
        raise CommandError(f"{path}: not found")
    # Newer PyTorch can map the file instead of reading it whole.
    options = {"mmap": True} if "mmap" in inspect.signature(torch.load).parameters else {}
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, **options)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CommandError(f"{path}: not a PyTorch checkpoint: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or "model_state_dict" not in content:
        raise CommandError(f"{path}: no model_state_dict found, expected an official Gemma checkpoint")
    return content["model_state_dict"]


def convert(state, config):
    """(tensors, notes): Hugging Face's tensors from an official state dict, and lines about what was left out."""
    scalers = [name for name in state if name.endswith("weight_scaler")]
    if scalers:
        raise CommandError(f"{scalers[0]} found: an int8 checkpoint, expected float weights")
    import model_directory
    left, tensors, notes = dict(state), {}, []
    if left.pop("freqs_cis", None) is not None:
        notes.append("freqs_cis left out: it is computed, not learned")
    d, H, K = config["head_dim"], config["num_attention_heads"], config["num_key_value_heads"]
    for name, shape in model_directory.expected_shapes(config).items():
        if name == "model.embed_tokens.weight":
            tensors[name] = _embedding(_take(left, "embedder.weight", None), shape, notes)
        elif name.endswith(".q_proj.weight"):
            fused = _take(left, name.replace("q_proj", "qkv_proj"), ((H + 2 * K) * d, shape[1]))
            for part, rows in zip("qkv", fused.split([H * d, K * d, K * d])):
                tensors[name.replace("q_proj", f"{part}_proj")] = rows
        elif name not in tensors:
            tensors[name] = _take(left, name, shape)
    if left:
        some = ", ".join(sorted(left)[:3])
        raise CommandError(f"the checkpoint has {len(left)} tensors that a Gemma of this size has not: {some}")
    return tensors, notes


def _take(state, name, shape):
    """Removes and returns state[name], whose shape must be `shape` (any, where that is None)."""
    if name not in state:
        raise CommandError(f"the checkpoint has no tensor {name}")
    tensor = state.pop(name)
    if shape is not None and tuple(tensor.shape) != tuple(shape):
        raise CommandError(f"{name} has shape {list(tensor.shape)}, expected {list(shape)}")
    return tensor


def _embedding(weight, shape, notes):
    """The first V rows; more may be there (padding), fewer may not."""
    if weight.dim() != 2 or weight.shape[0] < shape[0] or weight.shape[1] != shape[1]:
        raise CommandError(f"embedder.weight has shape {list(weight.shape)}, expected {list(shape)}")
    if weight.shape[0] > shape[0]:
        extra = weight.shape[0] - shape[0]
        notes.append(f"embedder.weight has {weight.shape[0]} rows: the first {shape[0]} kept, {extra} left out")
    return weight[:shape[0]]


def write_directory(out, config, tensors, shard_limit, tokenizer=None):
    """Writes the directory beside `out` and renames it when it is complete. Returns the names of the weight files."""
    import model_directory
    if os.path.isdir(out) and os.listdir(out) or os.path.isfile(out):
        raise CommandError(f"{out}: already there, expected a new or an empty directory")
    parent = os.path.dirname(os.path.abspath(out))
    unfinished = tempfile.mkdtemp(prefix=os.path.basename(out) + ".unfinished", dir=parent)
    try:
        os.chmod(unfinished, 0o755)
        names = model_directory.write_tensors(unfinished, tensors, shard_limit)
        model_directory.write_config(unfinished, config)
        if tokenizer:
            shutil.copyfile(tokenizer, os.path.join(unfinished, "tokenizer.model"))
        os.replace(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return names


def main():
    parser = parser_with_example(__doc__, EXAMPLE)
    parser.add_argument("--checkpoint", required=True, metavar="FILE.ckpt", help="the official PyTorch checkpoint")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--variant", choices=VARIANTS, help="the sizes of Gemma 2B or 7B (CodeGemma and Gemma 1.1, too)")
    size.add_argument("--config", metavar="DIR", help="take the sizes from DIR/config.json")
    parser.add_argument("--dtype", choices=("keep",) + DTYPES, default="keep", help="type to store (default: as found)")
    parser.add_argument("--shard-size", type=float, default=5.0, metavar="GB",
                        help="largest file, in 10^9 bytes (default 5)")
    parser.add_argument("--tokenizer", metavar="FILE", help="tokenizer.model to copy into the directory")
    parser.add_argument("--out", required=True, metavar="DIR", help="the directory to make")
    arguments = parser.parse_args()
    torch = require("torch", "to read the checkpoint")
    import model_directory
    if arguments.variant:
        config = {**COMMON, **VARIANTS[arguments.variant]}
    else:
        config = model_directory.read_config(arguments.config)
    tensors, notes = convert(read_checkpoint(arguments.checkpoint), config)
    if arguments.dtype != "keep":
        tensors = {name: tensor.to(getattr(torch, arguments.dtype)) for name, tensor in tensors.items()}
    config["torch_dtype"] = str(tensors["model.norm.weight"].dtype).replace("torch.", "")
    names = write_directory(arguments.out, config, tensors, arguments.shard_size * 1e9, arguments.tokenizer)
    for note in notes:
        print(note)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.out}: {parameters:,} parameters in {config['torch_dtype']}, weight files: {len(names)}")


if __name__ == "__main__":
    run(main)
