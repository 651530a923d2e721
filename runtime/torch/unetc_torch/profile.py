"""Time lines of the last steps, in the words of the simulator's (`backends/simulator/simulation.ts`).

A file of JSON lines, which `unetc inspect BUNDLE --profile FILE` reads: whose it is, what rank 0 tells of each step,
and at the end of the run what each of the last steps spent its time on.
"""

import collections
import json
import resource

import torch

from .errors import Refusal
from .messages import LANES

#: Version of the lines.
FORMAT = 1

#: Steps that are kept, as `runtime/profile.ts` does: enough for a median, and one before them.
MOST = 26

ACTIVITIES = {
    "load": "load",
    "exchange": "exchange",
    "all_gather": "gather",
    "reduce_scatter": "gather",
    "clip": "all_reduce",
    "all_reduce": "all_reduce",
    "send": "send",
    "receive": "send",
}


def activity_of(one):
    return one["why"] if one["do"] == "run" else ACTIVITIES.get(one["do"], "other")


def lane_of(one):
    return "messages" if one["do"] in ("send", "receive") else LANES.get(one["do"], "compute")


class NoProfile:
    """Where nobody asked for one."""

    def begin(self, step):
        pass

    def did(self, index, one, begin, waits):
        pass

    def came(self, index, one, begin, before, after):
        pass

    def close(self):
        pass

    def end(self):
        pass

    def tell(self, text):
        pass

    def write(self):
        pass


class Profile:
    """Marks while a step runs; they become seconds when it is over, so that a GPU is not waited for before."""

    def __init__(self, path, device, plan, goes_on):
        """`plan`: its hash. A run that goes on has told of its first steps already."""
        self.device, self.clock = device, device.clock
        self.held = self._bytes()
        self.steps = collections.deque(maxlen=MOST)
        try:
            self.file = open(path, "a" if goes_on else "w", encoding="utf-8")
        except OSError as error:
            raise Refusal(f"{path} cannot be written: {error.strerror}") from None
        self._line(json.dumps({"timeline": FORMAT, "plan": plan, "rank": device.rank}))

    def _line(self, text):
        self.file.write(text + "\n")
        self.file.flush()

    def _bytes(self):
        """The most that was taken so far."""
        if self.device.like["device"].type == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def tell(self, text):
        """What rank 0 prints."""
        self._line(text)

    def begin(self, step):
        self.step, self.start = step, self.clock.mark()
        #: What computes; what a meeting takes of the device itself to be begun; when what it brings is there.
        self.found, self.begun, self.came_at = [], {}, {}

    def did(self, index, one, begin, waits):
        """An instruction that began at a mark is done; `waits`: marks before and after it stood still."""
        mark = (index, one, begin, self.clock.mark(), list(waits))
        if lane_of(one) == "compute":
            self.found.append(mark)
        else:
            self.begun[index] = mark

    def came(self, index, one, begin, before, after):
        """What the meeting `one` brings is there; the device stood still for it between two marks."""
        self.came_at[index] = (before, after)

    def close(self):
        """All that the step does has been begun; gives the mark that ends it."""
        self.last = self.clock.mark()

    def _event(self, index, one, begin, end, waits):
        waited = sum(self.clock.seconds(*pair) for pair in waits)
        first = self.clock.seconds(self.start, begin) + waited
        return {
            "instruction": index,
            "from": first,
            "to": max(first, self.clock.seconds(self.start, end)),
            "waited": waited,
            "lane": lane_of(one),
            "activity": activity_of(one),
        }

    def _meeting(self, index, one, begin, end, waits):
        """`own`: seconds that it took the device itself; meanwhile others computed, or nothing did."""
        event = self._event(index, one, begin, end, waits)
        own = event["to"] - event["from"]
        if index in self.came_at:
            before, after = self.came_at[index]
            event["to"] = max(event["to"], self.clock.seconds(self.start, after))
            own += self.clock.seconds(before, after)
        return {**event, "own": own}

    def end(self):
        """After `last` and all before it are done."""
        events = [self._event(*one) for one in self.found] + [self._meeting(*one) for one in self.begun.values()]
        record = {"rank": self.device.rank, "role": self.device.role["name"], "step": self.step}
        self.steps.append({
            **record,
            "stepSeconds": self.clock.seconds(self.start, self.last),
            "peakBytes": max(0, self._bytes() - self.held),
            "events": sorted(events, key=lambda event: event["from"]),
        })

    def write(self):
        for one in self.steps:
            self._line(json.dumps(one))
        self.file.close()
