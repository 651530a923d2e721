"""Learning rates and the optimizers' corrections against the step, counted from 0 (`ir/rate.ts`)."""

import math

CURVES = {
    "constant": lambda rate, since, total: 1.0,
    "cosine": lambda rate, since, total: (1 + math.cos(math.pi * min(since, total) / max(1, total))) / 2,
    "step": lambda rate, since, total: rate["factor"] ** (since // rate["every"]),
}


def rate_at(training, step):
    rate, steps = training["rate"], training["steps"]
    if step < rate["warmUp"]:
        return rate["peak"] * (step + 1) / rate["warmUp"]
    return rate["peak"] * CURVES[rate["curve"]](rate, step - rate["warmUp"], steps - rate["warmUp"])


def hyper(training, step):
    """What the update ops read: `[rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t)]`, t = step + 1; ones for SGD."""
    optimizer = training["optimizer"]
    corrections = [1.0, 1.0]
    if optimizer["kind"] != "sgd":
        corrections = [1 / (1 - optimizer[name] ** (step + 1)) for name in ("beta1", "beta2")]
    return [rate_at(training, step)] + corrections
