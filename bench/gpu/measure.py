"""The PyTorch executor on one GPU. `bundles.ts` writes the FOLDER; where there is no GPU this says so and ends.

    python bench/gpu/measure.py FOLDER [exact | speed | scene]

exact:  drawn plans in float64 on the GPU against autograd and the reference, errors up to 1e-10.
speed:  a step against hand-written PyTorch with autograd, same precision and memory format; at least 1.0 times as fast.
        Once with sums in any order, which is PyTorch's default, and once the same in every run, which is the executor's.
        And the plan's peak against `max_memory_allocated` of a step; within 5 %.
scene:  an image of 10,000 pixels a side as a whole, 64 channels at the top, with no more than 16 GiB; at least 0.85 of
        the pixels a second of the same network on tiles that fit without margins; and its memory.
Ends with 1 where one of them is missed.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from torch_executor import executor  # noqa: E402
from torch_step import trainer  # noqa: E402
from unetc_torch.memory import cap, with_libraries, without_gaps  # noqa: E402

CAP = 16 * 2**30
ROUNDS, STEPS = 7, 5
#: In which gradients of weights are added up: as PyTorch likes, or as the executor has it unless it is told otherwise.
ORDERS = {False: "in any order", True: "the same in every run"}
#: By bundle: what is written by hand; network, channels, width, poolings, side, batch.
BY_HAND = {
    "coastline": ("unet", 3, 16, 3, 512, 4),
    "classic": ("unet", 1, 64, 4, 512, 1),
    "residual": ("residual", 3, 16, 4, 256, 8),
}


def plan_of(bundle):
    with open(os.path.join(bundle, "plan.json"), encoding="utf-8") as file:
        return json.load(file)


def seconds(step, count=STEPS):
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def exact(folder):
    check = os.path.join(HERE, "../../scripts/torch-executor-check.py")
    path = os.path.join(HERE, "../../runtime/torch")
    command = [sys.executable, check, f"{folder}/cases", "--device", "cuda", "--torchrun", "0"]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}).returncode == 0


def turns_of(bundle, sizes):
    """Seconds of a step of the executor and of one by hand, in turns, and bytes at the executor's peak."""
    theirs = trainer(*sizes, 1, "cuda")
    theirs(), theirs()
    gc.collect()
    torch.cuda.empty_cache()
    others = torch.cuda.memory_allocated()
    cap.set(torch.cuda.memory_reserved() + with_libraries(planned(bundle)))
    ours = executor(bundle, "cuda")
    ours(), ours()
    torch.cuda.reset_peak_memory_stats()
    ours()
    peak = torch.cuda.max_memory_allocated() - others
    cap.set(None)
    # In turns: a GPU whose clock drifts slows both.
    turns = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    return turns, peak


def speed(folder):
    well = True
    for name, sizes in BY_HAND.items():
        for same in (False, True):
            torch.backends.cudnn.deterministic = same
            turns, peak = turns_of(f"{folder}/{name}.plan", sizes)
            torch.cuda.empty_cache()
            ratio = statistics.median(other / own for own, other in turns)
            own, other = (statistics.median(column) * 1000 for column in zip(*turns))
            memory = peak / planned(f"{folder}/{name}.plan")
            print(
                f"{name}, sums {ORDERS[same]}: executor {own:.1f} ms, by hand {other:.1f} ms, ratio {ratio:.2f}; "
                f"memory measured / planned {memory:.3f}",
                flush=True,
            )
            well = well and ratio >= 1 and abs(memory - 1) <= 0.05
    return well


def planned(bundle):
    return max(role["peakBytes"] for role in plan_of(bundle)["roles"])


def rate_of(bundle, count):
    """Pixels a second, after a first step in which libraries choose."""
    image = next(one for one in plan_of(bundle)["model"]["inputs"] if one["source"]["from"] == "image")
    rows, columns = (axis["to"] - axis["from"] for axis in image["type"]["box"])
    step = executor(bundle, "cuda")
    step()
    return rows * columns / seconds(step, count)


def scene(folder):
    gc.collect()
    cap.set(CAP)
    well = True
    for same in (False, True):
        torch.backends.cudnn.deterministic = same
        tiles = {}
        for name in sorted(os.listdir(folder)):
            if name.startswith("tile-") and planned(f"{folder}/{name}") <= CAP:
                tiles[name] = rate_of(f"{folder}/{name}", STEPS)
                gc.collect()
                torch.cuda.empty_cache()
        print(", ".join(f"{name} {rate / 1e6:.2f}" for name, rate in tiles.items()), "million pixels a second")
        torch.cuda.reset_peak_memory_stats()
        whole = rate_of(f"{folder}/scene.plan", 1)
        memory = torch.cuda.max_memory_allocated() / planned(f"{folder}/scene.plan")
        torch.cuda.empty_cache()
        share = whole / max(tiles.values())
        print(
            f"the whole scene, sums {ORDERS[same]}: {whole / 1e6:.2f} million "
            f"pixels a second, {share:.3f} of the best tiles, within 16 GiB; memory measured / planned {memory:.3f}",
            flush=True,
        )
        well = well and share >= 0.85 and abs(memory - 1) <= 0.05
    return well


PARTS = {"exact": exact, "speed": speed, "scene": scene}


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if not torch.cuda.is_available():
        print("bench/gpu: skipped, PyTorch sees no GPU here")
        return
    without_gaps()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}")
    missed = []
    for name in sys.argv[2:] or PARTS:
        if not PARTS[name](sys.argv[1]):
            missed.append(name)
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


main()
