"""Reads the windows of the next step, and makes tensors of them, while this one is computed."""

from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

import torch

from .holder import host_tensor


class Ahead:
    def __init__(self, feeds, requests, where):
        """`requests`: what a step reads, `(name, samples, box, type)`."""
        self.feeds, self.requests, self.where = feeds, requests, where
        # A thread that says nothing is taken to mean the first GPU of the node.
        begin = (lambda: torch.cuda.set_device(where)) if where.type == "cuda" and where.index is not None else None
        self.thread = ThreadPoolExecutor(1, initializer=begin)
        self.coming = {}

    def read(self, name, step, samples, box):
        """Cells as they are, or a tensor of them."""
        key = _key(name, step, samples, box)
        coming = self.coming.get(key)
        return coming.popleft().result() if coming else self.feeds.read(name, step, samples, box)

    def prepare(self, step):
        # A sweep reads what the rest of the step reads once more.
        self.coming = defaultdict(deque)
        for name, samples, box, kind in self.requests:
            coming = self.thread.submit(self._made, name, step, samples, box, kind)
            self.coming[_key(name, step, samples, box)].append(coming)

    def _made(self, name, step, samples, box, kind):
        return host_tensor(self.feeds.read(name, step, samples, box), kind, self.where)


def _key(name, step, samples, box):
    return name, step, tuple(samples), tuple(box)
