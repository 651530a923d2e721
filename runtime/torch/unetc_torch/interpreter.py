"""A step of a device: the instructions of its role, one after another."""

import sys

import torch

from .errors import RunFailed
from .holder import words
from .instructions import LOCAL
from .meetings import MEETINGS
from .memory import cap

INSTRUCTIONS = {**LOCAL, **MEETINGS}

#: Seconds that a wait may last.
TIMEOUT = 60


class InstructionError(RunFailed):
    """Names the instruction at which a device failed."""


def run_step(device, step, timeout=TIMEOUT):
    try:
        with torch.no_grad():
            device.begin_step(step)
            for index, one in enumerate(device.role["instructions"]):
                device.at = (index, one)
                _perform(device, index, one)
            device.finish_step(timeout)
        cap.lift()
    except Exception as error:
        raise _named(device, device.rank, f"step {step}", error) from error


def run_tile(device, rank, area, tile):
    """A tile of an area that is predicted; nothing meets in it."""
    try:
        with torch.no_grad():
            device.begin_tile(area, tile)
            for index, one in enumerate(device.role["instructions"]):
                device.at = (index, one)
                LOCAL[one["do"]](device, one)
    except Exception as error:
        raise _named(device, rank, f"area {area} of the validation, tile {tile}", error) from error


def _named(device, rank, doing, error):
    index, one = device.at
    where = f"rank {rank} ({device.role['name']}), {doing}, instruction {index}, {words(one)}"
    return InstructionError(f"{where}: {error}")


def _perform(device, index, one):
    if device.keeps_gradients and one["do"] in ("clip", "rate") and not device.gradients:
        device.gradients = _gradients(device)
    device.waits = []
    began = device.clock.mark()
    if not _fits(device, one):
        print(f"unetc_torch: {words(one)}: the GPU's memory is taken beyond the plan", file=sys.stderr, flush=True)
        INSTRUCTIONS[one["do"]](device, one)
    device.profile.did(index, one, began, device.waits)


def _fits(device, one):
    """Carries it out; False where it can begin again, and may now take more.

    What a device computes alone writes nothing before its end. What a try made is let go when this returns.
    """
    try:
        INSTRUCTIONS[one["do"]](device, one)
        return True
    except torch.cuda.OutOfMemoryError:
        if one["do"] not in LOCAL or not cap.lift():
            raise
    return False


def _gradients(device):
    """Those that are complete before the first clip or update; lowering names them after their parameters."""
    by_value = {f"{one['name']}~grad": one["name"] for one in device.plan["model"]["parameters"]}
    names = [name for name, one in device.buffers.items() if one["value"] in by_value]
    held = [name for name in names if name in device.alive or name in device.pending]
    return {by_value[device.buffers[name]["value"]]: device.read(name).clone() for name in held}
