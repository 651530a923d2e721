"""Which messages a device takes part in, and in which order: known from the plan, before anything is sent.

NCCL has no tags: what two ranks send each other over one channel is told apart by its order alone. So the receiver of
messages between stages posts in the order in which they are sent, whatever order it reads them in, and that
neighbours exchange margins in one order is looked at before the first step.
"""

from .errors import Refusal
from .ranks import GROUPS, group_of, neighbour, rank_of, role_of, seat_of


def named(one):
    """The name of what a meeting carries: the same for all who meet in it."""
    return f"{one['name']} #{one['micro']}"


def peer_rank(plan, seat, stage):
    return rank_of(plan, seat._replace(stage=stage))


def _passed(role, do, stage):
    return [named(one) for one in role["instructions"] if one["do"] == do and one["stage"] == stage]


def inbox_order(plan, seat, stage):
    """Messages that come from a stage, in the order of its sends."""
    source = seat._replace(stage=stage)
    sent = _passed(role_of(plan, source), "send", seat.stage)
    wanted = _passed(role_of(plan, seat), "receive", stage)
    if sorted(sent) != sorted(wanted):
        raise Refusal(f"stage {stage} sends {sent}, and stage {seat.stage} receives {wanted}")
    return sent


def _exchanged(plan, rank, other):
    """Exchanges of a rank in which it gives the other something, and those in which it gets something."""
    seat, given, taken = seat_of(plan, rank), [], []
    for one in role_of(plan, seat)["instructions"]:
        if one["do"] == "exchange":
            given += [named(one)] * any(neighbour(plan, seat, piece["offset"]) == other for piece in one["sends"])
            taken += [named(one)] * any(neighbour(plan, seat, piece["offset"]) == other for piece in one["receives"])
    return given, taken


def check_exchanges(plan, rank):
    """Raises Refusal where a neighbour sees their exchanges in another order."""
    seat, others = seat_of(plan, rank), set()
    for one in role_of(plan, seat)["instructions"]:
        if one["do"] == "exchange":
            others |= {neighbour(plan, seat, piece["offset"]) for piece in [*one["sends"], *one["receives"]]}
    for other in sorted(others):
        (given, taken), (gives, takes) = _exchanged(plan, rank, other), _exchanged(plan, other, rank)
        if (given, taken) != (takes, gives):
            raise Refusal(f"ranks {rank} and {other} exchange margins in different orders")


#: Sums of gradients have channels of their own, so that they travel while margins do.
LANES = {
    "all_reduce": "sums",
    "all_gather": "messages",
    "reduce_scatter": "messages",
    "exchange": "messages",
    "clip": "messages",
}


def lane_and_group(one):
    """None for what nobody meets in."""
    if one["do"] not in LANES:
        return None
    over = {"exchange": "grid", "clip": "stages"}.get(one["do"]) or one["over"]
    return LANES[one["do"]], over


def kinds_of(plan):
    """Every lane and kind of group that some instruction meets in."""
    kinds = {lane_and_group(one) for role in plan["roles"] for one in role["talks"]} - {None}
    assert all(over in GROUPS for _, over in kinds)
    return sorted(kinds)


def groups_of(plan, rank):
    """By lane and kind of group the ranks that this one meets with; every member finds the same."""
    seat = seat_of(plan, rank)
    found = {kind: tuple(group_of(plan, seat, kind[1])) for kind in kinds_of(plan)}
    return {kind: ranks for kind, ranks in found.items() if len(ranks) > 1}


def stages_met(role, do):
    return sorted({one["stage"] for one in role["talks"] if one["do"] == do})
