"""Which window of which image a sample shows, as the TypeScript runtime draws it (`runtime/data/sample-window.ts`).

It is a function of (seed, step, sample): every rank draws the same, and reads its part only.
"""

import math

import numpy as np

from .draw import draw_integer, permutation
from .feeds import FeedError
from .staged import Area, Staged, Symmetry, Window, lengths

#: What number of a sample stands for what.
PLACE, TURNS, FLIPS, BRIGHTNESS, CONTRAST = range(5)


def symmetry_of(turns, flips):
    """Turned by `turns` quarters counter-clockwise, with `flips` of its axes after it."""
    transpose = turns % 2 == 1
    turned = (turns in (2, 3), turns in (1, 2))
    rows, columns = (flips[1], flips[0]) if transpose else flips
    return Symmetry(transpose, (turned[0] != rows, turned[1] != columns))


class Windows(Staged):
    """The feed of a training: pixels of the image, labels or numbers of the target."""

    def __init__(self, folder, model, split):
        self.seed, self.batch = model["training"]["seed"], model["training"]["batch"]
        self.extents, self.targets = None, {}
        for one in model["inputs"]:
            sizes = [axis["to"] - axis["from"] for axis in one["type"].get("box", ())]
            if one["source"]["from"] == "image":
                self.extents = sizes
            elif one["source"]["from"] == "target":
                self.targets[one["name"]] = (sizes, one["source"].get("classes"))
        if self.extents is None or len(self.extents) != 2:
            raise FeedError("images of two axes can be read, one a sample; give other data with --feeds")
        super().__init__(folder, split)
        self.windows = self.description.get("windows") or self._default_windows()
        self._order, self._drawn = (None, None), {}

    def _default_windows(self):
        """`grid` where each area is just one window."""
        return "grid" if all(lengths(area.box) == self.extents for area in self.areas) else "anywhere"

    # Which window

    def window(self, step, sample):
        key = (step, sample)
        if key not in self._drawn:
            # Those of earlier steps are not asked for again.
            self._drawn = {old: one for old, one in self._drawn.items() if old[0] == step}
            place = self._visit_grid(step, sample) if self.windows == "grid" else self._draw_anywhere(step, sample)
            self._drawn[key] = Window(place.pair, place.box, *self._changes(step, sample))
        return self._drawn[key]

    def _integer(self, step, sample, index, below):
        return draw_integer(self.seed, step, sample, index, below)

    def _draw_anywhere(self, step, sample):
        """Every place of the window in every area is equally likely."""
        places = [
            [max(0, size - own + 1) for size, own in zip(lengths(area.box), self.extents)] for area in self.areas
        ]
        counts = [math.prod(one) for one in places]
        index, rest = _locate(counts, self._integer(step, sample, PLACE, sum(counts)))
        return self._window_at(index, rest, places[index], (1, 1))

    def _visit_grid(self, step, sample):
        """Every window once an epoch, in an order drawn by (seed, epoch); the last incomplete batch is dropped."""
        grids = [[size // own for size, own in zip(lengths(area.box), self.extents)] for area in self.areas]
        counts = [math.prod(one) for one in grids]
        steps = sum(counts) // self.batch
        if steps == 0:
            raise FeedError(f"the split has {sum(counts)} windows, and a step takes {self.batch}")
        epoch = step // steps
        if self._order[0] != epoch:
            self._order = (epoch, permutation(sum(counts), self.seed, epoch))
        index, rest = _locate(counts, int(self._order[1][step % steps * self.batch + sample]))
        return self._window_at(index, rest, grids[index], self.extents)

    def _window_at(self, index, rest, counts, stride):
        """Window number `rest` of the area, row-major, if it has `counts` places an axis, `stride` cells apart."""
        row, column = divmod(rest, counts[1])
        (top, _), (left, _) = self.areas[index].box
        rows, columns = top + row * stride[0], left + column * stride[1]
        return Area(self.areas[index].pair, ((rows, rows + self.extents[0]), (columns, columns + self.extents[1])))

    def _changes(self, step, sample):
        augment = self.description.get("augment", {})
        turns = self._integer(step, sample, TURNS, 4) if augment.get("quarter_turns") else 0
        flips = self._integer(step, sample, FLIPS, 4) if augment.get("flips") else 0

        def amount(index, most):
            return most * (self._integer(step, sample, index, 2**20 + 1) / 2**19 - 1) if most else 0

        gain = 1 + amount(CONTRAST, augment.get("contrast", 0))
        offset = amount(BRIGHTNESS, augment.get("brightness", 0))
        return symmetry_of(turns, (flips % 2 == 1, flips >= 2)), gain, offset

    # What is in it

    def read(self, name, step, samples, box):
        """The cells `box` of the given samples of the step's batch, `[samples, channels, rows, columns]`."""
        return np.stack([self._cells(name, self.window(step, sample), box) for sample in samples])

    def _cells(self, name, window, box):
        if name not in self.targets:
            return self.pixels(window, box)
        extents, classes = self.targets[name]
        return (self.numbers if classes is None else self.classes)(window, extents, box)


def _locate(counts, index):
    """The area and the index in it of item `index`, if the areas hold `counts` items one after another."""
    for area, count in enumerate(counts):
        if index < count:
            return area, index
        index -= count
    raise FeedError("the split has no window of the network's size")
