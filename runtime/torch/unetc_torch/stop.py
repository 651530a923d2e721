"""Signals that end a run after its step, with a checkpoint: of a person, a launcher, or a batch system near its limit."""

import signal

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2]


class Stop:
    def __init__(self):
        self.asked = False
        for one in SIGNALS:
            signal.signal(one, self._ask)

    def _ask(self, number, frame):
        self.asked = True
        # A second one ends at once.
        signal.signal(number, signal.SIG_DFL)
