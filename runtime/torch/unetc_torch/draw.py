"""Everything random or made by position: initial weights, masks, places (`ir/draw.ts`, `ir/corners.ts`)."""

import math

import numpy as np

from .philox import philox

#: Fourth counter words that no step reaches: they keep the uses of one seed apart.
WEIGHTS, PERMUTATION, INTEGER = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
UNIT = 2.0**-32


def _hash_name(name):
    """FNV-1a over the UTF-8 bytes of a name, 32 bits."""
    value = 0x811C9DC5
    for byte in name.encode("utf-8"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def _he_uniform(parameter, seed):
    count = math.prod(parameter["dims"])
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    words = philox((blocks, 0, 0, WEIGHTS), (seed, _hash_name(parameter["name"])))
    flat = np.stack(words, axis=-1).reshape(-1)[:count].astype(np.float64)
    bound = math.sqrt(6 / parameter["init"]["fanIn"])
    return (bound * (2 * (flat + 0.5) * UNIT - 1)).astype(np.float32)


INITIALIZERS = {
    "zeros": lambda parameter, seed: np.zeros(math.prod(parameter["dims"]), np.float32),
    "ones": lambda parameter, seed: np.ones(math.prod(parameter["dims"]), np.float32),
    "he_uniform": _he_uniform,
}


def initial_weights(parameter, seed):
    """The first weights of a parameter: a function of seed, name and index only."""
    return INITIALIZERS[parameter["init"]["kind"]](parameter, seed).reshape(parameter["dims"])


def _positions(box, extents):
    """Global row-major position of each cell of the box, as an array of the box's extents."""
    place = np.zeros((1,) * len(box), dtype=np.uint64)
    for axis, ((start, end), size) in enumerate(zip(box, extents)):
        shape = [1] * len(box)
        shape[axis] = -1
        place = place * np.uint64(size) + np.arange(start, end, dtype=np.uint64).reshape(shape)
    return place


def dropout_mask(source, channels, extents, box, seed, step, sample):
    """0 with probability p, else 1 / (1 - p): `[channels, *box]`, or `[channels]` where channels are dropped."""
    by_channel = source["by"] == "channel"
    cells = np.zeros((), dtype=np.uint64) if by_channel else _positions(box, extents)
    block, place = cells >> np.uint64(2), (cells & np.uint64(3)).astype(np.int64)
    channel = np.arange(channels, dtype=np.uint64).reshape((channels,) + (1,) * cells.ndim)
    # Blocks from 2^32 on, in volumes, spill into the high half of the channel's word.
    second = channel + (block >> np.uint64(32)) * np.uint64(2**16)
    words = np.stack(philox((block, second, sample, step), (seed, source["layer"])))
    chosen = np.take_along_axis(words, np.broadcast_to(place, words.shape[1:])[None], axis=0)[0]
    factor = 1 / (1 - source["p"])
    return np.where(chosen.astype(np.float64) * UNIT < source["p"], 0, factor).astype(np.float32)


def corner_shares(source, extents, box):
    """The shares of the cells before, at and after each enlarged cell's own: `[3, *box]`, 1 on the other axes."""
    axis, factor = source["axis"], source["factor"]
    cells = extents[axis] // factor
    cell = np.arange(*box[axis], dtype=np.float64)
    j, rest = np.floor(cell / factor), cell % factor
    away = (rest * (cells - 1) - j * (factor - 1)) / (factor * cells - 1)
    shares = np.stack([np.maximum(0, -away), 1 - np.abs(away), np.maximum(0, away)])
    shape = [3] + [1] * len(box)
    shape[1 + axis] = -1
    return shares.reshape(shape)


def _uniform_below(words, below):
    """From 53 random bits."""
    bits = words[0].astype(np.float64) * 2**21 + (words[1] >> np.uint64(11)).astype(np.float64)
    return np.floor(bits / 2**53 * below).astype(np.int64)


def draw_integer(seed, step, sample, index, below):
    """A uniform integer from 0 to below `below`: number `index` of the sample of the step."""
    return int(_uniform_below(philox((step, sample, 0, INTEGER), (seed, index)), below))


def permutation(n, seed, epoch):
    """The numbers below n in an order drawn by (seed, epoch): Fisher and Yates, from the end."""
    order = list(range(n))
    drawn = _uniform_below(philox((np.arange(n), 0, 0, PERMUTATION), (seed, epoch)), np.arange(1, n + 1))
    for i in range(n - 1, 0, -1):
        other = drawn[i]
        order[i], order[other] = order[other], order[i]
    return order
