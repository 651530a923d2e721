"""Scores of a split while a training rests: all ranks share its tiles, and their counts add up (`runtime/evaluate.ts`).

The plans that predict lie in the bundle, one for each size of area, `unetc run --launcher` or `unetc stage` put them
there: each is a bundle of its own, whose files are compared with its manifest.
"""

import os
from typing import List, NamedTuple, Tuple

import torch

from .bundle import open_bundle
from .errors import Refusal
from .metrics import score, square
from .prediction import Prediction
from .ranks import rank_count
from .staged import Areas
from .states import weights_everywhere

#: In a bundle.
FOLDER = "predictions"


class Scenes(NamedTuple):
    """What is scored, before anybody meets: for each size of area its bundle and the areas."""

    areas: Areas
    groups: List[Tuple]


def open_scenes(folder, bundle, data, split):
    """Raises Refusal."""
    areas = Areas(data, split)
    groups = [(_predicting(folder, bundle, size), numbers) for size, numbers in areas.by_size().items()]
    return Scenes(areas, groups)


def _predicting(folder, bundle, size):
    name = "x".join(str(length) for length in size)
    path = os.path.join(folder, FOLDER, name)
    if not os.path.isdir(path):
        raise Refusal(f"{path} is not there: `unetc stage --validation` writes it, and so does `unetc run --launcher`")
    found = open_bundle(path)
    if found.plan["purpose"] != "predict" or found.origin != bundle.origin:
        raise Refusal(f"{path} is no prediction of the network of {folder}: stage or launch again")
    return found


class Validation:
    def __init__(self, scenes, split, every, device, control):
        self.split, self.every, self.device, self.control = split, every, device, control
        predictions = [(Prediction(bundle, scenes.areas, device.like), areas) for bundle, areas in scenes.groups]
        self.classes = predictions[0][0].classes
        self.work = [
            (prediction, area, tile)
            for prediction, areas in predictions
            for area in areas
            for tile in range(prediction.tiles)
        ]

    def is_due(self, step, total):
        """The last step of a run is scored too."""
        return step % self.every == 0 or step == total

    def score(self, arrays, stop):
        """Of the weights as they are; rank 0 gives those of all stages. None where it was stopped."""
        weights = weights_everywhere(self.device, self.control, arrays)
        counts = torch.zeros(self.classes, self.classes, dtype=torch.long, device=self.device.like["device"])
        rank, ranks = self.device.rank, rank_count(self.device.plan)
        for first in range(0, len(self.work), ranks):
            for prediction, area, tile in self.work[first + rank : first + rank + 1]:
                counts = counts + prediction.confusion(rank, area, tile, weights)
            # A signal may have come to some of them only.
            if self.control.sum([stop.asked], patient=True)[0] > 0:
                return None
        return score(square(self.control.sum(counts.reshape(-1).tolist(), patient=True), self.classes))
