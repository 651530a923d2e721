"""Instructions in which devices meet. None waits here: what they bring is waited for when it is read."""

import torch

from .boxes import box_of, extents, slices
from .messages import lane_and_group, named
from .ranks import group_of, neighbour


def all_reduce(device, one):
    # A stage without parameters has nothing to reduce, and so has everybody in it.
    names = one["buffers"]
    if not names:
        return
    values = [device.read(name) for name in names]
    flat = torch.cat([value.reshape(-1) for value in values])
    arriving = device.communicator.all_reduce(*lane_and_group(one), flat, f"{' '.join(names)} #{one['micro']}")
    shapes = [value.shape for value in values]

    def parts(total):
        pieces = total.split([shape.numel() for shape in shapes])
        return [piece.reshape(shape) for piece, shape in zip(pieces, shapes)]

    device.later(names, arriving, parts)


def _gathered(device, one):
    what = f"{one['do']} {one['into']} #{one['micro']}"
    return device.communicator.all_gather(*lane_and_group(one), device.read(one["from"]), what)


def all_gather(device, one):
    device.later([one["into"]], _gathered(device, one), lambda parts: [torch.cat(parts, 1)])


def reduce_scatter(device, one):
    # A few numbers a sample: all are gathered, and what belongs here is added in rank order.
    ranks = group_of(device.plan, device.seat, one["over"])
    own = ranks.index(device.rank)

    def total(parts):
        return [sum(part.chunk(len(ranks), 1)[own] for part in parts).clone()]

    device.later([one["into"]], _gathered(device, one), total)


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
    dims = device.buffers[into]["dims"] if into else [0, 0]
    like = device.like_of(into) if into else device.like
    senders = _by_rank(device, one["receives"])
    receives = [(rank, sum(_size(dims[0] * dims[1], box) for box in boxes), like) for rank, boxes in senders.items()]
    arriving = device.communicator.exchange(sends, receives, f"exchange {named(one)}")
    if into is None:
        return
    whole = device.box(into)
    result = torch.zeros(dims, **like)
    if value is not None and "keeps" in one:
        keeps = box_of(one["keeps"])
        result[slices(whole, keeps)] = value[slices(have, keeps)]

    def pasted(messages):
        for message, boxes in zip(messages, senders.values()):
            for part, box in zip(message.split([_size(dims[0] * dims[1], box) for box in boxes]), boxes):
                cells = slices(whole, box)
                result[cells] += part.reshape(result[cells].shape)
        return [result]

    device.later([into], arriving, pasted)


def send(device, one):
    device.communicator.send(one["stage"], device.read(one["from"]), named(one))


def receive(device, one):
    device.later([one["into"]], device.communicator.receive(one["stage"], named(one)), lambda value: [value])


def clip(device, one):
    own = sum(device.read(name).double().square().sum() for name in one["buffers"])
    own = torch.as_tensor(own, **{**device.like, "dtype": torch.float64}).reshape(1)
    norm = sum(device.communicator.all_gather(*lane_and_group(one), own, "clip").wait()).sqrt()[0]
    factor = torch.where(norm > one["norm"], one["norm"] / norm, 1.0)
    for name in one["buffers"]:
        device.write(name, (device.read(name).double() * factor).to(device.like["dtype"]))


MEETINGS = {
    "all_reduce": all_reduce,
    "all_gather": all_gather,
    "reduce_scatter": reduce_scatter,
    "exchange": exchange,
    "send": send,
    "receive": receive,
    "clip": clip,
}
