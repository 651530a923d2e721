"""Seconds of a training step: the PyTorch executor of plans against hand-written PyTorch, in one process.

    python bench/torch_executor.py ROUNDS BUNDLE NETWORK CHANNELS WIDTH POOLINGS SIDE BATCH THREADS [--profile]

`bench/torch_executor.ts` compiles the bundles and calls it. The two take turns, two steps each, on batches of the same
size. Prints one line of JSON: seconds by the clock and of the processor, of each round. With --profile the executor's
time by op instead.
"""

import json
import os
import sys
import time

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../runtime/torch"))

from torch_step import trainer  # noqa: E402
from unetc_torch.bundle import open_bundle  # noqa: E402
from unetc_torch.device import Device  # noqa: E402
from unetc_torch.interpreter import run_step  # noqa: E402
from unetc_torch.local import LocalCommunicator, LocalPost  # noqa: E402
from unetc_torch.ranks import seat_of  # noqa: E402

STEPS = 2


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


def executor(folder):
    bundle = open_bundle(folder)
    plan = bundle.plan
    communicator = LocalCommunicator(plan, seat_of(plan, 0), 0, LocalPost(60))
    device = Device(plan, bundle.origins, 0, communicator, Drawn(plan["model"]))
    state = {"step": 0}

    def step():
        run_step(device, state["step"])
        state["step"] += 1
        device.feeds.prepare(state["step"])

    return step


def timed(step):
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        step()
    return [(time.perf_counter() - clock) / STEPS, (time.process_time() - processor) / STEPS]


def profile(step):
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    step()
    with profiled(activities=[ProfilerActivity.CPU]) as found:
        step()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40))


def main():
    rounds, folder, network, *sizes = [word for word in sys.argv[1:] if word != "--profile"]
    theirs = trainer(network, *map(int, sizes))
    ours = executor(folder)
    if "--profile" in sys.argv:
        profile(ours)
        profile(theirs)
        return
    ours(), theirs()
    taken = {"ours": [], "theirs": []}
    for _ in range(int(rounds)):
        taken["ours"].append(timed(ours))
        taken["theirs"].append(timed(theirs))
    print(json.dumps({**taken, "version": torch.__version__}))


main()
