"""Reads and writes a model as a Hugging Face directory: config.json and model.safetensors, whole or in shards."""

import json
import os

import safetensors_file
from command_line import CommandError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
         "num_key_value_heads", "head_dim")
ACTIVATIONS = (None, "gelu", "gelu_pytorch_tanh")  # "gelu" in a Gemma config means the tanh form, too


def read_config(directory):
    """The dict in config.json; refused in one line where it is not a Gemma that the official code can run."""
    path = os.path.join(directory, "config.json")
    config = _read_json(path)
    for key in SIZES:
        if not isinstance(config.get(key), int) or config[key] < 1:
            raise CommandError(f"{path}: {key} is {config.get(key)!r}, expected a positive integer")
    for key in ("hidden_act", "hidden_activation"):
        if config.get(key) not in ACTIVATIONS:
            raise CommandError(f"{path}: {key} is {config[key]!r}, expected 'gelu' or 'gelu_pytorch_tanh'")
    return config


def read_tensors(directory):
    """{name: tensor} of all files of the directory, as stored. The tensors are views of the mapped files."""
    try:
        if not os.path.isfile(os.path.join(directory, INDEX)):
            return _load(os.path.join(directory, WEIGHTS))
        return _read_shards(directory)
    except safetensors_file.FormatError as error:
        raise CommandError(str(error)) from None


def expected_shapes(config):
    """{name: shape} of every tensor of a Gemma with this config, in the order of the forward pass."""
    D, F, d = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    H, K = config["num_attention_heads"], config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], D)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        shapes[f"{layer}.input_layernorm.weight"] = (D,)
        shapes[f"{layer}.self_attn.q_proj.weight"] = (H * d, D)
        shapes[f"{layer}.self_attn.k_proj.weight"] = (K * d, D)
        shapes[f"{layer}.self_attn.v_proj.weight"] = (K * d, D)
        shapes[f"{layer}.self_attn.o_proj.weight"] = (D, H * d)
        shapes[f"{layer}.post_attention_layernorm.weight"] = (D,)
        shapes[f"{layer}.mlp.gate_proj.weight"] = (F, D)
        shapes[f"{layer}.mlp.up_proj.weight"] = (F, D)
        shapes[f"{layer}.mlp.down_proj.weight"] = (D, F)
    shapes["model.norm.weight"] = (D,)
    return shapes


def check_tensors(directory, config, tensors):
    """Refuses tensors that are missing or whose shape does not fit the config."""
    for name, shape in expected_shapes(config).items():
        if name not in tensors:
            raise CommandError(f"{directory}: tensor {name} is missing, expected with shape {list(shape)}")
        if tuple(tensors[name].shape) != shape:
            raise CommandError(f"{directory}: {name} has shape {list(tensors[name].shape)}, expected {list(shape)}")


def write_config(directory, config):
    _write_json(os.path.join(directory, "config.json"), config)


def write_tensors(directory, tensors, shard_limit):
    """Writes model.safetensors, or, above `shard_limit` bytes, shards and their index. Returns the shards' names."""
    shards = _split(tensors, shard_limit)
    if len(shards) == 1:
        safetensors_file.save(os.path.join(directory, WEIGHTS), tensors, {"format": "pt"})
        return [WEIGHTS]
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards):
        safetensors_file.save(os.path.join(directory, name), shard, {"format": "pt"})
    weight_map = {tensor: name for name, shard in zip(names, shards) for tensor in shard}
    total = sum(_size(tensor) for tensor in tensors.values())
    _write_json(os.path.join(directory, INDEX), {"metadata": {"total_size": total}, "weight_map": weight_map})
    return names


def _split(tensors, limit):
    """The tensors in order, cut into dicts of at most `limit` bytes; a larger tensor gets a dict of its own."""
    shards, filled = [{}], 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + _size(tensor) > limit:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += _size(tensor)
    return shards


def _size(tensor):
    return tensor.numel() * tensor.element_size()


def _read_shards(directory):
    path = os.path.join(directory, INDEX)
    weight_map = _read_json(path).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CommandError(f"{path}: no weight_map found, expected one from tensor names to file names")
    tensors = {}
    for name in sorted(set(weight_map.values())):
        tensors.update(_load(os.path.join(directory, name)))
    for name in weight_map:
        if name not in tensors:
            raise CommandError(f"{path}: {name} is not in {weight_map[name]}, where the index says it is")
    return tensors


def _load(path):
    if not os.path.isfile(path):
        raise CommandError(f"{path}: not found")
    return safetensors_file.load(path)[0]


def _read_json(path):
    if not os.path.isfile(path):
        raise CommandError(f"{path}: not found")
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise CommandError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CommandError(f"{path}: found a JSON {type(content).__name__}, expected an object")
    return content


def _write_json(path, content):
    with open(f"{path}.unfinished", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    os.replace(f"{path}.unfinished", path)
