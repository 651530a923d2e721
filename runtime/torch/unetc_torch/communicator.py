"""How devices give each other tensors. Both kinds have the same five ways, and no wait without an end.

`what` names a meeting: those who meet give the same name.
"""

import datetime
import threading
import zlib
from collections import defaultdict, deque

import torch
import torch.distributed as dist


class LocalPost:
    """Letters between the threads of one process, by sender, receiver and name."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.letters = defaultdict(deque)
        self.changed = threading.Condition()
        self.broken = False

    def give(self, address, tensor):
        with self.changed:
            self.letters[address].append(tensor)
            self.changed.notify_all()

    def take(self, address):
        with self.changed:
            if not self.changed.wait_for(lambda: self.broken or self.letters[address], self.timeout):
                raise TimeoutError(f"rank {address[1]} waits in vain for rank {address[0]}: {address[2]}")
            if not self.letters[address]:
                raise RuntimeError("another device failed")
            return self.letters[address].popleft()

    def fail(self):
        with self.changed:
            self.broken = True
            self.changed.notify_all()


class LocalCommunicator:
    """One of several devices in one process."""

    def __init__(self, rank, post):
        self.rank, self.post = rank, post

    def all_gather(self, ranks, tensor, what):
        for other in ranks:
            self.post.give((self.rank, other, what), tensor)
        return [self.post.take((other, self.rank, what)) for other in ranks]

    def all_reduce(self, ranks, tensor, what):
        return sum(self.all_gather(ranks, tensor, what))

    def exchange(self, sends, receives, what):
        for other, tensor in sends:
            self.post.give((self.rank, other, what), tensor)
        return [self.post.take((other, self.rank, what)).reshape(-1) for other, _, _ in receives]

    def send(self, other, tensor, what):
        self.post.give((self.rank, other, what), tensor)

    def receive(self, other, empty, what):
        return self.post.take((other, self.rank, what))

    def finish_step(self):
        pass


class DistributedCommunicator:
    """A rank of `torch.distributed`. Messages of one name arrive in the order in which they were sent."""

    def __init__(self, groups, timeout):
        self.rank = dist.get_rank()
        self.timeout = datetime.timedelta(seconds=timeout)
        # Every rank makes every group, in one order: torch asks for that.
        self.groups = {ranks: dist.new_group(list(ranks), timeout=self.timeout) for ranks in groups}
        self.sending = []

    def all_gather(self, ranks, tensor, what):
        if len(ranks) == 1:
            return [tensor]
        parts = [torch.empty_like(tensor) for _ in ranks]
        dist.all_gather(parts, tensor.contiguous(), group=self.groups[tuple(ranks)])
        return parts

    def all_reduce(self, ranks, tensor, what):
        if len(ranks) > 1:
            dist.all_reduce(tensor, group=self.groups[tuple(ranks)])
        return tensor

    def exchange(self, sends, receives, what):
        tag = _tag(what)
        filled = [torch.empty(count, **like) for _, count, like in receives]
        pairs = [dist.P2POp(dist.isend, tensor.contiguous(), other, tag=tag) for other, tensor in sends]
        pairs += [
            dist.P2POp(dist.irecv, tensor, other, tag=tag) for (other, _, _), tensor in zip(receives, filled)
        ]
        for work in dist.batch_isend_irecv(pairs) if pairs else []:
            work.wait(self.timeout)
        return filled

    def send(self, other, tensor, what):
        own = tensor.contiguous()
        works = dist.batch_isend_irecv([dist.P2POp(dist.isend, own, other, tag=_tag(what))])
        # The tensor must live until it has left.
        self.sending += [(work, own) for work in works]

    def receive(self, other, empty, what):
        for work in dist.batch_isend_irecv([dist.P2POp(dist.irecv, empty, other, tag=_tag(what))]):
            work.wait(self.timeout)
        return empty

    def finish_step(self):
        for work, _ in self.sending:
            work.wait(self.timeout)
        self.sending = []


def _tag(what):
    return zlib.crc32(what.encode("utf-8")) & 0x3FFFFFFF
