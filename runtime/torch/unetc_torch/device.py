"""One device of a training: what it holds, what is on its way to it, and what it has to report."""

import numpy as np
import torch

from .ahead import Ahead
from .clock import clock_of
from .draw import initial_weights
from .errors import Refusal
from .graph import Segment
from .holder import Holder, words
from .memory import cap
from .messages import named, stages_met
from .profile import NoProfile
from .ranks import seat_of

DTYPES = {"f32": torch.float32, "f64": torch.float64}


class Pending:
    """Values that are on their way: the instruction that asked for them, and how they are made of what comes."""

    def __init__(self, names, arriving, make, at, began):
        self.names, self.arriving, self.make, self.at, self.began = names, arriving, make, at, began


def _made(pending):
    try:
        return pending.make(pending.arriving.wait())
    except torch.cuda.OutOfMemoryError:
        if not cap.lift():
            raise
    return pending.make(pending.arriving.wait())


class Device(Holder):
    def __init__(self, plan, origins, rank, communicator, feeds, dtype="f32", weights=None, where="cpu"):
        if plan["purpose"] != "train":
            raise Refusal(f"plan {plan['name']} predicts: it is carried out beside a training, by --validation")
        super().__init__(plan, origins, seat_of(plan, rank), {"dtype": DTYPES[dtype], "device": torch.device(where)})
        self.rank, self.communicator = rank, communicator
        self.clock, self.profile = clock_of(self.like["device"]), NoProfile()
        self.segments = {one["name"]: Segment(one) for one in self.role["segments"]}
        self.feeds = Ahead(feeds, self._requests(), self.like["device"])
        self.expected = {stage: self._empties(stage) for stage in stages_met(self.role, "receive")}
        self.pending = {}
        #: Marks before and after this instruction stood still, and what the stream has to reach.
        self.waits, self.reached = [], []
        #: For who compares: those of the last step stay.
        self.keeps_gradients = False
        self.loss, self.gradients, self.confusion = None, {}, {}
        self._start(weights or {})

    def _requests(self):
        """What the loads of a step read, and of which type it is to be."""
        loads = [one for one in self.role["instructions"] if one["do"] == "load"]
        return [
            (one["source"], self.samples(one["micro"]), self.global_box(one["into"]), self.like_of(one["into"])["dtype"])
            for one in loads
        ]

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

    def later(self, names, arriving, make):
        """The buffers get what `make` makes of what arrives: when one of them is needed, and not before."""
        for name in names:
            self.settle(name)
        one = Pending(names, arriving, make, self.at, self.clock.mark())
        self.pending.update({name: one for name in names})

    def settle(self, name):
        one = self.pending.get(name)
        if one is None:
            return
        for other in one.names:
            del self.pending[other]
        before = self.clock.mark()
        try:
            values = _made(one)
        except Exception as error:
            raise RuntimeError(f"waiting for instruction {one.at[0]}, {words(one.at[1])}: {error}") from error
        after = self.clock.mark()
        self.waits.append((before, after))
        self.reached.append((one.at, after))
        self.profile.came(*one.at, one.began, before, after)
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
