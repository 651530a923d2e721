"""Images and labels as plain arrays, and the cells of a window of them (`runtime/data/read-window.ts`).

The data is a folder that `unetc stage` wrote: a `data.json` whose images are NPY files `[rows, columns, channels]`.
"""

import json
import os
from typing import NamedTuple, Tuple

import numpy as np

from .feeds import FeedError, open_array

NOT_LABELLED = 255
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


#: As it is stored.
PLAIN = (Symmetry(False, (False, False)), 1.0, 0.0)


def lengths(box):
    return [end - start for start, end in box]


class Staged:
    """The areas of a split."""

    def __init__(self, folder, split):
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

    def pixels(self, window, box):
        """Cells of an image, `[channels, rows, columns]`; the box counts from the window's first cell."""
        image = self.images[window.pair]
        return _shade(_cut(image, window, box), window, image.dtype.name)

    def numbers(self, window, extents, box):
        """Cells of what is regressed: the middle part, of the given extents, of the window."""
        return self._label_cells(window, extents, box)[0].astype(np.float32)

    def classes(self, window, extents, box):
        """Labels of the middle part of the window."""
        cells, element = self._label_cells(window, extents, box)
        return self._class_table(FULL_SCALE[element])[cells]

    def _label_cells(self, window, extents, box):
        label = self.labels[window.pair]
        if label is None:
            raise FeedError(f"the pair {self.description['pairs'][window.pair]['name']} has no label")
        middle = [(outer - inner) // 2 for outer, inner in zip(lengths(window.box), extents)]
        cells = _cut(label, window, [(start + by, end + by) for (start, end), by in zip(box, middle)])
        return cells, label.dtype.name

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


class Areas(Staged):
    """The feed of predictions: each area of a split as it is, by its number in place of a step."""

    def window(self, area):
        return Window(*self.areas[area], *PLAIN)

    def read(self, name, area, samples, box):
        return np.stack([self.pixels(self.window(area), box) for _ in samples])

    def by_size(self):
        """Numbers of the areas that have the same size, by that size."""
        found = {}
        for number, area in enumerate(self.areas):
            found.setdefault(tuple(lengths(area.box)), []).append(number)
        return found
