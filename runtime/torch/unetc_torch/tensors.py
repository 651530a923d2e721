"""Safetensors: a JSON header and raw little-endian numbers. Reads what `runtime/files/safetensors.ts` writes."""

import json
import struct

import numpy as np

DTYPES = {"F32": "<f4", "F64": "<f8", "U8": "u1"}


def read_tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    tensors = {}
    for name, one in header.items():
        if name != "__metadata__":
            start, end = one["data_offsets"]
            tensors[name] = np.frombuffer(body[start:end], DTYPES[one["dtype"]]).reshape(one["shape"])
    return tensors
