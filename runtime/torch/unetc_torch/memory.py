"""Memory of a processor that is given back stays with the process: it would be taken again in the next step.

The C library gives each large tensor pages of its own, and gives them back with it; to have the system empty them
anew for every tensor of every step took a third of a step.
"""

import ctypes
import platform

#: Of `mallopt(3)`: what is trimmed at the end of the heap, -1 for nothing; how many blocks have pages of their own.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_memory():
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_TRIM_THRESHOLD, -1)
    library.mallopt(M_MMAP_MAX, 0)
