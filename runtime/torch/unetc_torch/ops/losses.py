"""Losses, their adjoints, and the classes that logits stand for. Labels outside the classes count nothing."""

import torch
import torch.nn.functional as F

from .shared import constant, spread

aten = torch.ops.aten


def _per_count(count):
    """1 / count; 0 where nothing is counted, so that the loss and its gradient are 0."""
    return torch.where(count == 0, 0.0, 1 / count)


def classify(a, inputs, out):
    x = inputs[0]
    if x.shape[1] == 1:
        return (x > 0).to(torch.uint8)
    return (x[:, 1:] > x[:, :1]).to(torch.uint8) if x.shape[1] == 2 else _first_largest(x)


def _first_largest(x):
    """The lowest channel wins a tie, which `argmax` does not promise, and wherever nothing is a number."""
    count = x.shape[1]
    # Few classes fit into bytes, and so does their number itself.
    like = {"dtype": torch.uint8 if count < 256 else torch.int16, "device": x.device}
    channel = torch.arange(count, **like).reshape((1, -1) + (1,) * (x.dim() - 2))
    beyond = torch.full((), count, **like)
    first = torch.where(x == x.amax(1, keepdim=True), channel, beyond).amin(1, keepdim=True)
    return torch.where(first == beyond, 0, first).to(torch.uint8)


def _labels(a, logits, target):
    """Labels that can index channels, and the weight of each cell: 0 where it is not labelled."""
    classes = logits.shape[1]
    counted = target < classes
    labels = torch.where(counted, target, 0).long()
    weights = constant(a["weights"] or [1.0] * classes, logits)
    return labels, torch.where(counted, weights[labels], 0.0)


#: What libraries call the label of cells that count nothing.
UNLABELLED = -100


def _plane(x):
    """Maps of any number of axes as maps of two, which the likelihood is written for."""
    return x.reshape(*x.shape[:2], -1, x.shape[-1])


def _likelihood(a, logits, target):
    """Logarithms of the shares of classes, the label of each cell, and the weights of the classes."""
    labels = _plane(target)[:, 0].long()
    labels = labels.masked_fill(labels >= logits.shape[1], UNLABELLED)
    return F.log_softmax(_plane(logits), 1), labels, constant(a["weights"], logits) if a["weights"] else None


def cross_entropy(a, inputs, out):
    logits, target, count = inputs
    logs, labels, weights = _likelihood(a, logits, target)
    # Cell by cell, because the library's own sum is not the same in every run.
    return F.nll_loss(logs, labels, weights, ignore_index=UNLABELLED, reduction="none").sum() * _per_count(count)


def cross_entropy_grad(a, inputs, out):
    logits, target, count, dloss = inputs
    logs, labels, weights = _likelihood(a, logits, target)
    share = (dloss * _per_count(count)).expand(labels.shape)
    total = logs.new_zeros(())  # of the weights: not asked for without a sum
    dlogs = aten.nll_loss2d_backward(share, logs, labels, weights, 0, UNLABELLED, total)
    d = aten._log_softmax_backward_data(dlogs, logs, 1, logs.dtype)
    return d if list(d.shape) == out else d.reshape(out)


def _focus(logits, labels):
    """1 - p of the label without cancellation, -log p / (1 - p), the shares of all classes, and which is the label's."""
    logs = F.log_softmax(logits, 1)
    shares = logs.exp()
    own = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels, True)
    miss = shares.masked_fill(own, 0.0).sum(1, keepdim=True)
    surprise = torch.where(miss < 0.5, -torch.log1p(-miss), -logs.gather(1, labels))
    ratio = torch.where(miss == 0, 1.0, surprise / miss)
    return miss, ratio, shares, own


def focal(a, inputs, out):
    logits, target, count = inputs
    labels, weights = _labels(a, logits, target)
    miss, ratio, _, _ = _focus(logits, labels)
    return (weights * miss ** a["gamma"] * ratio * miss).sum() * _per_count(count)


def focal_grad(a, inputs, out):
    logits, target, count, dloss = inputs
    labels, weights = _labels(a, logits, target)
    miss, ratio, shares, own = _focus(logits, labels)
    p = shares.gather(1, labels)
    factor = weights * miss ** a["gamma"] * (1 + a["gamma"] * p * ratio) * (dloss * _per_count(count))
    return factor * torch.where(own, -miss, shares)


def _binary_weights(a, logits, target):
    weights = constant(a["weights"] or [1.0, 1.0], logits)
    counted = target <= 1
    return torch.where(counted, weights[torch.where(counted, target, 0).long()], 0.0)


def binary_cross_entropy(a, inputs, out):
    logits, target, count = inputs
    signed = torch.where(target == 1, -logits, logits)
    softplus = signed.clamp(min=0) + torch.log1p(torch.exp(-signed.abs()))
    return (_binary_weights(a, logits, target) * softplus).sum() * _per_count(count)


def binary_cross_entropy_grad(a, inputs, out):
    logits, target, count, dloss = inputs
    away = torch.sigmoid(logits) - (target == 1).to(logits.dtype)
    return _binary_weights(a, logits, target) * away * (dloss * _per_count(count))


def mse(a, inputs, out):
    x, target, count = inputs
    return (x - target).square().sum() * _per_count(count)


def mse_grad(a, inputs, out):
    x, target, count, dloss = inputs
    return (x - target) * (2 * dloss * _per_count(count))


def l1(a, inputs, out):
    x, target, count = inputs
    return (x - target).abs().sum() * _per_count(count)


def l1_grad(a, inputs, out):
    x, target, count, dloss = inputs
    return torch.sign(x - target) * (dloss * _per_count(count))


def weighted_sum(a, inputs, out):
    return sum(weight * loss for weight, loss in zip(a["weights"], inputs))


def _dice_cells(logits, target):
    """p of the logits and t of the labels of each class, both 0 where not labelled; and where labelled."""
    classes = logits.shape[1]
    counted = target < max(2, classes)
    if classes == 1:
        p, t = torch.sigmoid(logits), target == 1
    else:
        labels = torch.where(counted, target, 0).long()
        p = torch.softmax(logits, 1)
        t = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels, True)
    counted = counted.to(logits.dtype)
    return p * counted, t.to(logits.dtype) * counted


def dice_sums(a, inputs, out):
    p, t = _dice_cells(*inputs)
    return torch.cat([part.flatten(2).sum(2) for part in (p * t, p, t)], 1)


def dice_sums_grad(a, inputs, out):
    logits, target, d_sums = inputs
    p, t = _dice_cells(logits, target)
    of_pt, of_p, _ = d_sums.chunk(3, 1)
    dp = t * spread(of_pt, p) + spread(of_p, p)
    if logits.shape[1] == 1:
        return p * (1 - p) * dp
    return p * (dp - (p * dp).sum(1, keepdim=True))


def _dice_terms(a, sums):
    """Σpt, Σp + Σt + smooth, and 1 over this (0 where it is 0), each `[sets of samples, classes]`."""
    pt, p, t = sums.reshape(sums.shape[0] // a["over"], a["over"], 3, -1).sum(1).unbind(1)
    whole = p + t + a["smooth"]
    return pt, whole, torch.where(whole == 0, 0.0, 1 / whole)


def dice(a, inputs, out):
    pt, whole, inverse = _dice_terms(a, inputs[0])
    terms = torch.where(whole == 0, 0.0, 1 - (2 * pt + a["smooth"]) * inverse)
    return terms.sum() * (a["over"] / (a["samples"] * pt.shape[1]))


def dice_grad(a, inputs, out):
    sums, dloss = inputs
    pt, _, inverse = _dice_terms(a, sums)
    seed = dloss * (a["over"] / (a["samples"] * pt.shape[1]))
    of_whole = seed * (2 * pt + a["smooth"]) * inverse.square()
    return torch.cat([-2 * seed * inverse, of_whole, of_whole], 1).repeat_interleave(a["over"], 0)
