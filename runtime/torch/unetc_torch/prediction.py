"""A plan that predicts, on one process: any of its tiles, one after another, and how right their classes are."""

from .graph import Segment
from .holder import Holder
from .instructions import confusion
from .interpreter import run_tile
from .ranks import place_count, tile_seat


def class_map(model):
    """Name, extents and number of classes of the first output; one channel tells two apart."""
    output = model["outputs"][0]
    op = next(one for one in model["ops"] if one["output"] == output["value"])
    types = {one["name"]: one["type"] for one in model["inputs"]}
    types.update({one["output"]: one["type"] for one in model["ops"]})
    extents = [axis["to"] - axis["from"] for axis in op["type"]["box"]]
    return output["name"], extents, max(2, types[op["inputs"][0]]["channels"])


class Prediction(Holder):
    def __init__(self, bundle, areas, like):
        plan = bundle.plan
        super().__init__(plan, bundle.origins, tile_seat(plan, 0), like)
        self.feeds, self.tiles = areas, place_count(plan)
        # All roles are read now, not when their first tile comes up.
        self.segments = {one["name"]: Segment(one) for role in plan["roles"] for one in role["segments"]}
        self.output, self.extents, self.classes = class_map(plan["model"])
        self.weights, self.stored = {}, {}

    def begin_tile(self, area, tile):
        """In the words of a training an area is a step."""
        self.sit(tile_seat(self.plan, tile))
        self.step, self.stored = area, {}
        held = [one for one in self.plan["states"] if one["buffer"] in self.buffers]
        self.alive = {one["buffer"]: self.weights[one["parameter"]] for one in held}

    def confusion(self, rank, area, tile, weights):
        """Labelled (rows) against predicted classes (columns) of the tile, with the weights by their parameters."""
        self.weights = weights
        run_tile(self, rank, area, tile)
        box, predicted = self.stored[self.output]
        labels = self.tensor(self.feeds.classes(self.feeds.window(area), self.extents, box), predicted.dtype)
        self.weights, self.alive, self.stored = {}, {}, {}
        return confusion(labels, predicted, self.classes)
