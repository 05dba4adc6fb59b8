"""A trace file in numpy, read without the program that wrote it."""

import json
from pathlib import Path

import numpy as np


def read_trace(path):
    """The tensors by name, in the order of the file, and the metadata."""
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    types = {"F32": np.float32, "I64": np.int64}
    numbers = data[8 + length:]
    return {name: np.frombuffer(numbers[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}, metadata
