"""A step of a device: the instructions of its role, one after another."""

import torch

from .errors import RunFailed
from .instructions import LOCAL
from .meetings import MEETINGS

INSTRUCTIONS = {**LOCAL, **MEETINGS}


class InstructionError(RunFailed):
    """Names the instruction at which a device failed."""


def run_step(device, step):
    device.step, device.loss, device.gradients, device.confusion = step, None, {}, {}
    with torch.no_grad():
        for index, one in enumerate(device.role["instructions"]):
            if device.keeps_gradients and one["do"] in ("clip", "rate") and not device.gradients:
                device.gradients = _gradients(device)
            try:
                INSTRUCTIONS[one["do"]](device, one)
            except Exception as error:
                where = f"rank {device.rank} ({device.role['name']}), step {step}, instruction {index}, {one['do']}"
                raise InstructionError(f"{where}: {error}") from error
        device.communicator.finish_step()


def _gradients(device):
    """Those that are complete before the first clip or update; lowering names them after their parameters."""
    by_value = {f"{one['name']}~grad": one["name"] for one in device.plan["model"]["parameters"]}
    return {
        by_value[device.buffers[name]["value"]]: value.clone()
        for name, value in device.alive.items()
        if device.buffers[name]["value"] in by_value
    }
