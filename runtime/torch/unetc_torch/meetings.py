"""Instructions in which devices meet."""

import torch

from .boxes import box_of, extents, slices
from .ranks import group_of, neighbour, rank_of


def all_reduce(device, one):
    # A stage without parameters has nothing to reduce, and so has everybody in it.
    if not one["buffers"]:
        return
    values = [device.read(name) for name in one["buffers"]]
    ranks = group_of(device.plan, device.seat, one["over"])
    what = f"all_reduce {' '.join(one['buffers'])} #{one['micro']}"
    total = device.communicator.all_reduce(ranks, torch.cat([value.reshape(-1) for value in values]), what)
    parts = total.split([value.numel() for value in values])
    for name, value, part in zip(one["buffers"], values, parts):
        device.write(name, part.reshape(value.shape).clone())


def _gathered(device, one, kind):
    ranks = group_of(device.plan, device.seat, one["over"])
    what = f"{kind} {one['into']} #{one['micro']}"
    return ranks, device.communicator.all_gather(ranks, device.read(one["from"]), what)


def all_gather(device, one):
    device.write(one["into"], torch.cat(_gathered(device, one, "all_gather")[1], 1))


def reduce_scatter(device, one):
    # A few numbers a sample: all are gathered, and what belongs here is added in rank order.
    ranks, parts = _gathered(device, one, "reduce_scatter")
    own = ranks.index(device.rank)
    device.write(one["into"], sum(part.chunk(len(ranks), 1)[own] for part in parts).clone())


def _by_rank(device, pieces):
    """The boxes of the pieces by the rank at the other end, in the order in which both ends list them."""
    found = {}
    for piece in pieces:
        rank = neighbour(device.plan, device.seat, piece["offset"])
        found.setdefault(rank, []).append(box_of(piece["box"]))
    return found


def _size(maps, box):
    count = maps
    for length in extents(box):
        count *= length
    return count


def exchange(device, one):
    """Pieces for one device travel as one message."""
    value = device.read(one["from"]) if "from" in one else None
    have = device.box(one["from"]) if "from" in one else None
    sends = [
        (rank, torch.cat([value[slices(have, box)].reshape(-1) for box in boxes]))
        for rank, boxes in _by_rank(device, one["sends"]).items()
    ]
    into = one.get("into")
    whole = device.box(into) if into else None
    dims = device.buffers[into]["dims"] if into else [0, 0]
    like = device.like_of(into) if into else device.like
    senders = _by_rank(device, one["receives"])
    receives = [(rank, sum(_size(dims[0] * dims[1], box) for box in boxes), like) for rank, boxes in senders.items()]
    messages = device.communicator.exchange(sends, receives, f"exchange {one['name']} #{one['micro']}")
    if into is None:
        return
    result = torch.zeros(dims, **like)
    if value is not None and "keeps" in one:
        keeps = box_of(one["keeps"])
        result[slices(whole, keeps)] = value[slices(have, keeps)]
    for message, boxes in zip(messages, senders.values()):
        for part, box in zip(message.split([_size(dims[0] * dims[1], box) for box in boxes]), boxes):
            cells = slices(whole, box)
            result[cells] += part.reshape(result[cells].shape)
    device.write(into, result)


def _peer(device, stage):
    return rank_of(device.plan, device.seat._replace(stage=stage))


def send(device, one):
    what = f"value {one['name']} #{one['micro']}"
    device.communicator.send(_peer(device, one["stage"]), device.read(one["from"]), what)


def receive(device, one):
    empty = torch.empty(device.buffers[one["into"]]["dims"], **device.like_of(one["into"]))
    what = f"value {one['name']} #{one['micro']}"
    device.write(one["into"], device.communicator.receive(_peer(device, one["stage"]), empty, what))


def clip(device, one):
    own = sum(device.read(name).double().square().sum() for name in one["buffers"])
    own = torch.as_tensor(own, dtype=torch.float64).reshape(1)
    ranks = group_of(device.plan, device.seat, "stages")
    norm = sum(device.communicator.all_gather(ranks, own, "clip")).sqrt().item()
    if norm > one["norm"]:
        for name in one["buffers"]:
            device.write(name, device.read(name) * one["norm"] / norm)


MEETINGS = {
    "all_reduce": all_reduce,
    "all_gather": all_gather,
    "reduce_scatter": reduce_scatter,
    "exchange": exchange,
    "send": send,
    "receive": receive,
    "clip": clip,
}
