"""What a process keeps and takes of the memory of its processor, or of its GPU.

Memory of a processor that is given back stays with the process: it would be taken again in the next step. The C library
gives each large tensor pages of its own, and gives them back with it; to have the system empty them anew for every
tensor of every step took a third of a step.

On a GPU libraries take workspace for faster algorithms, and one was seen to take 64 GiB to be slower. In the first step,
when they choose, they get what the plan says and some more; where an algorithm does not get its workspace, PyTorch takes
the next, and keeps to it.
"""

import ctypes
import os
import platform

import torch

#: Of `mallopt(3)`: what is trimmed at the end of the heap, -1 for nothing; how many blocks have pages of their own.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_memory():
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_TRIM_THRESHOLD, -1)
    library.mallopt(M_MMAP_MAX, 0)


#: For libraries, beside what is planned.
LEAST_MORE, MORE = 2**28, 0.05


def without_gaps():
    """Has PyTorch put memory of a GPU together out of pages, so that no gaps stay between tensors. Before its first use."""
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


def with_libraries(planned):
    """Bytes that a device may take for a plan that needs `planned`."""
    return planned + max(LEAST_MORE, int(planned * MORE))


class Cap:
    """What PyTorch may take of this process's GPU. There is one GPU a process."""

    def __init__(self):
        #: Not set, or for the first step, in which libraries choose their algorithms; or for good.
        self.lasts = None

    def set(self, most, lasts="for good"):
        """`most` in bytes; None: all that there is."""
        self.lasts = None if most is None else lasts
        share = 1.0 if most is None else min(1.0, most / torch.cuda.mem_get_info()[1])
        torch.cuda.set_per_process_memory_fraction(share)

    def lift(self):
        """False where it is set for good, or not at all."""
        if self.lasts != "first step":
            return False
        self.set(None)
        return True


cap = Cap()
