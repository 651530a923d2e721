"""Convolutions, their transposes and adjoints.

Libraries pad both sides of an axis alike. Tiles at a border pad one side only: as few copies of maps as possible are
made for that, because no plan counts them.
"""

import math

import torch

from .shared import framed, negated, part_of, shaped_like, without_channels

aten = torch.ops.aten

#: Bytes of maps that weights are found from at once, where there is something to be copied or a workspace to be taken.
AT_ONCE = 2**26


def _split(pad):
    """What is cut off (negative), and what is added."""
    return [[[pick(0, lo), pick(0, hi)] for lo, hi in pad] for pick in (min, max)]


def _least(pad):
    return [max(0, min(lo, hi)) for lo, hi in pad]


def _beyond(pad, even):
    """What is left to pad when the library has padded both sides so far."""
    return [[lo - own, hi - own] for (lo, hi), own in zip(pad, even)]


#: How much more than its result a convolution may compute, to have both sides padded alike.
SPARE = 1.05


def _wider(a, added, out):
    """Padding of both sides that gives all cells of the result, and how many before them.

    None where strides forbid, or where that is too many.
    """
    most = [max(pair) for pair in added]
    more = [own - lo for (lo, _), own in zip(added, most)]
    spare = [count + (2 * own - sum(pair)) // step for count, own, pair, step in zip(out[2:], most, added, a["stride"])]
    if any(count % step for count, step in zip(more, a["stride"])) or math.prod(spare) > SPARE * math.prod(out[2:]):
        return None
    return most, [count // step for count, step in zip(more, a["stride"])]


def conv(a, inputs, out):
    cut, added = _split(a["pad"])
    x = framed(inputs[0], cut)
    bias = inputs[2] if len(inputs) > 2 else None
    wider = _wider(a, added, out)
    if wider is None:
        even = _least(a["pad"])
        x, before = framed(x, _beyond(added, even)), [0] * len(even)
    else:
        even, before = wider
    zeros = [0] * len(even)
    y = aten.convolution(x, inputs[1], bias, a["stride"], even, a["dilation"], False, zeros, a["groups"])
    for axis, (first, count) in enumerate(zip(before, out[2:]), 2):
        y = part_of(y, axis, first, count)
    return y


def conv_data(a, inputs, out):
    # On a GPU the library's own way back takes up to ten times as long as a convolution of dy that gives the same.
    turned = _turned(a, inputs[1]) if inputs[0].is_cuda else None
    return _data(a, inputs, out) if turned is None else conv(turned[0], [inputs[0], turned[1]], out)


def _turned(a, weight):
    """Attributes and weights of the convolution of dy that gives dx; None where there is none."""
    if a["groups"] > 1 or any(step > 1 for step in a["stride"]):
        return None
    reach = [step * (size - 1) for step, size in zip(a["dilation"], weight.shape[2:])]
    pad = [[far - lo, far - hi] for far, (lo, hi) in zip(reach, a["pad"])]
    return {**a, "pad": pad}, weight.flip(list(range(2, weight.dim()))).transpose(0, 1).contiguous()


def _data(a, inputs, out):
    dy, weight = inputs
    zeros, even = [0] * len(a["pad"]), _least(a["pad"])
    cut, added = _split(a["pad"])
    more = _beyond(added, even)
    read = framed(shaped_like(dy, out), cut).shape[2:]
    x = shaped_like(dy, [*out[:2], *(n + lo + hi for n, (lo, hi) in zip(read, more))])
    dx = aten.convolution_backward(
        dy, x, weight, None, a["stride"], even, a["dilation"], False, zeros, a["groups"], [True, False, False]
    )[0]
    return framed(framed(dx, negated(more)), negated(cut))


def conv_weight(a, inputs, out):
    x, dy = inputs
    is_even = all(lo == hi >= 0 for lo, hi in a["pad"])
    # The library's workspace on a GPU is about twice what it reads.
    find = _in_bands if x.is_cuda or not is_even else _weight
    return find(a, x, dy, a["pad"], out)


def _in_bands(a, x, dy, pad, out):
    """A band of rows of dy after another, and of x what they come from."""
    height, read = dy.shape[2], (x.numel() + dy.numel()) * x.element_size()
    rows = max(1, height * AT_ONCE // read)
    if rows >= height:
        return _weight(a, x, dy, pad, out)
    (before, _), *others = pad
    found = 0
    for first in range(0, height, rows):
        some = dy[:, :, first : first + rows]
        begin = first * a["stride"][0] - before
        end = begin + (some.shape[2] - 1) * a["stride"][0] + a["dilation"][0] * (out[2] - 1) + 1
        # A band may lie wholly beyond the map.
        sides = [max(0, min(0, end) - begin), max(0, end - max(begin, x.shape[2]))]
        found = found + _weight(a, x[:, :, max(0, begin) : max(0, end)], some, [sides, *others], out)
    return found


def _weight(a, x, dy, pad, out):
    even, zeros = _least(pad), [0] * len(pad)
    cut, added = _split(pad)
    x = framed(framed(x, cut), _beyond(added, even))
    return aten.convolution_backward(
        dy, x, shaped_like(dy, out), None, a["stride"], even, a["dilation"], False, zeros, a["groups"],
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
