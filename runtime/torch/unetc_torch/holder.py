"""Buffers of a role, and where its tiles lie: what a device of a training and one that predicts have in common."""

import numpy as np
import torch

from .boxes import box_of, common
from .ranks import role_of, tile_at


def host_tensor(values, dtype, where):
    """Of an array: in memory of the node, from which a GPU fetches it while others compute."""
    made = torch.from_numpy(np.array(values)).to(dtype)
    return made.pin_memory() if where.type == "cuda" else made


class Holder:
    def __init__(self, plan, origins, seat, like):
        #: `like`: element type of all numbers, and what computes.
        self.plan, self.origins, self.like = plan, origins, like
        self.inputs = {one["name"]: one for one in plan["model"]["inputs"]}
        self.alive, self.step = {}, 0
        self.sit(seat)

    def sit(self, seat):
        self.seat, self.role = seat, role_of(self.plan, seat)
        self.buffers = {one["name"]: one for one in self.role["buffers"]}
        #: The instruction that is being carried out, by its index.
        self.at = (0, self.role["instructions"][0])

    def settle(self, name):
        """Waits for what a buffer is to get, if it is on its way."""

    def tensor(self, values, dtype=None):
        """Of an array, or of what `host_tensor` made of one."""
        where = self.like["device"]
        made = values if torch.is_tensor(values) else host_tensor(values, dtype or self.like["dtype"], where)
        return made.to(where, non_blocking=True)

    def like_of(self, name):
        element = self.buffers[name]["element"]
        return {**self.like, "dtype": torch.uint8} if element == "u8" else self.like

    def read(self, name):
        self.settle(name)
        if name not in self.alive:
            raise RuntimeError(f"buffer {name} of {self.role['name']} is read, but not alive")
        return self.alive[name]

    def write(self, name, value):
        self.settle(name)
        dims = self.buffers[name]["dims"]
        if list(value.shape) != dims:
            raise RuntimeError(f"buffer {name} of {self.role['name']} gets {list(value.shape)} instead of {dims}")
        self.alive[name] = value

    def box(self, name):
        return box_of(self.buffers[name].get("box"))

    def _tile(self, name):
        return tile_at(self.plan, self.seat.place, self.buffers[name].get("part"))

    def in_value(self, name, box):
        """Where cells of a buffer, in tile coordinates, lie in the whole value."""
        marks = self.origins.get(self.buffers[name]["value"], [])
        starts = [axis[index] for axis, index in zip(marks, self._tile(name))]
        return [(start + by, end + by) for (start, end), by in zip(box, starts)]

    def global_box(self, name):
        return self.in_value(name, self.box(name))

    def owned_box(self, name):
        """The cells of the value that the buffer's tile owns, in tile coordinates."""
        marks = self.origins[self.buffers[name]["value"]]
        return [(0, axis[index + 1] - axis[index]) for axis, index in zip(marks, self._tile(name))]

    def held_box(self, name):
        """Those of them that the buffer has."""
        return common(self.owned_box(name), self.box(name))

    def samples(self, micro):
        """Indices in the batch of the samples of one micro-batch of this replica."""
        count = self.plan["samples"]
        first = (self.seat.replica * self.plan["schedule"]["microBatches"] + micro) * count
        return range(first, first + count)


def words(one):
    """An instruction, for people."""
    what = next((one[key] for key in ("name", "segment", "into", "from", "buffers", "source") if key in one), "")
    what = what if isinstance(what, str) else " ".join(what[:3]) + (" ..." if len(what) > 3 else "")
    return f"{one['do']} {what}" + (f" #{one['micro']}" if "micro" in one else "")
