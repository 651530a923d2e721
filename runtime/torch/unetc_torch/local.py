"""Devices in one process: a world of one, and the threads of a comparison."""

import threading
from collections import defaultdict, deque

from .messages import peer_rank
from .ranks import group_of


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
                raise TimeoutError(f"rank {address[1]} waits in vain for rank {address[0]}")
            if not self.letters[address]:
                raise RuntimeError("another device failed")
            return self.letters[address].popleft()

    def fail(self):
        with self.changed:
            self.broken = True
            self.changed.notify_all()


class Later:
    """What somebody gives, when it is asked for."""

    def __init__(self, wait):
        self.wait = wait


class LocalCommunicator:
    """One of several devices in one process. `what` names a meeting: those who meet give the same name."""

    def __init__(self, plan, seat, rank, post):
        self.plan, self.seat, self.rank, self.post = plan, seat, rank, post

    def begin_step(self, expected):
        pass

    def finish_step(self):
        pass

    def _ranks(self, over):
        return group_of(self.plan, self.seat, over)

    def all_gather(self, lane, over, tensor, what):
        for other in self._ranks(over):
            self.post.give((self.rank, other, what), tensor)
        return Later(lambda: [self.post.take((other, self.rank, what)) for other in self._ranks(over)])

    def all_reduce(self, lane, over, tensor, what):
        parts = self.all_gather(lane, over, tensor, what)
        return Later(lambda: sum(parts.wait()))

    def exchange(self, sends, receives, what):
        for other, tensor in sends:
            self.post.give((self.rank, other, what), tensor)
        return Later(lambda: [self.post.take((other, self.rank, what)).reshape(-1) for other, _, _ in receives])

    def send(self, stage, tensor, what):
        self.post.give((self.rank, peer_rank(self.plan, self.seat, stage), what), tensor)

    def receive(self, stage, what):
        source = peer_rank(self.plan, self.seat, stage)
        return Later(lambda: self.post.take((source, self.rank, what)))
