"""One device of a plan: its role, its buffers, where its tiles lie, and what it has to report."""

import numpy as np
import torch

from .ahead import Ahead
from .boxes import box_of
from .clock import clock_of
from .draw import initial_weights
from .errors import Refusal
from .graph import Segment
from .messages import named, stages_met
from .profile import NoProfile
from .ranks import role_of, seat_of, tile_at

DTYPES = {"f32": torch.float32, "f64": torch.float64}


class Pending:
    """Values that are on their way: the instruction that asked for them, and how they are made of what comes."""

    def __init__(self, names, arriving, make, at, began):
        self.names, self.arriving, self.make, self.at, self.began = names, arriving, make, at, began


class Device:
    def __init__(self, plan, origins, rank, communicator, feeds, dtype="f32", weights=None, where="cpu"):
        if plan["purpose"] != "train":
            raise Refusal(f"plan {plan['name']} predicts: this executor carries out trainings only, so far")
        self.plan, self.origins, self.communicator = plan, origins, communicator
        self.rank, self.seat = rank, seat_of(plan, rank)
        self.role = role_of(plan, self.seat)
        self.like = {"dtype": DTYPES[dtype], "device": torch.device(where)}
        self.clock, self.profile = clock_of(self.like["device"]), NoProfile()
        self.buffers = {one["name"]: one for one in self.role["buffers"]}
        self.inputs = {one["name"]: one for one in plan["model"]["inputs"]}
        used = {one["segment"] for one in self.role["instructions"] if one["do"] == "run"}
        self.segments = {one["name"]: Segment(one) for one in plan["segments"] if one["name"] in used}
        self.feeds = Ahead(feeds, self._requests())
        self.expected = {stage: self._empties(stage) for stage in stages_met(self.role, "receive")}
        self.alive, self.pending = {}, {}
        #: The instruction that is being carried out, by its index.
        self.at = (0, self.role["instructions"][0])
        #: Marks before and after this instruction stood still, and what the stream has to reach.
        self.waits, self.reached = [], []
        #: For who compares: those of the last step stay.
        self.keeps_gradients = False
        self.step, self.loss, self.gradients, self.confusion = 0, None, {}, {}
        self._start(weights or {})

    def _requests(self):
        """What the loads of a step read."""
        loads = [one for one in self.role["instructions"] if one["do"] == "load"]
        return [(one["source"], self.samples(one["micro"]), self.global_box(one["into"])) for one in loads]

    def _empties(self, stage):
        """Makers of empty tensors for what comes from a stage."""
        receives = [one for one in self.role["instructions"] if one["do"] == "receive" and one["stage"] == stage]
        return {named(one): lambda name=one["into"]: self.empty(name) for one in receives}

    def empty(self, name):
        return torch.empty(self.buffers[name]["dims"], **self.like_of(name))

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

    def tensor(self, values, dtype=None):
        made = torch.from_numpy(np.array(values)).to(dtype or self.like["dtype"])
        if self.like["device"].type == "cuda":
            return made.pin_memory().to(self.like["device"], non_blocking=True)
        return made

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

    def later(self, names, arriving, make):
        """The buffers get what `make` makes of what arrives: when one of them is needed, and not before."""
        for name in names:
            self.settle(name)
        one = Pending(names, arriving, make, self.at, self.clock.mark())
        self.pending.update({name: one for name in names})

    def settle(self, name):
        """Waits for what a buffer is to get, if it is on its way."""
        one = self.pending.get(name)
        if one is None:
            return
        for other in one.names:
            del self.pending[other]
        before = self.clock.mark()
        try:
            values = one.make(one.arriving.wait())
        except Exception as error:
            raise RuntimeError(f"waiting for instruction {one.at[0]}, {words(one.at[1])}: {error}") from error
        after = self.clock.mark()
        self.waits.append((before, after))
        self.reached.append((one.at, after))
        self.profile.came(*one.at, one.began)
        for other, value in zip(one.names, values):
            self.write(other, value)

    def begin_step(self, step):
        self.step, self.loss, self.gradients, self.confusion = step, None, {}, {}
        self.reached = []
        self.profile.begin(step)
        self.communicator.begin_step(self.expected)

    def finish_step(self, timeout):
        """All that comes has come, all that leaves has left; a GPU has done its work."""
        for name in list(self.pending):
            self.settle(name)
        self.communicator.finish_step()
        self.profile.close()
        for at, mark in [*self.reached, (self.at, self.clock.mark())]:
            if not self.clock.wait(mark, timeout):
                raise TimeoutError(f"the GPU has not passed instruction {at[0]}, {words(at[1])}, for {timeout} s")
        self.profile.end()
        self.loss = None if self.loss is None else self.loss.item()

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


def words(one):
    """An instruction, for people."""
    what = next((one[key] for key in ("name", "segment", "into", "from", "buffers", "source") if key in one), "")
    what = what if isinstance(what, str) else " ".join(what[:3]) + (" ..." if len(what) > 3 else "")
    return f"{one['do']} {what}" + (f" #{one['micro']}" if "micro" in one else "")
