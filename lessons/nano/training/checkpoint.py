"""Hugging Face model directories: config.json and model.safetensors, written and read without other packages.

A .safetensors file is eight bytes with the header's length, a JSON header, then the numbers.
"""

import json
import os
import struct

import torch

from model import CONFIG, Gemma

GENERATION = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
SPECIAL = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
TOKENIZER = {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False, "model_max_length": 512,
             "clean_up_tokenization_spaces": False, "spaces_between_special_tokens": False, "sp_model_kwargs": {},
             "use_default_system_prompt": False, **SPECIAL}
CHAT_TEMPLATE = ("{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' "
                 "else message['role']) + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}")


def replace(path, content):
    """Writes beside and renames, so that a reader never sees half a file."""
    with open(path + ".part", "wb") as file:
        file.write(content)
    os.replace(path + ".part", path)


def to_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def safetensors_bytes(tensors):
    """The tensors, rounded to bfloat16, as the bytes of a .safetensors file."""
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        blob = tensors[name].detach().cpu().contiguous().to(torch.bfloat16).view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blobs)


def save(model, folder, chat=False):
    """Writes the model directory, all but the tokenizer.model."""
    os.makedirs(folder, exist_ok=True)
    tokenizer = dict(TOKENIZER, **({"chat_template": CHAT_TEMPLATE} if chat else {}))
    special = dict(SPECIAL, **({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]} if chat else {}))
    if chat:
        tokenizer["additional_special_tokens"] = special["additional_special_tokens"]
    for name, value in (("config.json", model.config), ("generation_config.json", GENERATION),
                        ("tokenizer_config.json", tokenizer), ("special_tokens_map.json", special)):
        replace(os.path.join(folder, name), to_json(value))
    replace(os.path.join(folder, "model.safetensors"), safetensors_bytes(model.state_dict()))


def load(folder):
    """The model in a directory; its weights are the bfloat16 numbers of the file, widened to float32."""
    with open(os.path.join(folder, "config.json")) as file:
        model = Gemma(json.load(file))
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    header.pop("__metadata__")
    state = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        state[name] = torch.frombuffer(data[first:last], dtype=torch.bfloat16).view(entry["shape"]).float()
    model.load_state_dict(state)
    return model.eval()
