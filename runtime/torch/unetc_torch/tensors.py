"""Safetensors: 8 bytes with the length of a JSON header, the header, raw little-endian numbers.

Reads and writes what `runtime/files/safetensors.ts` does. Reading is strict: the tensors fill the data exactly.
https://github.com/huggingface/safetensors#format
"""

import json
import math
import os
import struct

import numpy as np

METADATA = "__metadata__"
MOST_HEADER = 100_000_000


class TensorError(Exception):
    """What is wrong with a file, for people."""


def _from_bfloat16(data):
    """The upper halves of 32-bit floats."""
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


#: Bytes of a number, and how numbers are made of bytes.
READERS = {
    "F32": (4, lambda data: np.frombuffer(data, "<f4")),
    "F64": (8, lambda data: np.frombuffer(data, "<f8")),
    "F16": (2, lambda data: np.frombuffer(data, "<f2")),
    "BF16": (2, _from_bfloat16),
    "I64": (8, lambda data: np.frombuffer(data, "<i8")),
    "U8": (1, lambda data: np.frombuffer(data, "u1")),
}

#: What is written, by the type of the array.
NAMES = {"float32": "F32", "float64": "F64"}


def dtype_name(array):
    return NAMES[array.dtype.name]


def encode(tensors, metadata):
    """The pieces of a file, tensors in the order of the dictionary."""
    header, offset = {METADATA: metadata}, 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": dtype_name(array),
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    # Spaces after the header keep the tensors aligned.
    text = text.ljust(8 * math.ceil(len(text) / 8))
    yield struct.pack("<Q", len(text)) + text
    for array in tensors.values():
        yield raw(array)


def raw(array):
    return np.ascontiguousarray(array).tobytes()


def read_file(path):
    """Tensors and metadata of a whole file. Raises TensorError."""
    try:
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TensorError(f"{path} cannot be read: {error}") from None


def read_tensors(path):
    return read_file(path)[0]


def _read(file, size):
    if size < 8:
        raise ValueError(f"it has only {size} bytes")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > MOST_HEADER:
        raise ValueError("it does not begin as such a file does")
    if 8 + length > size:
        raise ValueError(f"its header has {length} bytes, and the file ends after {size}")
    header = json.loads(file.read(length).decode("utf-8"))
    metadata = header.pop(METADATA, {})
    tensors, reached = {}, 0
    for name, one in sorted(header.items(), key=lambda entry: entry[1]["data_offsets"]):
        begin, end = one["data_offsets"]
        if begin != reached:
            raise ValueError(f"{name} does not begin where the tensor before it ends")
        if one["dtype"] not in READERS:
            raise ValueError(f"{name} has the type {one['dtype']}, which is not supported")
        width, reader = READERS[one["dtype"]]
        if end - begin != width * math.prod(one["shape"]):
            raise ValueError(f"{name} takes {end - begin} bytes, and its shape says otherwise")
        data = file.read(end - begin)
        if len(data) != end - begin:
            raise ValueError("the file ends too early")
        tensors[name] = reader(data).reshape(one["shape"])
        reached = end
    if 8 + length + reached != size:
        raise ValueError(f"its tensors take {reached} bytes, and it has {size - 8 - length}")
    return tensors, metadata
