"""What many ops share."""

import torch
import torch.nn.functional as F


def framed(x, sides, value=0.0):
    """x with cells added to, or (negative) cut off, the sides `[[lo, hi], ...]` of its last axes."""
    if not any(lo or hi for lo, hi in sides):
        return x
    return F.pad(x, [side for pair in reversed(sides) for side in pair], value=value)


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
    return torch.tensor(numbers, dtype=x.dtype, device=x.device)
