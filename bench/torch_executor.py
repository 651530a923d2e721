"""Training steps of the PyTorch executor, one rank, for `bench/torch_executor.ts`, on a drawn batch.

Reads lines: `BUNDLE THREADS` opens a bundle, `run N` takes N steps, each with one line as answer.
"""

import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../runtime/torch"))

from unetc_torch.bundle import open_bundle  # noqa: E402
from unetc_torch.device import Device  # noqa: E402
from unetc_torch.interpreter import run_step  # noqa: E402
from unetc_torch.local import LocalCommunicator, LocalPost  # noqa: E402
from unetc_torch.memory import keep_memory  # noqa: E402
from unetc_torch.ranks import seat_of  # noqa: E402

class Drawn:
    """The same drawn batch in every step."""

    def __init__(self, model):
        draw, batch = np.random.default_rng(1), model["training"]["batch"]
        self.arrays = {}
        for one in model["inputs"]:
            source, kind = one["source"], one["type"]
            if source["from"] in ("image", "target"):
                dims = [batch, kind["channels"], *(axis["to"] - axis["from"] for axis in kind["box"])]
                below = 256 if source["from"] == "image" else source.get("classes") or 2
                element = np.uint8 if kind["element"] == "u8" else np.float32
                self.arrays[one["name"]] = draw.integers(0, below, dims).astype(element)

    def read(self, name, step, samples, box):
        cells = tuple(slice(start, end) for start, end in box)
        return np.stack([self.arrays[name][(sample, slice(None)) + cells] for sample in samples])


def executor(folder, where="cpu"):
    bundle = open_bundle(folder)
    plan = bundle.plan
    communicator = LocalCommunicator(plan, seat_of(plan, 0), 0, LocalPost(60))
    device = Device(plan, bundle.origins, 0, communicator, Drawn(plan["model"]), where=where)
    state = {"step": 0}

    def step():
        run_step(device, state["step"])
        state["step"] += 1
        device.feeds.prepare(state["step"])

    return step


def main():
    keep_memory()
    step = None
    for line in sys.stdin:
        first, second = line.split()
        if first == "run":
            for _ in range(int(second)):
                step()
        else:
            torch.set_num_threads(int(second))
            step = executor(first)
        print("done", torch.__version__, flush=True)


if __name__ == "__main__":
    main()
