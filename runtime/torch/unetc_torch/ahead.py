"""Reads the windows of the next step while this one is computed."""

from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor


class Ahead:
    def __init__(self, feeds, requests):
        """`requests`: what a step reads, `(name, samples, box)`."""
        self.feeds, self.requests = feeds, requests
        self.thread = ThreadPoolExecutor(1)
        self.coming = {}

    def read(self, name, step, samples, box):
        key = _key(name, step, samples, box)
        coming = self.coming.get(key)
        return coming.popleft().result() if coming else self.feeds.read(name, step, samples, box)

    def prepare(self, step):
        # A sweep reads what the rest of the step reads once more.
        self.coming = defaultdict(deque)
        for name, samples, box in self.requests:
            coming = self.thread.submit(self.feeds.read, name, step, samples, box)
            self.coming[_key(name, step, samples, box)].append(coming)


def _key(name, step, samples, box):
    return name, step, tuple(samples), tuple(box)
