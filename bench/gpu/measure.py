"""The PyTorch executor on one GPU. `bundles.ts` writes the FOLDER; where there is no GPU this says so and ends.

    python bench/gpu/measure.py FOLDER [exact | speed | memory | scene]

exact:  drawn plans in float64 on the GPU against autograd and the reference, errors up to 1e-10.
speed:  a step against hand-written PyTorch with autograd, same precision and memory format; at least 1.0 times as fast.
memory: `max_memory_allocated` of a step against the plan's peak; within 5 %.
scene:  an image of 10,000 pixels a side as a whole, 64 channels at the top, with no more than 16 GiB; at least 0.85 of
        the pixels a second of the same network on tiles that fit without margins.
Ends with 1 where one of them is missed.
"""

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

CAP = 16 * 2**30
ROUNDS, STEPS = 7, 5
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


def speed(folder):
    ratios = {}
    for name, sizes in BY_HAND.items():
        ours = executor(f"{folder}/{name}.plan", "cuda")
        theirs = trainer(*sizes, 1, "cuda")
        ours(), theirs()
        # In turns: a GPU whose clock drifts slows both.
        turns = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
        ratios[name] = statistics.median(other / own for own, other in turns)
        own, other = (statistics.median(column) for column in zip(*turns))
        print(f"{name}: executor {own * 1000:.1f} ms, by hand {other * 1000:.1f} ms, ratio {ratios[name]:.2f}")
    return min(ratios.values()) >= 1.0


def peak_of(bundle):
    """Bytes of the second step, when libraries have what they keep."""
    step = executor(bundle, "cuda")
    step()
    torch.cuda.reset_peak_memory_stats()
    step()
    return torch.cuda.max_memory_allocated()


def memory(folder):
    well = True
    for name in [*BY_HAND, "scene"]:
        bundle = f"{folder}/{name}.plan"
        predicted = max(role["peakBytes"] for role in plan_of(bundle)["roles"])
        torch.cuda.empty_cache()
        ratio = peak_of(bundle) / predicted
        print(f"{name}: predicted {predicted / 2**20:.0f} MiB, measured / predicted {ratio:.3f}")
        well = well and abs(ratio - 1) <= 0.05
    return well


def rate_of(bundle, count):
    """Pixels a second."""
    plan = plan_of(bundle)
    image = next(one for one in plan["model"]["inputs"] if one["source"]["from"] == "image")
    rows, columns = (axis["to"] - axis["from"] for axis in image["type"]["box"])
    step = executor(bundle, "cuda")
    step()
    return rows * columns / seconds(step, count)


def scene(folder):
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, CAP / total))
    tiles = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("tile-") and max(role["peakBytes"] for role in plan_of(f"{folder}/{name}")["roles"]) <= CAP:
            tiles[name] = rate_of(f"{folder}/{name}", STEPS)
            print(f"{name}: {tiles[name] / 1e6:.2f} million pixels a second")
            torch.cuda.empty_cache()
    whole = rate_of(f"{folder}/scene.plan", 1)
    share = whole / max(tiles.values())
    print(f"the whole scene: {whole / 1e6:.2f} million pixels a second, {share:.2f} of the best tiles, within 16 GiB")
    return share >= 0.85


PARTS = {"exact": exact, "speed": speed, "memory": memory, "scene": scene}


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if not torch.cuda.is_available():
        print("bench/gpu: skipped, PyTorch sees no GPU here")
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}")
    missed = []
    for name in sys.argv[2:] or PARTS:
        if not PARTS[name](sys.argv[1]):
            missed.append(name)
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


main()
