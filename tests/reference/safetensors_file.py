"""Reads and writes .safetensors files as PyTorch tensors, without the safetensors package.

The format: 8 bytes, little endian, the length N of the header; N bytes of JSON,
    {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...};
then the tensors' bytes, row major, one after the other. The offsets count from the end of the header.
"""

import json
import math
import mmap
import os

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "I64": torch.int64}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class FormatError(Exception):
    """The file is not a safetensors file that this module understands; the text is one line."""


def load(path):
    """(tensors, metadata) of a file. The tensors are views of the mapped file: nothing is read before it is used."""
    if os.path.getsize(path) < 8:
        raise FormatError(f"{path}: cut short: {os.path.getsize(path)} bytes, expected at least 8")
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise FormatError(f"{path}: cut short: {len(data)} bytes, expected a header that ends at byte {start}")
    try:
        header = json.loads(data[8:start])
    except ValueError as error:
        raise FormatError(f"{path}: the header is not JSON: {error}") from None
    metadata = header.pop("__metadata__", {})
    return {name: _view(path, data, start, name, entry) for name, entry in header.items()}, metadata


def save(path, tensors, metadata=None):
    """Writes {name: tensor}, in that order, to a file beside `path` and renames it when it is complete."""
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, tensor in tensors.items():
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPE_NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)  # so that the tensors start at a multiple of 8 bytes
    unfinished = f"{path}.unfinished"
    with open(unfinished, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(_bytes(tensor))
    os.replace(unfinished, path)


def _view(path, data, start, name, entry):
    """The tensor of one header entry, without a copy."""
    dtype, shape, (begin, end) = DTYPES.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
    if dtype is None:
        raise FormatError(f"{path}: {name} has dtype {entry['dtype']}, expected one of {', '.join(DTYPES)}")
    count = math.prod(shape)
    expected = count * torch.empty(0, dtype=dtype).element_size()
    if end - begin != expected:
        raise FormatError(f"{path}: {name} has {end - begin} bytes, expected {expected} for {entry['dtype']} {shape}")
    if start + end > len(data):
        raise FormatError(f"{path}: cut short: {len(data)} bytes, expected {name} to end at byte {start + end}")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype, count=count, offset=start + begin).reshape(shape)


def _bytes(tensor):
    """The tensor's bytes, row major. numpy knows no bfloat16, so two-byte numbers travel as int16."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.element_size() == 2:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()
