"""The communicators of a plan, and the order in which they are made.

They are made in rounds: a rank makes at most one in a round, and all ranks go through the rounds in one order, so
nobody waits in circles. A rank that has none in a round makes one of its own, because PyTorch names a communicator
by its ranks and by how many the process has already: its members must have equally many.
"""

from .messages import kinds_of, peer_rank, stages_met
from .ranks import group_of, rank_count, role_of, seat_of

#: From one rank to one of another stage; the others are named after the lanes of `messages.py`.
TO = "to"


def _groups(plan, over):
    """All groups of a kind that have more than one rank."""
    seen = set()
    for rank in range(rank_count(plan)):
        if rank not in seen:
            ranks = tuple(group_of(plan, seat_of(plan, rank), over))
            seen.update(ranks)
            if len(ranks) > 1:
                yield ranks


def channels_of(plan):
    """All communicators: `(kind, ranks)`."""
    groups = {(lane, ranks) for lane, over in kinds_of(plan) for ranks in _groups(plan, over)}
    seats = [seat_of(plan, rank) for rank in range(rank_count(plan))]
    sends = {
        (TO, (rank, peer_rank(plan, seat, stage)))
        for rank, seat in enumerate(seats)
        for stage in stages_met(role_of(plan, seat), "send")
    }
    return groups | sends


def rounds_of(plan):
    """The round in which each is made: the first in which none of its members makes another one."""
    busy = {rank: set() for rank in range(rank_count(plan))}
    rounds = {}
    for kind, ranks in sorted(channels_of(plan)):
        taken = set().union(*(busy[rank] for rank in ranks))
        chosen = next(number for number in range(len(taken) + 1) if number not in taken)
        rounds[kind, ranks] = chosen
        for rank in ranks:
            busy[rank].add(chosen)
    return rounds


def rounds_for(plan, rank):
    """What a rank makes in each round, None where it has nothing to make but one of its own."""
    own = {number: one for one, number in rounds_of(plan).items() if rank in one[1]}
    return [own.get(number) for number in range(max(own, default=-1) + 1)]
