"""Pixels and labels: `INPUT.npy` in a folder, `[samples, channels, ...extents]`, as many batches as it holds."""

import os

import numpy as np

from .errors import Refusal


class FeedError(Refusal):
    """What is wrong with a feed."""


def open_array(path):
    """An NPY file of which only the parts that are asked for are read."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FeedError(f"{path} cannot be read: {error}") from None


class Feeds:
    def __init__(self, folder, model):
        self.batch = model["training"]["batch"]
        self.arrays = {}
        for source in model["inputs"]:
            if source["source"]["from"] in ("image", "target"):
                self.arrays[source["name"]] = self._open(folder, source)

    def _open(self, folder, source):
        path = os.path.join(folder, f"{source['name']}.npy")
        array = open_array(path)
        expected = (source["type"]["channels"], *(one["to"] - one["from"] for one in source["type"]["box"]))
        if array.shape[1:] != expected or array.shape[0] % self.batch or array.shape[0] == 0:
            raise FeedError(f"{path} is {array.shape}, not batches of {self.batch} times {expected}")
        return array

    def read(self, name, step, samples, box):
        """The cells `box` of the given samples of the step's batch; nothing else is read."""
        array = self.arrays[name]
        first = step % (array.shape[0] // self.batch) * self.batch
        cells = tuple(slice(start, end) for start, end in box)
        return np.stack([array[(first + sample, slice(None)) + cells] for sample in samples])
