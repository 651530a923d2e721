"""A time line of each step, in the words of the simulator's (`backends/simulator/simulation.ts`), one JSON line a step."""

import json

from .messages import LANES

ACTIVITIES = {
    "load": "load",
    "exchange": "exchange",
    "all_gather": "gather",
    "reduce_scatter": "gather",
    "clip": "gather",
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

    def came(self, index, one, begin):
        pass

    def close(self):
        pass

    def end(self):
        pass


class Profile:
    """Marks while a step runs; they become seconds when it is over, so that a GPU is not waited for before."""

    def __init__(self, path, device):
        self.file = open(path, "w", encoding="utf-8")
        self.device, self.clock = device, device.clock

    def begin(self, step):
        self.step, self.start, self.found = step, self.clock.mark(), []

    def did(self, index, one, begin, waits):
        """An instruction that began at a mark is done; `waits`: marks before and after it stood still."""
        if lane_of(one) == "compute":
            self.found.append((index, one, begin, self.clock.mark(), waits))

    def came(self, index, one, begin):
        """What the meeting `one` brings is there; it began at a mark."""
        self.found.append((index, one, begin, self.clock.mark(), []))

    def close(self):
        """All that the step does has been begun; gives the mark that ends it."""
        self.last = self.clock.mark()

    def _event(self, index, one, begin, end, waits):
        since = lambda mark: self.clock.seconds(self.start, mark)
        waited = sum(self.clock.seconds(*pair) for pair in waits)
        return {
            "instruction": index,
            "from": since(begin) + waited,
            "to": since(end),
            "waited": waited,
            "lane": lane_of(one),
            "activity": activity_of(one),
        }

    def end(self):
        """After `last` and all before it are done."""
        seconds = self.clock.seconds(self.start, self.last)
        events = sorted((self._event(*one) for one in self.found), key=lambda event: event["from"])
        record = {"rank": self.device.rank, "role": self.device.role["name"], "step": self.step}
        self.file.write(json.dumps({**record, "stepSeconds": seconds, "events": events}) + "\n")
        self.file.flush()
