"""Optimizers over all parameters at once: the ops of `ops/update.py`, each as a few calls for whole lists of tensors.

A graph of update ops is done level by level; ops of one level, kind and attributes become one call.
"""

import json

import torch


def _axpy(a, columns):
    xs, ys = columns
    return torch._foreach_add(ys, xs, alpha=a["factor"])


def _moving_average(a, columns):
    olds, news = columns
    result = torch._foreach_mul(olds, a["beta"])
    torch._foreach_add_(result, news, alpha=1 - a["beta"])
    return result


def _moving_square(a, columns):
    olds, news = columns
    result = torch._foreach_mul(olds, a["beta"])
    torch._foreach_addcmul_(result, news, news, value=1 - a["beta"])
    return result


def _hyper(column):
    """Rate and corrections: the same tensor for all."""
    return column[0].unbind()


def _decayed(parameters, rate, decay):
    """New tensors: parameters that the step is taken off."""
    return torch._foreach_mul(parameters, 1 - rate * decay) if decay else [one.clone() for one in parameters]


def _adam_step(a, columns):
    parameters, averages, squares, hyper = columns
    rate, first, second = _hyper(hyper)
    scale = torch._foreach_mul(squares, second)
    torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, a["epsilon"])
    step = torch._foreach_mul(averages, first * rate)
    torch._foreach_div_(step, scale)
    result = _decayed(parameters, rate, a["decay"])
    torch._foreach_sub_(result, step)
    return result


def _sgd_step(a, columns):
    parameters, directions, hyper = columns
    rate = _hyper(hyper)[0]
    step = torch._foreach_mul(directions, rate)
    result = _decayed(parameters, rate, a["decay"])
    torch._foreach_sub_(result, step)
    return result


FUSED = {
    "axpy": _axpy,
    "moving_average": _moving_average,
    "moving_square": _moving_square,
    "adam_step": _adam_step,
    "sgd_step": _sgd_step,
}


def can_be_fused(calls):
    return len(calls) > 1 and all(kind in FUSED for kind, *_ in calls)


def batches_of(calls):
    """`(kind, attrs, columns of operand names, results)`, each after all that it needs."""
    level, batches = {}, {}
    for kind, attrs, inputs, output, _ in calls:
        level[output] = 1 + max((level.get(name, 0) for name in inputs), default=0)
        key = (level[output], kind, json.dumps(attrs, sort_keys=True), inputs[-1] if kind.endswith("_step") else "")
        batches.setdefault(key, (kind, attrs, [], []))
        batches[key][2].append(inputs)
        batches[key][3].append(output)
    ordered = [batches[key] for key in sorted(batches, key=lambda key: key[0])]
    return [(kind, attrs, list(zip(*rows)), names) for kind, attrs, rows, names in ordered]


def run_batches(batches, values):
    for kind, attrs, columns, names in batches:
        operands = [[values[name] for name in column] for column in columns]
        values.update(zip(names, FUSED[kind](attrs, operands)))
