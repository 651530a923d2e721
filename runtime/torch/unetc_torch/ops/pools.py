"""Pooling. Maps of one axis are computed as maps of two."""

import math

import torch

from .shared import framed, negated, shaped_like

aten = torch.ops.aten
MAX = {2: aten.max_pool2d_with_indices, 3: aten.max_pool3d_with_indices}
MAX_BACK = {2: aten.max_pool2d_with_indices_backward, 3: aten.max_pool3d_with_indices_backward}
AVERAGE = {2: aten.avg_pool2d, 3: aten.avg_pool3d}
AVERAGE_BACK = {2: aten.avg_pool2d_backward, 3: aten.avg_pool3d_backward}


def _lifted(numbers, filler):
    return [filler, *numbers] if len(numbers) == 1 else list(numbers)


def _window(a):
    return _lifted(a["kernel"], 1), _lifted(a["stride"], 1)


def _lift(x):
    return x.unsqueeze(2) if x.dim() == 3 else x


def _pooled(a, x):
    """Largest values and where they are; padding never wins, the first of equals does."""
    kernel, stride = _window(a)
    padded = _lift(framed(x, a["pad"], float("-inf")))
    zeros = [0] * len(kernel)
    largest, places = MAX[len(kernel)](padded, kernel, stride, zeros, [1] * len(kernel), False)
    return padded, largest, places


def max_pool(a, inputs, out):
    return _pooled(a, inputs[0])[1].reshape(out)


def max_pool_grad(a, inputs, out):
    x, _, dy = inputs
    kernel, stride = _window(a)
    padded, _, places = _pooled(a, x)
    zeros, ones = [0] * len(kernel), [1] * len(kernel)
    dx = MAX_BACK[len(kernel)](_lift(dy), padded, kernel, stride, zeros, ones, False, places)
    whole = [n + lo + hi for n, (lo, hi) in zip(x.shape[2:], a["pad"])]
    return framed(dx.reshape(*x.shape[:2], *whole), negated(a["pad"]))


def _corners(kernel, stride, counts, sizes, device):
    """Of each window the flat position of its corner in a plane of these sizes."""
    corners = torch.zeros((), dtype=torch.int64, device=device)
    for step, count, size in zip(stride, counts, sizes):
        corners = corners.unsqueeze(-1) * size + torch.arange(count, device=device) * step
    return corners


def _distances(kernel, sizes, device):
    """Of each place of a window how far it is from the corner: row-major, as the places are counted."""
    return _corners(kernel, [1] * len(kernel), kernel, sizes, device).reshape(-1)


def max_pool_index(a, inputs, out):
    kernel, stride = _window(a)
    padded, _, places = _pooled(a, inputs[0])
    sizes = padded.shape[2:]
    away = places - _corners(kernel, stride, places.shape[2:], sizes, places.device)
    # A distance names its row, and the rest its column: no window is wider than the padded plane.
    index = torch.zeros_like(away)
    for axis, width in enumerate(kernel):
        apart = math.prod(sizes[axis + 1 :])
        index = index * width + away // apart
        away = away % apart
    return index.to(torch.uint8).reshape(out)


def max_pool_index_grad(a, inputs, out):
    index, dy = inputs
    kernel, stride = _window(a)
    whole = [n + lo + hi for n, (lo, hi) in zip(out[2:], a["pad"])]
    sizes = _lifted(whole, 1)
    distances = _distances(kernel, sizes, dy.device)
    dy, index = _lift(dy), _lift(index)
    places = distances[index.long()] + _corners(kernel, stride, dy.shape[2:], sizes, dy.device)
    x = shaped_like(dy, [*out[:2], *sizes])
    zeros, ones = [0] * len(kernel), [1] * len(kernel)
    dx = MAX_BACK[len(kernel)](dy, x, kernel, stride, zeros, ones, False, places)
    return framed(dx.reshape(*out[:2], *whole), negated(a["pad"]))


def avg_pool(a, inputs, out):
    kernel, stride = _window(a)
    return AVERAGE[len(kernel)](_lift(inputs[0]), kernel, stride).reshape(out)


def avg_pool_grad(a, inputs, out):
    kernel, stride = _window(a)
    x = shaped_like(inputs[0], [*out[:2], *_lifted(out[2:], 1)])
    zeros = [0] * len(kernel)
    back = AVERAGE_BACK[len(kernel)]
    return back(_lift(inputs[0]), x, kernel, stride, zeros, False, True, None).reshape(out)
