"""What many ops share."""

import functools

import torch
import torch.nn.functional as F

aten = torch.ops.aten


def framed(x, sides, value=0.0):
    """x with cells added to, or (negative) cut off, the sides `[[lo, hi], ...]` of its last axes.

    Where cells are cut off only, it is a view; where there is nothing to do, x itself.
    """
    first = x.dim() - len(sides)
    for axis, (lo, hi) in enumerate(sides, first):
        before, after = max(0, -lo), max(0, -hi)
        x = part_of(x, axis, before, x.shape[axis] - before - after)
    if all(lo <= 0 and hi <= 0 for lo, hi in sides):
        return x
    return F.pad(x, [max(0, side) for pair in reversed(sides) for side in pair], value=value)


def part_of(x, axis, first, count):
    """A view, but for all of x: results of segments that are views are copied."""
    return x if count == x.shape[axis] else x.narrow(axis, first, count)


def negated(sides):
    return [[-lo, -hi] for lo, hi in sides]


def spread(values, x):
    """One number for each of the leading axes of x, in a shape that broadcasts over the others."""
    return values.reshape(tuple(values.shape) + (1,) * (x.dim() - values.dim()))


def per_channel(values, x):
    """One number a channel, for all samples."""
    return values.reshape((1, -1) + (1,) * (x.dim() - 2))


def cell_axes(x):
    return list(range(2, x.dim()))


def without_channels(x):
    """Axes to sum over for one number a channel."""
    return [0] + cell_axes(x)


def shaped_like(x, dims):
    """A tensor of that shape without cells of its own: for functions that ask only for sizes."""
    return x.new_empty(1).expand(dims)


def constant(numbers, x):
    """Numbers of an attribute as a tensor, to be read only; what is made anew would have a GPU waited for."""
    return constant_of(tuple(numbers), x.dtype, x.device)


@functools.lru_cache(maxsize=1024)
def constant_of(numbers, dtype, device):
    return torch.tensor(numbers, dtype=dtype, device=device)


# Batch normalization does in one pass over the cells, without tensors between, what would else take several.


def mean_and_variance(x):
    """Of each channel of `[samples, channels, cells]`; the variance of the cells themselves."""
    return torch.batch_norm_update_stats(x, None, None, 0.0)


def lines(x, middle, slope, shift):
    """slope * (x - middle) + shift, each one number a channel."""
    return aten.native_batch_norm(x, slope, shift, middle, torch.ones_like(middle), False, 0.0, 0.0)[0]


def line_sums(dy, x, middle):
    """Of each channel the sums of dy * (x - middle) and of dy."""
    ones = torch.ones_like(middle)
    if x.is_cuda:
        # Without statistics of a forward pass the function below fails on a GPU, which has its sums as one of its own.
        total, weighted = torch.batch_norm_backward_reduce(dy, x, middle, ones, ones, True, False, False)[:2]
        return weighted, total
    mask = [False, True, True]
    return aten.native_batch_norm_backward(dy, x, None, middle, ones, None, None, False, 0.0, mask)[1:]
