"""Signs of life, while ranks wait for one that writes a file: who stands still is told from who takes long.

Each rank counts on in the store that the ranks met by, from a thread of its own, whatever else it does. Who waits looks
at the counts of the others: if one has not moved for as long as any wait may last, the wait is over.
"""

import contextlib
import threading
import time

from .errors import RunFailed

#: Counts in the time after which a rank that does not count is given up.
BEATS = 8


class Pulse:
    def __init__(self, store, rank, world, timeout, fail):
        """`fail(error)` ends this process; it is called in another thread than the one that waits."""
        # Of its own: a request that waits for an answer holds up all others of a client.
        self.store = store.clone()
        self.rank, self.timeout, self.fail = rank, timeout, fail
        self.keys = [f"pulse/{one}" for one in range(world)]
        self.beats, self.waits, self.seen = 0, None, {}
        self._beat()
        threading.Thread(target=self._live, daemon=True).start()

    @contextlib.contextmanager
    def watching(self, what):
        """Ends the process if another rank stands still in the meantime."""
        self.seen = {}
        self.waits = what
        try:
            yield
        finally:
            self.waits = None

    def _live(self):
        while True:
            time.sleep(self.timeout / BEATS)
            try:
                self._beat()
                if self.waits is not None:
                    self._look()
            except RuntimeError as error:
                # The rank that has the store may have ended well, before this one.
                if self.waits is not None:
                    self._end(f"the ranks can no longer be asked: {error}")
                    return

    def _beat(self):
        self.store.set(self.keys[self.rank], str(self.beats))
        self.beats += 1

    def _look(self):
        counts, now = self.store.multi_get(self.keys), time.monotonic()
        seen = self.seen
        for rank, count in enumerate(counts):
            if rank not in seen or seen[rank][0] != count:
                seen[rank] = (count, now)
            elif rank != self.rank and now - seen[rank][1] > self.timeout:
                self._end(f"rank {rank} has given no sign of life for {self.timeout:g} s")

    def _end(self, why):
        what = self.waits
        if what is not None:
            self.fail(RunFailed(f"rank {self.rank}, between two steps, {what}: {why}"))
