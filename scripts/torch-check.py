"""Checks the reference backend and the gradients of the op table against PyTorch, in float64 on the CPU.

    python3 -m venv /tmp/torch-check && /tmp/torch-check/bin/pip install torch==2.13.0 numpy
    npx tsx scripts/torch-check.ts /tmp/cases.json && /tmp/torch-check/bin/python scripts/torch-check.py /tmp/cases.json

Prints the largest error of each op, forward and of its gradients, relative to the largest element (or 1),
and ends with status 1 where one is above 1e-10. Not part of `npm test`: it needs PyTorch.
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

LIMIT = 1e-10


def tensor(numbers):
    return torch.tensor(numbers["values"], dtype=torch.float64).reshape(numbers["dims"])


def by_rank(names, x):
    return names[x.dim() - 3]


def flat(sides):
    """[[lo, hi] of each axis] in the order of F.pad: the last axis first."""
    return [side for pair in reversed(sides) for side in pair]


def conv(a, x, weight, bias):
    function = by_rank((F.conv1d, F.conv2d, F.conv3d), x)
    padded = F.pad(x, flat(a["pad"]))
    return function(padded, weight, bias, a["stride"], 0, a["dilation"], a["groups"])


def up_conv(a, x, weight, bias):
    function = by_rank((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), x)
    return crop({"sides": a["crop"]}, function(x, weight, bias, a["stride"]))


def max_pool(a, x):
    function = by_rank((F.max_pool1d, F.max_pool2d, F.max_pool3d), x)
    return function(F.pad(x, flat(a["pad"]), value=float("-inf")), a["kernel"], a["stride"])


def max_pool_index(a, x):
    """PyTorch gives the place in the padded map; here it is that in the window."""
    padded = F.pad(x.detach(), flat(a["pad"]), value=float("-inf"))
    function = by_rank((F.max_pool1d, F.max_pool2d, F.max_pool3d), x)
    places = function(padded, a["kernel"], a["stride"], return_indices=True)[1]
    index = torch.zeros_like(places)
    sizes = list(padded.shape[2:])
    for axis, (kernel, stride) in enumerate(zip(a["kernel"], a["stride"])):
        cells = math.prod(sizes[axis + 1 :])
        starts = torch.arange(places.shape[2 + axis]) * stride
        within = places // cells % sizes[axis] - starts.reshape([-1] + [1] * (len(sizes) - axis - 1))
        index = index * kernel + within
    return index.double()


def avg_pool(a, x):
    return by_rank((F.avg_pool1d, F.avg_pool2d, F.avg_pool3d), x)(x, a["kernel"], a["stride"])


def crop(a, x):
    for axis, (lo, hi) in enumerate(a["sides"]):
        x = x.narrow(2 + axis, lo, x.shape[2 + axis] - lo - hi)
    return x


def resize(a, x):
    scale = [float(factor) for factor in a["factor"]]
    linear = by_rank(("linear", "bilinear", "trilinear"), x)
    mode = {"mode": "nearest"} if a["mode"] == "nearest" else {"mode": linear, "align_corners": False}
    return crop({"sides": a["crop"]}, F.interpolate(x, scale_factor=scale, **mode))


def stretch(a, x, _shares):
    linear = by_rank(("linear", "bilinear", "trilinear"), x)
    scale = [float(a["factor"] if axis == a["axis"] else 1) for axis in range(x.dim() - 2)]
    return F.interpolate(x, scale_factor=scale, mode=linear, align_corners=True)


def per_channel(values, x):
    return values.reshape(values.shape + (1,) * (x.dim() - values.dim()))


def moments(a, x):
    samples, over = x.shape[0], a["over"]
    groups = x.reshape(samples // over, over, a["groups"], -1).transpose(1, 2).flatten(2)
    both = torch.cat([groups.mean(2), groups.var(2, unbiased=False)], dim=1)
    return both.repeat_interleave(over, dim=0)


def running_share(a, x):
    mean, variance = torch.zeros(2, x.shape[1], dtype=torch.float64)
    F.batch_norm(x, mean, variance, training=True, momentum=1.0)
    return mean if a["of"] == "mean" else variance


def normalize_by(a, x, mean, variance):
    return F.batch_norm(x, mean.detach(), variance.detach(), eps=a["epsilon"])


def normalize(a, x, m):
    mean, variance = m.chunk(2, dim=1)
    groups = x.reshape(x.shape[0], mean.shape[1], -1)
    return ((groups - mean[..., None]) / torch.sqrt(variance[..., None] + a["epsilon"])).reshape(x.shape)


def cross_entropy(a, logits, target, count):
    classes = logits.shape[1]
    labels = target.squeeze(1).long()
    labels = torch.where(labels < classes, labels, -100)
    weights = torch.tensor(a["weights"], dtype=torch.float64) if a["weights"] else None
    return F.cross_entropy(logits, labels, weights, ignore_index=-100, reduction="sum") / count


def focal(a, logits, target, count):
    classes = logits.shape[1]
    labels = target.squeeze(1).long()
    counted = labels < classes
    labels = torch.where(counted, labels, 0)
    logs = torch.gather(F.log_softmax(logits, dim=1), 1, labels[:, None]).squeeze(1)
    weights = torch.tensor(a["weights"], dtype=torch.float64)[labels] * counted
    return (weights * -((1 - logs.exp()) ** a["gamma"]) * logs).sum() / count


def binary_cross_entropy(a, logits, target, count):
    no, yes = a["weights"] or (1.0, 1.0)
    weights = torch.where(target == 1, yes, torch.where(target == 0, no, 0.0))
    labels = (target == 1).double()
    return F.binary_cross_entropy_with_logits(logits, labels, weights, reduction="sum") / count


def dice_sums(_, logits, target):
    classes = logits.shape[1]
    labels = target.squeeze(1).long()
    if classes == 1:
        p, t, counted = torch.sigmoid(logits), (target == 1).double(), target <= 1
    else:
        p, counted = F.softmax(logits, dim=1), target < classes
        t = F.one_hot(torch.where(labels < classes, labels, 0), classes).movedim(-1, 1)
    return torch.cat([(part * counted).flatten(2).sum(2) for part in (p * t, p, t)], dim=1)


def dice(a, sums):
    over = a["over"]
    pt, p, t = sums.reshape(sums.shape[0] // over, over, 3, -1).sum(1).unbind(1)
    terms = 1 - (2 * pt + a["smooth"]) / (p + t + a["smooth"])
    return terms.sum() * over / (a["samples"] * pt.shape[1])


def scale_shift(_, x, scale, shift):
    return x * per_channel(scale[None], x) + per_channel(shift[None], x)


def sine(a, x):
    angles = x * torch.tensor(a["frequencies"], dtype=torch.float64)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def affine(a, x):
    scale, shift = (torch.tensor(a[name], dtype=torch.float64)[None] for name in ("scale", "shift"))
    return x * per_channel(scale, x) + per_channel(shift, x)


def optimized(make):
    def run(a, start, *gradients):
        parameter = torch.nn.Parameter(start.detach().clone())
        optimizer = make(a, [parameter])
        for gradient in gradients:
            parameter.grad = gradient.detach()
            optimizer.step()
        return parameter

    return run


FORWARD = {
    "affine": affine,
    "conv": conv,
    "up_conv": up_conv,
    "relu": lambda a, x: F.relu(x),
    "leaky_relu": lambda a, x: F.leaky_relu(x, a["slope"]),
    "silu": lambda a, x: F.silu(x),
    "gelu": lambda a, x: F.gelu(x),
    "sigmoid": lambda a, x: torch.sigmoid(x),
    "softmax": lambda a, x: F.softmax(x, dim=1),
    "mul": lambda a, x, gate: x * gate,
    "relu_mask": lambda a, x: (x > 0).double(),
    "max_pool": max_pool,
    "max_pool_index": max_pool_index,
    "avg_pool": avg_pool,
    "concat": lambda a, *parts: torch.cat(parts, dim=1),
    "add": lambda a, x, y: x + per_channel(y, x),
    "linear": lambda a, x, weight, bias: F.linear(x, weight, bias),
    "sine": sine,
    "scale_shift": scale_shift,
    "crop": crop,
    "pad": lambda a, x: F.pad(x, flat(a["sides"])),
    "resize": resize,
    "stretch": stretch,
    "mask": lambda a, x, m: x * per_channel(m, x),
    "moments": moments,
    "normalize": normalize,
    "running_share": running_share,
    "normalize_by": normalize_by,
    "classify": lambda a, x: x.argmax(dim=1, keepdim=True).double(),
    "cross_entropy": cross_entropy,
    "focal": focal,
    "binary_cross_entropy": binary_cross_entropy,
    "dice_sums": dice_sums,
    "dice": dice,
    "l1": lambda a, x, target, count: F.l1_loss(x, target, reduction="sum") / count,
    "mse": lambda a, x, target, count: F.mse_loss(x, target, reduction="sum") / count,
    "weighted_sum": lambda a, *losses: sum(w * loss for w, loss in zip(a["weights"], losses)),
    "adamw": optimized(
        lambda a, p: torch.optim.AdamW(
            p, lr=a["peak"], betas=(a["beta1"], a["beta2"]), eps=a["epsilon"], weight_decay=a["decay"]
        )
    ),
    "sgd": optimized(lambda a, p: torch.optim.SGD(p, lr=a["peak"], momentum=a["momentum"])),
}


def error(ours, theirs):
    if tuple(ours.shape) != tuple(theirs.shape):
        raise SystemExit(f"shapes differ: {tuple(ours.shape)} and {tuple(theirs.shape)}")
    if ours.numel() == 0:
        return 0.0
    scale = max(1.0, theirs.abs().max().item())
    return (ours - theirs).abs().max().item() / scale


def check(case):
    """Errors of the result and of the gradients of one case."""
    operands = [tensor(one).requires_grad_() for one in case["operands"]]
    result = FORWARD[case["kind"]](case["attrs"], *operands)
    forward = error(tensor(case["result"]), result.detach())
    if "dy" not in case:
        return forward, None
    wanted = [i for i, one in enumerate(case["gradients"]) if one is not None]
    theirs = torch.autograd.grad(result, [operands[i] for i in wanted], tensor(case["dy"]))
    errors = [error(tensor(case["gradients"][i]), one) for i, one in zip(wanted, theirs)]
    return forward, max(errors)


def main(path):
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)
    worst = {}
    for case in cases:
        forward, backward = check(case)
        count, most, least = worst.get(case["kind"], (0, 0.0, None))
        gradient = backward if least is None else max(least, backward)
        worst[case["kind"]] = (count + 1, max(most, forward), gradient)
    print(f"{'op':22}{'cases':>6}{'forward':>12}{'gradients':>12}")
    for kind, (count, forward, backward) in sorted(worst.items()):
        print(f"{kind:22}{count:6}{forward:12.1e}{'-' if backward is None else format(backward, '12.1e'):>12}")
    missing = sorted(set(FORWARD) - set(worst))
    if missing:
        raise SystemExit(f"no case of {', '.join(missing)}")
    if any(max(forward, backward or 0.0) > LIMIT for _, forward, backward in worst.values()):
        raise SystemExit(f"above {LIMIT}")


if __name__ == "__main__":
    main(sys.argv[1])
