"""Convolutions, their transposes and adjoints."""

import torch

from .shared import framed, negated, shaped_like, without_channels

aten = torch.ops.aten


def _even(pad):
    """Padding that the convolution does itself, or None."""
    return [lo for lo, _ in pad] if all(lo == hi and lo >= 0 for lo, hi in pad) else None


def _padded(a, x):
    """The input and what is left to pad."""
    even = _even(a["pad"])
    return (x, even) if even is not None else (framed(x, a["pad"]), [0] * len(a["pad"]))


def conv(a, inputs, out):
    x, pad = _padded(a, inputs[0])
    bias = inputs[2] if len(inputs) > 2 else None
    zeros = [0] * len(pad)
    return aten.convolution(x, inputs[1], bias, a["stride"], pad, a["dilation"], False, zeros, a["groups"])


def conv_data(a, inputs, out):
    dy, weight = inputs
    even = _even(a["pad"])
    zeros = [0] * len(a["pad"])
    inner = a["extent"] if even is not None else [n + lo + hi for n, (lo, hi) in zip(a["extent"], a["pad"])]
    x = shaped_like(dy, [out[0], out[1], *inner])
    dx = aten.convolution_backward(
        dy, x, weight, None, a["stride"], even or zeros, a["dilation"], False, zeros, a["groups"],
        [True, False, False],
    )[0]
    return dx if even is not None else framed(dx, negated(a["pad"]))


def conv_weight(a, inputs, out):
    x, pad = _padded(a, inputs[0])
    dy, zeros = inputs[1], [0] * len(pad)
    return aten.convolution_backward(
        dy, x, shaped_like(dy, out), None, a["stride"], pad, a["dilation"], False, zeros, a["groups"],
        [False, True, False],
    )[1]


def up_conv(a, inputs, out):
    x, weight = inputs[:2]
    bias = inputs[2] if len(inputs) > 2 else None
    ones, zeros = [1] * len(a["stride"]), [0] * len(a["stride"])
    y = aten.convolution(x, weight, bias, a["stride"], zeros, ones, True, zeros, 1)
    return framed(y, negated(a["crop"]))


def channel_sum(a, inputs, out):
    return inputs[0].sum(without_channels(inputs[0]))
