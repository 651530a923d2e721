"""A GPU on which an instruction finds too little memory at first; no GPU is needed. Prints what was tried."""

import types
import weakref

import torch

from unetc_torch import interpreter
from unetc_torch.memory import cap

torch.cuda.mem_get_info = lambda: (0, 100)
torch.cuda.set_per_process_memory_fraction = lambda share: shares.append(share)
shares, tries, made = [], [], None


def hungry(device, one):
    """Fails while there is not all of the memory, as what it has made is held."""
    global made
    tries.append(one["do"])
    if shares[-1] == 1:
        assert made() is None, "what the first try made is still there"
        return
    tensor = torch.zeros(1)
    made = weakref.ref(tensor)
    raise torch.cuda.OutOfMemoryError("too little")


class Device(types.SimpleNamespace):
    keeps_gradients = False
    clock = types.SimpleNamespace(mark=lambda: 0)
    profile = types.SimpleNamespace(did=lambda *_: None)


def perform(do, most, lasts):
    tries.clear()
    cap.set(most, lasts)
    interpreter.INSTRUCTIONS[do] = hungry
    try:
        interpreter._perform(Device(), 0, {"do": do})
    except torch.cuda.OutOfMemoryError:
        tries.append("failed")
    print(lasts, *tries)


perform("run", 50, "first step")
perform("run", 50, "for good")
perform("exchange", 50, "first step")
