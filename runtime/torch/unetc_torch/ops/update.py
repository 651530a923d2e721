"""Optimizers, element by element. `hyper` is [rate, correction of the average, correction of the square]."""

import torch


def axpy(a, inputs, out):
    x, y = inputs
    return y + a["factor"] * x


def moving_average(a, inputs, out):
    old, new = inputs
    return a["beta"] * old + (1 - a["beta"]) * new


def moving_square(a, inputs, out):
    old, new = inputs
    return a["beta"] * old + (1 - a["beta"]) * new.square()


def adam_step(a, inputs, out):
    parameter, average, square, hyper = inputs
    rate, first, second = hyper.unbind()
    step = average * first / (torch.sqrt(square * second) + a["epsilon"])
    return parameter * (1 - rate * a["decay"]) - rate * step


def sgd_step(a, inputs, out):
    parameter, direction, hyper = inputs
    rate = hyper[0]
    return parameter * (1 - rate * a["decay"]) - rate * direction
