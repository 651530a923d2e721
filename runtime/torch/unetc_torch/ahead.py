"""Reads the windows of the next step while this one is computed."""

from concurrent.futures import ThreadPoolExecutor


class Ahead:
    def __init__(self, feeds, requests):
        """`requests`: what a step reads, `(name, samples, box)`."""
        self.feeds, self.requests = feeds, requests
        self.thread = ThreadPoolExecutor(1)
        self.coming = {}

    def read(self, name, step, samples, box):
        key = _key(name, step, samples, box)
        coming = self.coming.pop(key, None)
        return self.feeds.read(name, step, samples, box) if coming is None else coming.result()

    def prepare(self, step):
        self.coming = {
            _key(name, step, samples, box): self.thread.submit(self.feeds.read, name, step, samples, box)
            for name, samples, box in self.requests
        }


def _key(name, step, samples, box):
    return name, step, tuple(samples), tuple(box)
