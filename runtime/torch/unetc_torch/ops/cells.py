"""Ops that work cell by cell, and their adjoints."""

import torch

from .shared import cell_axes, constant, line_sums, lines, per_channel, spread

aten = torch.ops.aten


def affine(a, inputs, out):
    x = inputs[0]
    return x * per_channel(constant(a["scale"], x), x) + per_channel(constant(a["shift"], x), x)


def relu(a, inputs, out):
    return aten.relu(inputs[0])


def relu_grad(a, inputs, out):
    y, dy = inputs
    return aten.threshold_backward(dy, y, 0)


def relu_mask(a, inputs, out):
    return (inputs[0] > 0).to(torch.uint8)


def relu_mask_grad(a, inputs, out):
    mask, dy = inputs
    return mask * dy if a["slope"] == 0 else torch.where(mask.bool(), dy, a["slope"] * dy)


def leaky_relu(a, inputs, out):
    return torch.where(inputs[0] > 0, inputs[0], a["slope"] * inputs[0])


def leaky_relu_grad(a, inputs, out):
    y, dy = inputs
    return torch.where(y > 0, dy, a["slope"] * dy)


def silu(a, inputs, out):
    return aten.silu(inputs[0])


def silu_grad(a, inputs, out):
    x, dy = inputs
    return aten.silu_backward(dy, x)


def sigmoid(a, inputs, out):
    return torch.sigmoid(inputs[0])


def sigmoid_grad(a, inputs, out):
    y, dy = inputs
    return aten.sigmoid_backward(dy, y)


def gelu(a, inputs, out):
    return aten.gelu(inputs[0])


def gelu_grad(a, inputs, out):
    x, dy = inputs
    return aten.gelu_backward(dy, x)


def softmax(a, inputs, out):
    return torch.softmax(inputs[0], 1)


def softmax_grad(a, inputs, out):
    y, dy = inputs
    return y * (dy - (dy * y).sum(1, keepdim=True))


def mul(a, inputs, out):
    return inputs[0] * inputs[1]


def gate_grad(a, inputs, out):
    return (inputs[0] * inputs[1]).sum(1, keepdim=True)


def add(a, inputs, out):
    return inputs[0] + spread(inputs[1], inputs[0])


def mask(a, inputs, out):
    return inputs[0] * spread(inputs[1], inputs[0])


def scale(a, inputs, out):
    return a["factor"] * inputs[0]


def scale_shift(a, inputs, out):
    x, slope = inputs[:2]
    shift = inputs[2] if len(inputs) > 2 else torch.zeros_like(slope)
    return lines(x, torch.zeros_like(slope), slope, shift)


def channel_dot(a, inputs, out):
    x, dy = inputs
    return line_sums(dy, x, x.new_zeros(x.shape[1]))[0]


def space_sum(a, inputs, out):
    return inputs[0].sum(cell_axes(inputs[0]))


def linear(a, inputs, out):
    y = inputs[0] @ inputs[1].T
    return y if len(inputs) < 3 else y + inputs[2]


def linear_data(a, inputs, out):
    return inputs[0] @ inputs[1]


def linear_weight(a, inputs, out):
    x, dy = inputs
    return dy.T @ x


def sine(a, inputs, out):
    angles = inputs[0] * constant(a["frequencies"], inputs[0])
    return torch.cat([angles.sin(), angles.cos()], 1)


def sine_grad(a, inputs, out):
    x, dy = inputs
    frequencies = constant(a["frequencies"], x)
    of_sine, of_cosine = dy.chunk(2, 1)
    angles = x * frequencies
    return (frequencies * (angles.cos() * of_sine - angles.sin() * of_cosine)).sum(1, keepdim=True)
