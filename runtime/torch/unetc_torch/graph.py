"""Segments: a graph of ops made into a list of calls, and run. A value is let go after its last use."""

import torch

from .fused import batches_of, can_be_fused, run_batches
from .ops.table import OPS, SOURCES


def dims_of(kind, samples):
    """Dimensions in memory of a value type."""
    if kind["kind"] == "array":
        return list(kind["dims"])
    return [samples, kind["channels"], *(max(0, one["to"] - one["from"]) for one in kind["box"])]


class Segment:
    def __init__(self, record):
        graph, samples = record["graph"], record["samples"]
        self.name = record["name"]
        self.inputs = [value["name"] for value in graph["inputs"]]
        self.outputs = graph["outputs"]
        self.calls = [
            (op["kind"], op["attrs"], op["inputs"], op["output"], dims_of(op["type"], samples))
            for op in graph["ops"]
        ]
        self.deaths = _deaths(self.calls, self.outputs)
        self.batches = batches_of(self.calls) if can_be_fused(self.calls) else None

    def run(self, operands, like):
        """The outputs, none of which shares its memory with another tensor."""
        values = dict(zip(self.inputs, operands))
        if self.batches is not None:
            run_batches(self.batches, values)
            return [values[name] for name in self.outputs]
        for (kind, attrs, inputs, output, dims), dead in zip(self.calls, self.deaths):
            if kind in SOURCES:
                values[output] = SOURCES[kind](attrs, like, dims)
            else:
                values[output] = OPS[kind](attrs, [values[name] for name in inputs], dims)
            if list(values[output].shape) != dims:
                raise RuntimeError(f"{kind} gives {list(values[output].shape)} for {output}, not {dims}")
            for name in dead:
                del values[name]
        return [_own(values[name], operands) for name in self.outputs]


def _own(value, operands):
    shared = value._is_view() or any(value is operand for operand in operands)
    return value.clone(memory_format=torch.contiguous_format) if shared else value


def _deaths(calls, outputs):
    """For each call the values that nothing reads after it."""
    last = {}
    for index, (_, _, inputs, output, _) in enumerate(calls):
        last.update({name: index for name in [output, *inputs]})
    dead = [[] for _ in calls]
    for name, index in last.items():
        if name not in outputs:
            dead[index].append(name)
    return dead
