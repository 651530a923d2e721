"""Ops that move cells and channels, or enlarge maps."""

import torch

from .shared import framed, negated

aten = torch.ops.aten
ENLARGE = {
    ("nearest", 1): (aten.upsample_nearest1d, aten.upsample_nearest1d_backward),
    ("nearest", 2): (aten.upsample_nearest2d, aten.upsample_nearest2d_backward),
    ("nearest", 3): (aten.upsample_nearest3d, aten.upsample_nearest3d_backward),
    ("bilinear", 1): (aten.upsample_linear1d, aten.upsample_linear1d_backward),
    ("bilinear", 2): (aten.upsample_bilinear2d, aten.upsample_bilinear2d_backward),
    ("bilinear", 3): (aten.upsample_trilinear3d, aten.upsample_trilinear3d_backward),
}


def concat(a, inputs, out):
    return torch.cat(inputs, 1)


def channels(a, inputs, out):
    return inputs[0][:, a["from"] : a["to"]]


def crop(a, inputs, out):
    return framed(inputs[0], negated(a["sides"]))


def pad(a, inputs, out):
    return framed(inputs[0], a["sides"])


def _corners(a):
    """Cells are squares (`align_corners` off): an argument that nearest does not have."""
    return [] if a["mode"] == "nearest" else [False]


def resize(a, inputs, out):
    x = inputs[0]
    forward, _ = ENLARGE[a["mode"], x.dim() - 2]
    size = [n * factor for n, factor in zip(x.shape[2:], a["factor"])]
    return framed(forward(x, size, *_corners(a), *map(float, a["factor"])), negated(a["crop"]))


def resize_grad(a, inputs, out):
    dy = framed(inputs[0], a["crop"])
    _, back = ENLARGE[a["mode"], dy.dim() - 2]
    return back(dy, list(dy.shape[2:]), out, *_corners(a), *map(float, a["factor"]))


def _parts(a, shares, cells):
    """For the cells before, at and after: their indices, and the shares of them, 0 outside."""
    axis = 2 + a["axis"]
    count = shares.shape[axis]
    own = torch.div(
        torch.arange(count, device=shares.device) + a["crop"][0], a["factor"], rounding_mode="floor"
    )
    for which in range(3):
        index = own + which - 1
        inside = (index >= 0) & (index < cells)
        shape = [1] * shares.dim()
        shape[axis] = count
        share = torch.where(inside.reshape(shape), shares[:, which : which + 1], 0.0)
        yield axis, index.clamp(0, cells - 1), share


def stretch(a, inputs, out):
    x, shares = inputs
    return sum(
        x.index_select(axis, index) * share for axis, index, share in _parts(a, shares, x.shape[2 + a["axis"]])
    )


def stretch_grad(a, inputs, out):
    dy, shares = inputs
    dx = dy.new_zeros(out)
    for axis, index, share in _parts(a, shares, out[2 + a["axis"]]):
        dx.index_add_(axis, index, dy * share)
    return dx
