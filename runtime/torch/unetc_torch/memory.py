"""What a process keeps and takes of the memory of its processor, or of its GPU.

Memory of a processor that is given back stays with the process: it would be taken again in the next step. The C library
gives each large tensor pages of its own, and gives them back with it; to have the system empty them anew for every
tensor of every step took a third of a step.

On a GPU libraries take workspace for faster algorithms, and one was seen to take 64 GiB to be slower. They get what the
plan says and some more; where an algorithm does not get its workspace, PyTorch takes the next.
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


def keep_within(bytes=None):
    """PyTorch takes no more of this process's GPU; or all that it has."""
    share = 1.0 if bytes is None else min(1.0, bytes / torch.cuda.mem_get_info()[1])
    torch.cuda.set_per_process_memory_fraction(share)
