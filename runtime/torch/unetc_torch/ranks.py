"""The rank rule of `ir/ranks.ts`: which replica, stage and place a device has, and who its peers are.

rank = (replica * stages + stage) * places + place, places in row-major order.
"""

import math
from typing import NamedTuple, Tuple


class Seat(NamedTuple):
    replica: int
    stage: int
    place: Tuple[int, ...]


def places_of(plan):
    return [len(axis["classes"]) for axis in plan["axes"]]


def stages_of(plan):
    return max([1] + [chunk["stage"] + 1 for chunk in plan["schedule"]["chunks"]])


def place_count(plan):
    """Devices of one stage of one replica; of a prediction, its tiles."""
    return math.prod(places_of(plan))


def rank_count(plan):
    return plan["schedule"]["replicas"] * stages_of(plan) * place_count(plan)


def tile_seat(plan, tile):
    """A prediction has a seat for each of its tiles, whoever carries it out."""
    return Seat(0, 0, _place(plan, tile))


def seat_of(plan, rank):
    row, rest = divmod(rank, place_count(plan))
    replica, stage = divmod(row, stages_of(plan))
    return Seat(replica, stage, _place(plan, rest))


def _place(plan, number):
    """Its index on each axis."""
    place = []
    for count in reversed(places_of(plan)):
        number, index = divmod(number, count)
        place.insert(0, index)
    return tuple(place)


def rank_of(plan, seat):
    index = 0
    for count, one in zip(places_of(plan), seat.place):
        index = index * count + one
    return (seat.replica * stages_of(plan) + seat.stage) * place_count(plan) + index


def role_of(plan, seat):
    classes = [axis["classes"][index] for axis, index in zip(plan["axes"], seat.place)]
    for role in plan["roles"]:
        if role["stage"] == seat.stage and role["classes"] == classes:
            return role
    raise ValueError(f"the plan has no role for {seat}")


def tile_at(plan, place, part):
    stream = plan["schedule"]["stream"]
    part = part or [0] * len(place)
    return [index * by + more for index, by, more in zip(place, stream, part)]


def neighbour(plan, seat, offset):
    """Rank of the seat `offset` places away in the same grid."""
    place = tuple(index + step for index, step in zip(seat.place, offset))
    if any(not 0 <= index < count for index, count in zip(place, places_of(plan))):
        raise ValueError(f"{seat} has no neighbour at {list(offset)}")
    return rank_of(plan, seat._replace(place=place))


GROUPS = {
    "grid": lambda own, other: (own.replica, own.stage) == (other.replica, other.stage),
    "stage": lambda own, other: own.stage == other.stage,
    "all": lambda own, other: True,
    # Those who together hold every parameter once: the stages of one place.
    "stages": lambda own, other: (own.replica, own.place) == (other.replica, other.place),
}


def group_of(plan, seat, over):
    """Ranks of a group, ascending."""
    return [rank for rank in range(rank_count(plan)) if GROUPS[over](seat, seat_of(plan, rank))]
