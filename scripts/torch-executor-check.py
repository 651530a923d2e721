"""Runs the cases of `torch-executor-check.ts` with the PyTorch executor, in float64, on the CPU or with `--device cuda`.

    python3 -m venv /tmp/torch-check && /tmp/torch-check/bin/pip install torch==2.13.0 numpy
    npx tsx scripts/torch-executor-check.ts FOLDER && PYTHONPATH=runtime/torch python scripts/torch-executor-check.py FOLDER

All ranks of a case are threads of this process; of the cases with 2 to 4 ranks, `--torchrun N` (3) run once more as
processes under torchrun with Gloo. Loss, gradients, and weights and states after the step are compared with the
float64 reference, loss and gradients with PyTorch's autograd on the plain network. Weights and masks must be equal bit by bit.
Ends with 1 where an error is above 1e-10.
"""

import argparse
import importlib.util
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading

import numpy as np
import torch

from unetc_torch.bundle import open_bundle
from unetc_torch.device import Device
from unetc_torch.draw import corner_shares, dropout_mask, initial_weights
from unetc_torch.feeds import Feeds
from unetc_torch.interpreter import run_step
from unetc_torch.local import LocalCommunicator, LocalPost
from unetc_torch.ranks import rank_count, seat_of

LIMIT = 1e-10
HERE = os.path.dirname(os.path.abspath(__file__))
_spec = importlib.util.spec_from_file_location("torch_check", os.path.join(HERE, "torch-check.py"))
torch_check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(torch_check)


def error_of(found, truth):
    """As `unetc verify` defines it: the difference's norm over the gradient's, or a thousandth of all gradients'."""
    everything = np.sqrt(sum(np.square(right).sum() for right in truth.values()))
    worst = 0.0
    for name, right in truth.items():
        difference = np.linalg.norm(found[name].reshape(-1) - right)
        if difference != 0:
            worst = max(worst, difference / max(np.linalg.norm(right), 1e-3 * everything))
    return worst


def loss_error(found, right):
    return abs(found - right) / max(1, abs(right))


def agree(kind, parts):
    """One dictionary of what all ranks hold; those that hold the same must hold it bit by bit."""
    whole = {}
    for part in parts:
        for name, value in part.items():
            if name in whole and not np.array_equal(whole[name], value):
                raise SystemExit(f"ranks disagree on {kind} {name}")
            whole[name] = value
    return whole


def run_threads(plan, origins, feeds, weights, where):
    post = LocalPost(60)
    devices = [
        Device(plan, origins, rank, LocalCommunicator(plan, seat_of(plan, rank), rank, post), feeds, "f64", weights, where)
        for rank in range(rank_count(plan))
    ]
    for device in devices:
        device.keeps_gradients = True
    failures = []

    def work(device):
        try:
            run_step(device, 0)
        except Exception as failure:
            failures.append(failure)
            post.fail()

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    left = [address for address, letters in post.letters.items() if letters]
    if left:
        raise SystemExit(f"nobody takes {left}")
    losses = {device.loss for device in devices if device.loss is not None}
    if len(losses) != 1:
        raise SystemExit(f"devices report the losses {losses}")
    gradients = agree("gradient", [{k: v.cpu().numpy() for k, v in one.gradients.items()} for one in devices])
    buffers = [one["buffer"] for one in plan["states"]]
    states = agree(
        "state", [{name: one.alive[name].cpu().numpy() for name in buffers if name in one.alive} for one in devices]
    )
    return losses.pop(), gradients, states


def tensors_file(path, tensors):
    header, body = {}, b""
    for name, values in tensors.items():
        data = np.ascontiguousarray(values, "<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": values.shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def run_torchrun(folder, plan, weights):
    world = rank_count(plan)
    with tempfile.TemporaryDirectory() as own:
        tensors_file(f"{own}/weights.safetensors", weights)
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(world), "-m"]
        command = [sys.executable, "-m", *(launcher if world > 1 else []), "unetc_torch", folder]
        command += ["--feeds", f"{folder}/feeds", "--init", f"{own}/weights.safetensors"]
        command += ["--steps", "1", "--dtype", "f64", "--dump", f"{own}/out.npz", "--timeout", "60"]
        subprocess.run(command, check=True, timeout=180, stdout=subprocess.DEVNULL)
        names = ["out.npz"] if world == 1 else [f"out.{rank}.npz" for rank in range(world)]
        parts = [dict(np.load(f"{own}/{name}", allow_pickle=False)) for name in names]
    losses = {part["loss"][0] for part in parts if not np.isnan(part["loss"][0])}
    if len(losses) != 1:
        raise SystemExit(f"ranks report the losses {losses}")
    pick = lambda part, kind: {k[len(kind) :]: v for k, v in part.items() if k.startswith(kind)}
    gradients = agree("gradient", [pick(part, "gradient/") for part in parts])
    return losses.pop(), gradients, agree("state", [pick(part, "state/") for part in parts])


def drawn_input(one, seed, sample):
    source, extents = one["source"], [axis["to"] for axis in one["type"]["box"]]
    box = [(0, size) for size in extents]
    if source["from"] == "corners":
        return corner_shares(source, extents, box)
    return dropout_mask(source, one["type"]["channels"], extents, box, seed, 0, sample)


def autograd(plan, feeds, weights):
    """Loss and gradients of the plain network, differentiated by PyTorch."""
    model, batch = plan["model"], plan["model"]["training"]["batch"]
    seed = model["training"]["seed"]
    values = {}
    for one in model["inputs"]:
        kind = one["source"]["from"]
        if kind in ("mask", "corners"):
            parts = [drawn_input(one, seed, sample) for sample in range(batch)]
            values[one["name"]] = torch.tensor(np.stack(parts), dtype=torch.float64)
        elif kind != "count":
            values[one["name"]] = torch.tensor(np.array(feeds.arrays[one["name"]]), dtype=torch.float64)
    for one in model["inputs"]:
        if one["source"]["from"] == "count":
            values[one["name"]] = plain_count(model, one["source"], values)
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    values.update(parameters)
    for op in model["ops"]:
        if op["kind"] not in ("classify", "running_share"):
            operands = [values[name] for name in op["inputs"]]
            values[op["output"]] = plain_op(op, operands)
    loss = values[model["loss"]]
    used = [name for name in parameters if any(name in op["inputs"] for op in model["ops"])]
    gradients = torch.autograd.grad(loss, [parameters[name] for name in used], allow_unused=True)
    found = {
        name: np.zeros(weights[name].shape) if one is None else one.numpy() for name, one in zip(used, gradients)
    }
    return loss.item(), found


def plain_count(model, source, values):
    target = next(one for one in model["inputs"] if one["name"] == source["target"])
    labels = values[source["target"]]
    classes = target["source"].get("classes")
    if classes is None:
        return torch.tensor(float(labels.numel() // labels.shape[1] * source["channels"]))
    weights = torch.tensor(source["weights"] or [1.0] * classes, dtype=torch.float64)
    return weights[labels[labels < classes].long()].sum() * source["channels"]


def plain_op(op, operands):
    attrs = op["attrs"]
    if op["kind"] == "focal" and not attrs["weights"]:
        attrs = {**attrs, "weights": [1.0] * operands[0].shape[1]}
    if len(operands) == 2 and op["kind"] in ("conv", "up_conv", "linear"):
        operands = [*operands, None]
    if op["kind"] == "scale_shift" and len(operands) == 2:
        operands = [*operands, torch.zeros_like(operands[1])]
    return torch_check.FORWARD[op["kind"]](attrs, *operands)


def check_draws(plan, truth):
    """Weights and masks bit by bit; how many arrays."""
    seed = plan["model"]["training"]["seed"]
    for one in plan["model"]["parameters"]:
        if not np.array_equal(initial_weights(one, seed).reshape(-1), np.float32(truth["initial"][one["name"]])):
            raise SystemExit(f"first weights of {one['name']} differ")
    inputs = {one["name"]: one for one in plan["model"]["inputs"]}
    for name, right in truth["drawn"].items():
        if not np.array_equal(drawn_input(inputs[name], seed, 0).reshape(-1), np.array(right)):
            raise SystemExit(f"drawn input {name} differs")
    return len(truth["initial"]) + len(truth["drawn"])


class Report:
    def __init__(self):
        self.lines, self.failed = {}, 0

    def add(self, what, case, loss, gradient):
        count, worst = self.lines.get(what, (0, 0.0))
        self.lines[what] = (count + 1, max(worst, loss, gradient))
        if not (loss <= LIMIT and gradient <= LIMIT):
            self.failed += 1
            print(f"FAILED {what}, case {case}: loss off by {loss:.1e}, gradients by {gradient:.1e}")


def compare(report, what, case, result, truth):
    loss, gradients, states = result
    right = {name: np.array(values) for name, values in truth["gradients"].items()}
    error = error_of(gradients, right)
    for name, values in truth["states"].items():
        difference = np.linalg.norm(states[name].reshape(-1) - np.array(values))
        error = max(error, difference / max(1, np.linalg.norm(values)))
    report.add(what, case, loss_error(loss, truth["loss"]), error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--torchrun", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cuda: the executor computes there, autograd on the CPU")
    given = parser.parse_args()
    torch.set_num_threads(1)
    report, draws, launched, kinds, undefined = Report(), 0, 0, set(), 0
    for case in sorted(os.listdir(given.folder)):
        folder = os.path.join(given.folder, case)
        bundle = open_bundle(folder)
        plan, origins = bundle.plan, bundle.origins
        with open(f"{folder}/truth.json", encoding="utf-8") as file:
            truth = json.load(file)
        shapes = {one["name"]: one["dims"] for one in plan["model"]["parameters"]}
        weights = {name: np.array(values).reshape(shapes[name]) for name, values in truth["weights"].items()}
        feeds = Feeds(f"{folder}/feeds", plan["model"])
        draws += check_draws(plan, truth)
        try:
            result = run_threads(plan, origins, feeds, weights, given.device)
        except Exception as failure:
            report.failed += 1
            print(f"FAILED case {case}: {failure}")
            continue
        compare(report, "executor against the reference", case, result, truth)
        loss, gradients = autograd(plan, feeds, weights)
        if np.isfinite(loss) and all(np.isfinite(one).all() for one in gradients.values()):
            errors = loss_error(result[0], loss), error_of(
                result[1], {name: one.reshape(-1) for name, one in gradients.items()}
            )
            report.add("executor against autograd", case, *errors)
        else:
            undefined += 1
        if launched < given.torchrun and 2 <= rank_count(plan) <= 4:
            launched += 1
            compare(report, "torchrun and Gloo against the reference", case, run_torchrun(folder, plan, weights), truth)
        for role in plan["roles"]:
            kinds |= {one["do"] for one in role["instructions"]}
    for what, (count, worst) in report.lines.items():
        print(f"{what}: {count} cases, largest error {worst:.1e}")
    print(f"{draws} drawn arrays equal bit by bit; {undefined} networks that divide by no label are not given to autograd")
    print(f"instructions met: {' '.join(sorted(kinds))}")
    if report.failed:
        raise SystemExit(f"{report.failed} failed")


if __name__ == "__main__":
    main()
