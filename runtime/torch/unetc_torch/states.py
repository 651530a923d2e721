"""Weights and optimizer states between devices and checkpoints. Every device of a stage holds the same."""

import numpy as np

from .checkpoint import state_name
from .errors import Refusal
from .ranks import Seat, rank_of, role_of, stages_of


def fitting(states, shapes, tensors, file):
    """The arrays of the states in a file by their names. Raises Refusal, which lists all that is wrong."""
    found, problems = {}, []
    for state in states:
        name, dims = state_name(state), shapes[state["parameter"]]
        array = tensors.get(name)
        if array is None:
            problems.append(f"{name} is missing")
        elif list(array.shape) != list(dims):
            problems.append(f"{name} is {list(array.shape)}, not {list(dims)}")
        elif array.dtype.kind != "f":
            problems.append(f"{name} is {array.dtype}, no floats")
        elif not np.isfinite(array).all():
            problems.append(f"{name} holds values that are not finite")
        else:
            found[name] = array
    if problems:
        raise Refusal(f"{file} does not fit the network: {'; '.join(problems)}")
    return found


def gather(device, control):
    """On rank 0 all states of the plan by their names in a checkpoint; they live with the stages."""
    plan, found = device.plan, {}
    for stage in range(stages_of(plan)):
        source = Seat(0, stage, tuple(0 for _ in plan["axes"]))
        rank = rank_of(plan, source)
        if control.rank not in (0, rank):
            continue
        for state in (plan["states"][index] for index in role_of(plan, source)["states"]):
            own = state["buffer"] in device.buffers
            array = device.read(state["buffer"]).cpu().numpy() if own else device.blank(state)
            found[state_name(state)] = control.collect(array, rank)
    return {name: found[name] for name in map(state_name, plan["states"]) if name in found}


def spread(device, control, arrays):
    """Gives every device its states of those that rank 0 has."""
    for state in device.plan["states"]:
        array = arrays[state_name(state)] if control.rank == 0 else device.blank(state)
        array = control.broadcast(array.astype(device.numpy_type))
        if state["buffer"] in device.buffers:
            device.write(state["buffer"], device.tensor(array))


def weights_everywhere(device, control, arrays):
    """All weights by their parameters, on every device: its own, and those of other stages, which rank 0 has."""
    plan, found = device.plan, {}
    states = [one for one in plan["states"] if one["slot"] == "weight"]
    if stages_of(plan) == 1:
        return {one["parameter"]: device.read(one["buffer"]) for one in states}
    for state in states:
        array = arrays[state_name(state)] if control.rank == 0 else device.blank(state)
        array = control.broadcast(array)
        own = state["buffer"] in device.buffers
        found[state["parameter"]] = device.read(state["buffer"]) if own else device.tensor(array)
    return found


def first_not_finite(arrays):
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
