"""Ranks of `torch.distributed`: Gloo between CPUs, NCCL between GPUs. Nothing waits before what comes is needed.

Sums, the other meetings of a grid, and each direction between two stages have communicators of their own, so that
none of them waits for another. All are made, and used once, in the rounds of `channels.py`: NCCL makes a connection
when it is used first, and would else wait in circles.
"""

import datetime

import torch
import torch.distributed as dist

from .channels import TO, rounds_for
from .messages import groups_of, inbox_order, peer_rank, stages_met
from .ranks import role_of


class Arriving:
    """What a meeting brings; all that it needs is kept alive until then."""

    def __init__(self, works, value, seconds, keeps=None):
        self.works, self.value, self.seconds, self.keeps = works, value, seconds, keeps

    def wait(self):
        for work in self.works:
            # On a GPU only its stream waits; the end of the step sees whether that has an end.
            work.wait() if self.seconds is None else work.wait(self.seconds)
        self.keeps = None
        return self.value


class Inbox:
    """Messages from one rank of another stage, posted in the order of its sends, one ahead of what is read."""

    def __init__(self, group, source, order, empties, seconds):
        self.group, self.source, self.order, self.seconds = group, source, order, seconds
        #: Makes an empty tensor for each message.
        self.empties = empties
        self.places = {what: index for index, what in enumerate(order)}
        self.next, self.posted = 0, {}

    def begin_step(self):
        self.next, self.posted = 0, {}
        self._post(1)

    def _post(self, count):
        while self.next < min(count, len(self.order)):
            what = self.order[self.next]
            empty = self.empties[what]()
            work = dist.irecv(empty, self.source, group=self.group)
            self.posted[what] = Arriving([work], empty, self.seconds)
            self.next += 1

    def take(self, what):
        self._post(self.places[what] + 2)
        return self.posted.pop(what)


class DistributedCommunicator:
    def __init__(self, plan, seat, timeout, device):
        self.plan, self.seat, self.device = plan, seat, device
        self.rank = dist.get_rank()
        self.timeout = datetime.timedelta(seconds=timeout)
        self.seconds = None if device.type == "cuda" else self.timeout
        role = role_of(plan, seat)
        self.members = groups_of(plan, self.rank)
        self.targets = {stage: peer_rank(plan, seat, stage) for stage in stages_met(role, "send")}
        self.sources = {stage: peer_rank(plan, seat, stage) for stage in stages_met(role, "receive")}
        self._connect()
        self.inboxes, self.leaving = None, []

    def _connect(self):
        self.groups, self.own = {}, []
        for one in rounds_for(self.plan, self.rank):
            kind, ranks = one or (None, (self.rank,))
            group = dist.new_group(list(ranks), timeout=self.timeout, use_local_synchronization=True)
            if one is None:
                self.own.append(group)
            else:
                self.groups[one] = group
                self._try(kind, ranks, group)

    def _try(self, kind, ranks, group):
        probe = torch.zeros(1, device=self.device)
        if kind != TO:
            dist.all_reduce(probe, group=group)
        elif self.rank == ranks[0]:
            dist.send(probe, ranks[1], group=group)
        else:
            dist.recv(probe, ranks[0], group=group)

    def begin_step(self, expected):
        """`expected`: for each stage the makers of empty tensors for what comes from it."""
        if self.inboxes is None:
            self.inboxes = {
                stage: Inbox(
                    self.groups[TO, (source, self.rank)],
                    source,
                    inbox_order(self.plan, self.seat, stage),
                    expected[stage],
                    self.seconds,
                )
                for stage, source in self.sources.items()
            }
        for inbox in self.inboxes.values():
            inbox.begin_step()

    def finish_step(self):
        for one in self.leaving:
            one.wait()
        self.leaving = []

    def _group(self, lane, over):
        ranks = self.members.get((lane, over))
        return None if ranks is None else self.groups[lane, ranks]

    def all_gather(self, lane, over, tensor, what):
        group = self._group(lane, over)
        if group is None:
            return Arriving([], [tensor], self.seconds)
        own = tensor.contiguous()
        parts = [torch.empty_like(own) for _ in self.members[lane, over]]
        return Arriving([dist.all_gather(parts, own, group=group, async_op=True)], parts, self.seconds, own)

    def all_reduce(self, lane, over, tensor, what):
        """`tensor` becomes the sum."""
        group = self._group(lane, over)
        works = [] if group is None else [dist.all_reduce(tensor, group=group, async_op=True)]
        return Arriving(works, tensor, self.seconds)

    def exchange(self, sends, receives, what):
        """Pieces as flat tensors, each rank once."""
        group = self._group("messages", "grid")
        filled = [torch.empty(count, **like) for _, count, like in receives]
        pairs = [dist.P2POp(dist.isend, tensor, other, group=group) for other, tensor in sends]
        pairs += [
            dist.P2POp(dist.irecv, tensor, other, group=group) for (other, _, _), tensor in zip(receives, filled)
        ]
        works = dist.batch_isend_irecv(pairs) if pairs else []
        if receives:
            return Arriving(works, filled, self.seconds, sends)
        self.leaving.append(Arriving(works, None, self.seconds, sends))
        return Arriving([], filled, self.seconds)

    def send(self, stage, tensor, what):
        target, own = self.targets[stage], tensor.contiguous()
        work = dist.isend(own, target, group=self.groups[TO, (self.rank, target)])
        self.leaving.append(Arriving([work], None, self.seconds, own))

    def receive(self, stage, what):
        return self.inboxes[stage].take(what)
