"""What each instruction of a plan means that a device carries out alone; `meetings.py` has the others."""

import math

import numpy as np
import torch

from .boxes import common, extents, slices
from .draw import corner_shares, dropout_mask
from .ops.shared import constant_of
from .rate import hyper


def load(device, one):
    name = one["into"]
    cells = device.feeds.read(one["source"], device.step, device.samples(one["micro"]), device.global_box(name))
    device.write(name, device.tensor(cells, device.like_of(name)["dtype"]))


def draw(device, one):
    record = device.inputs[one["source"]]
    source, whole = record["source"], [axis["to"] for axis in record["type"]["box"]]
    box, samples = device.global_box(one["into"]), device.samples(one["micro"])
    if source["from"] == "corners":
        parts = [corner_shares(source, whole, box)] * len(samples)
    else:
        seed = device.plan["model"]["training"]["seed"]
        channels = record["type"]["channels"]
        parts = [dropout_mask(source, channels, whole, box, seed, device.step, sample) for sample in samples]
    device.write(one["into"], device.tensor(np.stack(parts)))


#: Cells that are counted at a time, and comparisons of them: what that takes beside them stays small.
COUNTED, COMPARED = 2**22, 2**24


def _owned(device, name):
    return device.read(name)[slices(device.box(name), device.owned_box(name))].reshape(-1)


def _histogram(places, size):
    """How often each number below `size` occurs; no larger one does."""
    if not places.is_cuda:
        return torch.bincount(places, minlength=size)
    # `bincount` would wait for the GPU. To add up cell by cell, cells wait for each other where there are few numbers.
    return compared(places, size) if size <= 256 else scattered(places, size)


def compared(places, size):
    numbers = torch.arange(size, dtype=places.dtype, device=places.device).unsqueeze(1)
    return sum((numbers == some).sum(1) for some in places.split(max(1, COMPARED // size)))


def scattered(places, size):
    return torch.zeros(size, dtype=torch.long, device=places.device).scatter_add_(0, places, torch.ones_like(places))


def confusion(labels, predicted, classes):
    """Cells by labelled (rows) and predicted class (columns)."""
    matrix = 0
    for some, others in zip(labels.reshape(-1).split(COUNTED), predicted.reshape(-1).split(COUNTED)):
        # Those that are not labelled are counted behind the matrix.
        places = torch.where(some < classes, some.long() * classes + others, classes * classes)
        matrix = matrix + _histogram(places, classes * classes + 1)[:-1].reshape(classes, classes)
    return matrix


def count(device, one):
    source = device.inputs[one["source"]]["source"]
    classes = device.inputs[source["target"]]["source"].get("classes")
    if classes is None:
        more = device.plan["samples"] * math.prod(extents(device.owned_box(one["from"])))
    else:
        weights = constant_of(tuple(source["weights"] or [1.0] * classes), torch.float64, device.like["device"])
        parts = _owned(device, one["from"]).split(COUNTED)
        counts = sum(_histogram(labels.clamp(max=classes).long(), classes + 1) for labels in parts)
        more = (counts[:classes] * weights).sum()
    more = more * source["channels"]
    more = more.to(device.like["dtype"]) if torch.is_tensor(more) else torch.full((), float(more), **device.like)
    device.write(one["into"], more if one["first"] else device.read(one["into"]) + more)


def run(device, one):
    outputs = device.segments[one["segment"]].run([device.read(name) for name in one["reads"]], device.like)
    for name, value in zip(one["writes"], outputs):
        device.write(name, value)


def accumulate(device, one):
    more = device.read(one["from"])
    device.write(one["into"], more.clone() if one["first"] else device.read(one["into"]) + more)


def paste(device, one):
    have, whole = device.box(one["from"]), device.box(one["into"])
    both = common(have, whole)
    value = device.read(one["from"])
    if one["first"]:
        into = torch.zeros(device.buffers[one["into"]]["dims"], **device.like_of(one["into"]))
    else:
        into = device.read(one["into"]).clone()
    into[slices(whole, both)] += value[slices(have, both)]
    device.write(one["into"], into)


def rate(device, one):
    device.write(one["into"], device.tensor(np.array(hyper(device.plan["model"]["training"], device.step))))


def metric(device, one):
    classes = device.inputs[one["target"]]["source"].get("classes")
    if classes is None:
        return
    labels, predicted = (_owned(device, one[name]) for name in ("labels", "predicted"))
    matrix = confusion(labels, predicted, classes)
    device.confusion[one["target"]] = device.confusion.get(one["target"], 0) + matrix


def store(device, one):
    """Where the cells lie in the whole output, and what they are."""
    name = one["from"]
    box = device.held_box(name)
    device.stored[one["output"]] = (device.in_value(name, box), device.read(name)[slices(device.box(name), box)])


def report(device, one):
    device.loss = device.read(one["from"])


def free(device, one):
    for name in one["buffers"]:
        device.read(name)
        del device.alive[name]


LOCAL = {
    "load": load,
    "draw": draw,
    "count": count,
    "run": run,
    "accumulate": accumulate,
    "paste": paste,
    "rate": rate,
    "metric": metric,
    "store": store,
    "report": report,
    "free": free,
}
