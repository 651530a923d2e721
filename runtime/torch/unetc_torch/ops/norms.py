"""Statistics and normalizing. Moments are `[samples, 2 * groups]`, the means first; partials are counts, means, squares."""

import torch


def _grouped(x, groups):
    return x.reshape(x.shape[0], groups, -1)


def _shared(x, groups, over):
    """`[sets of samples, groups, numbers]`: those that share their moments."""
    return x.reshape(x.shape[0] // over, over, groups, -1).transpose(1, 2).flatten(2)


def _with_moments(x, moments):
    mean, variance = moments.unsqueeze(2).chunk(2, 1)
    return _grouped(x, mean.shape[1]), mean, variance


def moments(a, inputs, out):
    together = _shared(inputs[0], a["groups"], a["over"])
    mean = together.mean(2)
    variance = (together - mean.unsqueeze(2)).square().mean(2)
    return torch.cat([mean, variance], 1).repeat_interleave(a["over"], 0)


def moments_grad(a, inputs, out):
    x, both, d = inputs
    over = a["over"]
    together = d.reshape(d.shape[0] // over, over, -1).sum(1).repeat_interleave(over, 0)
    groups, mean, _ = _with_moments(x, both)
    d_mean, d_variance = together.unsqueeze(2).chunk(2, 1)
    count = groups.shape[2] * over
    return ((d_mean + d_variance * 2 * (groups - mean)) / count).reshape(x.shape)


def running_share(a, inputs, out):
    mean, variance = inputs[0].chunk(2, 1)
    count = a["cells"] * a["over"]
    chosen = mean if a["of"] == "mean" else variance * (count / (count - 1))
    return chosen.sum(0) / a["samples"]


def normalize(a, inputs, out):
    x, mean, variance = _with_moments(*inputs)
    return ((x - mean) * torch.rsqrt(variance + a["epsilon"])).reshape(out)


def normalize_grad(a, inputs, out):
    dy, _, variance = _with_moments(inputs[2], inputs[1])
    return (dy * torch.rsqrt(variance + a["epsilon"])).reshape(out)


def normalize_moments_grad(a, inputs, out):
    x, mean, variance = _with_moments(inputs[0], inputs[1])
    dy = _grouped(inputs[2], mean.shape[1])
    rate = torch.rsqrt(variance + a["epsilon"]).squeeze(2)
    weighted = (dy * (x - mean)).sum(2)
    return torch.cat([-dy.sum(2) * rate, -weighted * rate**3 / 2], 1)


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
