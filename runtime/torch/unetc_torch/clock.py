"""Moments of a device: of the processor, or of the GPU's stream, which runs behind it."""

import time

import torch

#: Seconds between two looks at a GPU that is still at work.
LOOK = 0.0001


class CpuClock:
    def mark(self):
        return time.monotonic()

    def seconds(self, first, second):
        return second - first

    def wait(self, mark, timeout):
        """True when all before the mark is done; False where that takes longer."""
        return True


class CudaClock:
    def mark(self):
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, first, second):
        return first.elapsed_time(second) / 1000

    def wait(self, mark, timeout):
        ends = time.monotonic() + timeout
        while not mark.query():
            if time.monotonic() > ends:
                return False
            time.sleep(LOOK)
        return True


def clock_of(device):
    return CudaClock() if device.type == "cuda" else CpuClock()
