"""Philox4x32-10 on arrays of counters: the numbers of `ir/philox.ts`, bit for bit.

Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 4.3.
"""

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def _split(multiplier, word):
    """High and low 32 bits of the product of two 32-bit words."""
    wide = np.uint64(multiplier) * word
    return wide >> HALF, wide & LOW


def philox(counter, key):
    """Four words (uint64 arrays below 2^32) for each counter: four integers or arrays that broadcast."""
    words = [np.asarray(word).astype(np.uint64) & LOW for word in counter]
    c0, c1, c2, c3 = np.broadcast_arrays(*words)
    k0, k1 = (int(word) & 0xFFFFFFFF for word in key)
    for _ in range(ROUNDS):
        high0, low0 = _split(MULTIPLIERS[0], c0)
        high1, low1 = _split(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), low1, high0 ^ c3 ^ np.uint64(k1), low0
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3
