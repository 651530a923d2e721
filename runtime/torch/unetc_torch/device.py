"""One device of a plan: its role, its buffers, where its tiles lie, and what it has to report."""

import numpy as np
import torch

from .boxes import box_of
from .draw import initial_weights
from .graph import Segment
from .ranks import role_of, seat_of, tile_at

DTYPES = {"f32": torch.float32, "f64": torch.float64}


class Device:
    def __init__(self, plan, origins, rank, communicator, feeds, dtype="f32", weights=None):
        if plan["purpose"] != "train":
            raise ValueError(f"plan {plan['name']} predicts: this executor carries out trainings only, so far")
        self.plan, self.origins, self.communicator, self.feeds = plan, origins, communicator, feeds
        self.rank, self.seat = rank, seat_of(plan, rank)
        self.role = role_of(plan, self.seat)
        self.like = {"dtype": DTYPES[dtype], "device": torch.device("cpu")}
        self.buffers = {one["name"]: one for one in self.role["buffers"]}
        self.inputs = {one["name"]: one for one in plan["model"]["inputs"]}
        used = {one["segment"] for one in self.role["instructions"] if one["do"] == "run"}
        self.segments = {one["name"]: Segment(one) for one in plan["segments"] if one["name"] in used}
        self.alive = {}
        #: For who compares: those of the last step stay.
        self.keeps_gradients = False
        self.step, self.loss, self.gradients, self.confusion = 0, None, {}, {}
        self._start(weights or {})

    def _start(self, weights):
        """States before the first step: given or drawn weights, and 0 for what the optimizer keeps."""
        parameters = {one["name"]: one for one in self.plan["model"]["parameters"]}
        for state in self.plan["states"]:
            if state["buffer"] not in self.buffers:
                continue
            parameter = parameters[state["parameter"]]
            values = np.zeros(parameter["dims"])
            if state["slot"] == "weight":
                given = weights.get(parameter["name"])
                values = initial_weights(parameter, self.plan["model"]["training"]["seed"]) if given is None else given
            self.write(state["buffer"], self.tensor(values))

    @property
    def numpy_type(self):
        return np.float64 if self.like["dtype"] == torch.float64 else np.float32

    def blank(self, state):
        """An array of the shape and type of a state."""
        dims = next(one["dims"] for one in self.plan["model"]["parameters"] if one["name"] == state["parameter"])
        return np.zeros(dims, self.numpy_type)

    def tensor(self, values):
        return torch.from_numpy(np.array(values)).to(self.like["dtype"])

    def like_of(self, name):
        element = self.buffers[name]["element"]
        return {**self.like, "dtype": torch.uint8} if element == "u8" else self.like

    def read(self, name):
        if name not in self.alive:
            raise RuntimeError(f"buffer {name} of {self.role['name']} on rank {self.rank} is read, but not alive")
        return self.alive[name]

    def write(self, name, value):
        dims = self.buffers[name]["dims"]
        if list(value.shape) != dims:
            raise RuntimeError(f"buffer {name} of {self.role['name']} gets {list(value.shape)} instead of {dims}")
        self.alive[name] = value

    def box(self, name):
        return box_of(self.buffers[name].get("box"))

    def _tile(self, name):
        return tile_at(self.plan, self.seat.place, self.buffers[name].get("part"))

    def global_box(self, name):
        """Where the cells of a buffer lie in the whole value."""
        marks = self.origins.get(self.buffers[name]["value"], [])
        starts = [axis[index] for axis, index in zip(marks, self._tile(name))]
        return [(start + by, end + by) for (start, end), by in zip(self.box(name), starts)]

    def owned_box(self, name):
        """The cells of the value that the buffer's tile owns, in tile coordinates."""
        marks = self.origins[self.buffers[name]["value"]]
        return [(0, axis[index + 1] - axis[index]) for axis, index in zip(marks, self._tile(name))]

    def samples(self, micro):
        """Indices in the batch of the samples of one micro-batch of this replica."""
        count = self.plan["samples"]
        first = (self.seat.replica * self.plan["schedule"]["microBatches"] + micro) * count
        return range(first, first + count)
