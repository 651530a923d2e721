"""Windows of images, as the TypeScript runtime draws and reads them (`runtime/data/sample-window.ts`, `read-window.ts`).

The data is a folder that `unetc stage` wrote: a `data.json` whose images are NPY files `[rows, columns, channels]`.
Which window a sample shows is a function of (seed, step, sample): every rank draws the same, and reads its part only.
"""

import json
import math
import os
from typing import NamedTuple, Tuple

import numpy as np

from .draw import draw_integer, permutation
from .feeds import FeedError, open_array

NOT_LABELLED = 255
#: What number of a sample stands for what.
PLACE, TURNS, FLIPS, BRIGHTNESS, CONTRAST = range(5)
#: Largest value of a channel of whole numbers; 1 for floats, which may exceed it.
FULL_SCALE = {"uint8": 255, "uint16": 65535, "float32": 1, "bool": 255}


class Area(NamedTuple):
    pair: int
    #: (from, to) of the rows and of the columns.
    box: Tuple[Tuple[int, int], Tuple[int, int]]


class Symmetry(NamedTuple):
    transpose: bool
    reverse: Tuple[bool, bool]


class Window(NamedTuple):
    pair: int
    box: Tuple[Tuple[int, int], Tuple[int, int]]
    symmetry: Symmetry
    gain: float
    offset: float


def _lengths(box):
    return [end - start for start, end in box]


def symmetry_of(turns, flips):
    """Turned by `turns` quarters counter-clockwise, with `flips` of its axes after it."""
    transpose = turns % 2 == 1
    turned = (turns in (2, 3), turns in (1, 2))
    rows, columns = (flips[1], flips[0]) if transpose else flips
    return Symmetry(transpose, (turned[0] != rows, turned[1] != columns))


class Windows:
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
        self._open(folder, split)
        self.windows = self.description.get("windows") or self._default_windows()
        self._order, self._drawn = (None, None), {}

    def _open(self, folder, split):
        path = folder if os.path.isfile(folder) else os.path.join(folder, "data.json")
        try:
            with open(path, encoding="utf-8") as file:
                self.description = json.load(file)
        except (OSError, ValueError) as error:
            raise FeedError(f"{path} cannot be read ({error}): `unetc stage` writes it") from None
        root = os.path.dirname(os.path.abspath(path))
        pairs = self.description["pairs"]
        self.images = [_open_image(root, one.get("image"), one["name"]) for one in pairs]
        self.labels = [_open_image(root, one["label"], one["name"]) if "label" in one else None for one in pairs]
        splits = self.description.get("splits") or {"train": [one["name"] for one in pairs]}
        if split not in splits:
            raise FeedError(f"{path} has no split {split}, only {', '.join(splits)}")
        names = {one["name"]: index for index, one in enumerate(pairs)}
        self.areas = [self._area(one, names) for one in splits[split]]

    def _area(self, one, names):
        entry = {"pair": one} if isinstance(one, str) else one
        pair = names[entry["pair"]]
        height, width = self.images[pair].shape[:2]
        return Area(pair, (tuple(entry.get("rows", (0, height))), tuple(entry.get("columns", (0, width)))))

    def _default_windows(self):
        """`grid` where each area is just one window."""
        return "grid" if all(_lengths(area.box) == self.extents for area in self.areas) else "anywhere"

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
            [max(0, size - own + 1) for size, own in zip(_lengths(area.box), self.extents)] for area in self.areas
        ]
        counts = [math.prod(one) for one in places]
        index, rest = _locate(counts, self._integer(step, sample, PLACE, sum(counts)))
        return self._window_at(index, rest, places[index], (1, 1))

    def _visit_grid(self, step, sample):
        """Every window once an epoch, in an order drawn by (seed, epoch); the last incomplete batch is dropped."""
        grids = [[size // own for size, own in zip(_lengths(area.box), self.extents)] for area in self.areas]
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
        read = self._target if name in self.targets else self._image
        return np.stack([read(name, self.window(step, sample), box) for sample in samples])

    def _image(self, name, window, box):
        image = self.images[window.pair]
        return _shade(_cut(image, window, box), window, image.dtype.name)

    def _target(self, name, window, box):
        extents, classes = self.targets[name]
        label = self.labels[window.pair]
        if label is None:
            raise FeedError(f"the pair {self.description['pairs'][window.pair]['name']} has no label")
        middle = [(outer - inner) // 2 for outer, inner in zip(_lengths(window.box), extents)]
        cells = _cut(label, window, [(start + by, end + by) for (start, end), by in zip(box, middle)])
        if classes is None:
            return cells.astype(np.float32)
        return self._class_table(FULL_SCALE[label.dtype.name])[cells]

    def _class_table(self, largest):
        """The class of each value of a label file."""
        mapped = self.description.get("labels")
        if mapped is None:
            return np.minimum(np.arange(largest + 1), NOT_LABELLED).astype(np.uint8)
        table = np.full(largest + 1, NOT_LABELLED, np.uint8)
        for value, target in mapped.items():
            if int(value) <= largest and target is not None:
                table[int(value)] = target
        return table


def _open_image(root, path, name):
    if not str(path).lower().endswith(".npy"):
        raise FeedError(f"{path} of the pair {name} is no NPY file: `unetc stage` makes some of all images")
    array = open_array(os.path.join(root, path))
    if array.ndim not in (2, 3) or array.dtype.name not in FULL_SCALE:
        raise FeedError(f"{path} is {array.dtype} {array.shape}, not [rows, columns, channels] of numbers we read")
    array = array.view(np.uint8) if array.dtype == np.bool_ else array
    return array if array.ndim == 3 else array[:, :, None]


def _locate(counts, index):
    """The area and the index in it of item `index`, if the areas hold `counts` items one after another."""
    for area, count in enumerate(counts):
        if index < count:
            return area, index
        index -= count
    raise FeedError("the split has no window of the network's size")


def _cut(array, window, box):
    """`[channels, rows, columns]` of a box that counts from the changed window's first cell."""
    transpose, reverse = window.symmetry
    along = [box[1], box[0]] if transpose else list(box)
    stored = []
    for (start, end), (origin, last), back in zip(along, window.box, reverse):
        size = last - origin
        if start < 0 or end > size:
            raise ValueError(f"cells {start} to {end} of a window of {size}")
        first, beyond = (size - end, size - start) if back else (start, end)
        stored.append(slice(origin + first, origin + beyond))
    cells = np.array(array[stored[0], stored[1]])
    cells = cells[:: -1 if reverse[0] else 1, :: -1 if reverse[1] else 1]
    return np.ascontiguousarray(cells.transpose(2, 1, 0) if transpose else cells.transpose(2, 0, 1))


def _shade(pixels, window, element):
    if window.gain == 1 and window.offset == 0:
        return pixels.astype(np.float32)
    full = FULL_SCALE[element]
    middle, raised = full / 2, full / 2 + window.offset * full
    shaded = (pixels.astype(np.float64) - middle) * window.gain + raised
    return (shaded if element == "float32" else np.clip(shaded, 0, full)).astype(np.float32)
