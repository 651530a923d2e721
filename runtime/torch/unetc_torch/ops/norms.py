"""Statistics and normalizing. Moments are `[samples, 2 * groups]`, the means first; partials are counts, means, squares."""

import torch

from .shared import line_sums, lines, mean_and_variance


def _grouped(x, groups):
    return x.reshape(x.shape[0], groups, -1)


def _with_moments(x, moments):
    mean, variance = moments.unsqueeze(2).chunk(2, 1)
    return _grouped(x, mean.shape[1]), mean, variance


def _rows(x, groups):
    """One row of cells for each sample and group: what batch normalization takes for the channels of one sample."""
    return x.reshape(1, x.shape[0] * groups, -1)


def moments(a, inputs, out):
    x, groups, over = inputs[0], a["groups"], a["over"]
    if over == 1:
        found = mean_and_variance(_rows(x, groups))
        return torch.cat([one.reshape(-1, groups) for one in found], 1)
    sets = [torch.cat(mean_and_variance(one.reshape(over, groups, -1))) for one in x.split(over)]
    return torch.stack(sets).repeat_interleave(over, 0)


def moments_grad(a, inputs, out):
    x, both, d = inputs
    over = a["over"]
    together = d.reshape(d.shape[0] // over, over, -1).sum(1).repeat_interleave(over, 0)
    groups = both.shape[1] // 2
    rows = _rows(x, groups)
    count = rows.shape[2] * over
    d_mean, d_variance = (together / count).chunk(2, 1)
    mean = both[:, :groups].reshape(-1)
    return lines(rows, mean, (2 * d_variance).reshape(-1), d_mean.reshape(-1)).reshape(x.shape)


def running_share(a, inputs, out):
    mean, variance = inputs[0].chunk(2, 1)
    count = a["cells"] * a["over"]
    chosen = mean if a["of"] == "mean" else variance * (count / (count - 1))
    return chosen.sum(0) / a["samples"]


def normalize(a, inputs, out):
    x, both = inputs
    mean, variance = both.chunk(2, 1)
    rate = torch.rsqrt(variance + a["epsilon"])
    rows = _rows(x, mean.shape[1])
    return lines(rows, mean.reshape(-1), rate.reshape(-1), torch.zeros_like(rate).reshape(-1)).reshape(out)


def normalize_grad(a, inputs, out):
    dy, _, variance = _with_moments(inputs[2], inputs[1])
    return (dy * torch.rsqrt(variance + a["epsilon"])).reshape(out)


def normalize_moments_grad(a, inputs, out):
    x, both, dy = inputs
    mean, variance = both.chunk(2, 1)
    groups = mean.shape[1]
    weighted, total = line_sums(_rows(dy, groups), _rows(x, groups), mean.reshape(-1))
    rate = torch.rsqrt(variance + a["epsilon"])
    parts = [-total.reshape(rate.shape) * rate, -weighted.reshape(rate.shape) * rate**3 / 2]
    return torch.cat(parts, 1)


def normalize_by(a, inputs, out):
    x, mean, variance = inputs
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return (x - mean.reshape(shape)) / torch.sqrt(variance + a["epsilon"]).reshape(shape)


def partial_moments(a, inputs, out):
    x = _grouped(inputs[0], a["groups"])
    mean = x.mean(2)
    squares = (x - mean.unsqueeze(2)).square().sum(2)
    return torch.cat([torch.full_like(mean, x.shape[2]), mean, squares], 1)


def partial_moments_grad(a, inputs, out):
    x, mean = _grouped(inputs[0], a["groups"]), inputs[1].chunk(3, 1)[1]
    _, d_mean, d_squares = inputs[2].unsqueeze(2).chunk(3, 1)
    return (d_mean / x.shape[2] + d_squares * 2 * (x - mean.unsqueeze(2))).reshape(out)


def _parts(a, partials):
    """Counts, means and squares, each `[sets of samples, parts, groups]`."""
    sets = partials.shape[0] // a["over"]
    return partials.reshape(sets, a["over"] * a["parts"], 3, a["groups"]).unbind(2)


def merge_moments(a, inputs, out):
    counts, means, squares = _parts(a, inputs[0])
    total = counts.sum(1, keepdim=True)
    middle = (counts * means).sum(1, keepdim=True) / total
    variance = (squares + counts * (means - middle).square()).sum(1, keepdim=True) / total
    return torch.cat([middle, variance], 2).squeeze(1).repeat_interleave(a["over"], 0)


def merge_moments_grad(a, inputs, out):
    counts, means, _ = _parts(a, inputs[0])
    sets, over = counts.shape[0], a["over"]
    middle = inputs[1].reshape(sets, over, 2, a["groups"])[:, :1, 0]
    d_mean, d_variance = inputs[2].reshape(sets, over, 2, a["groups"]).sum(1, keepdim=True).unbind(2)
    total = counts.sum(1, keepdim=True)
    of_means = counts / total * (d_mean + d_variance * 2 * (means - middle))
    of_squares = (d_variance / total).expand_as(counts)
    return torch.stack([torch.zeros_like(counts), of_means, of_squares], 2).reshape(out)


def merge_sums(a, inputs, out):
    return inputs[0].reshape(inputs[0].shape[0], a["parts"], -1).sum(1)


def merge_sums_grad(a, inputs, out):
    return inputs[0].repeat(1, a["parts"])
