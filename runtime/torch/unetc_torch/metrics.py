"""Scores from counts of labelled (rows) against predicted classes (columns), as in `runtime/metrics.ts`."""

import functools
import operator


def _share(part, whole):
    """None, which is JSON's word for it, where there is nothing to count."""
    return part / whole if whole else None


def score(matrix):
    """Pixel accuracy, intersection over union of each class, and labelled pixels."""
    classes = range(len(matrix))
    pixels = sum(sum(row) for row in matrix)
    right = [matrix[one][one] for one in classes]
    unions = [sum(matrix[one]) + sum(row[one] for row in matrix) - right[one] for one in classes]
    return {
        "accuracy": _share(sum(right), pixels),
        "iou": [_share(*pair) for pair in zip(right, unions)],
        "pixels": int(pixels),
    }


def mean_iou(scores):
    """Of the classes that occur; None if none does. Added as `runtime/metrics.ts` does, so that both have the same bits."""
    known = [one for one in scores["iou"] if one is not None]
    return _share(functools.reduce(operator.add, known, 0), len(known))


def square(numbers, classes):
    return [numbers[row * classes : (row + 1) * classes] for row in range(classes)]


class Tables:
    """The matrices of all targets with classes, in one list that ranks add up."""

    def __init__(self, model):
        sources = [(one["name"], one["source"]) for one in model["inputs"]]
        self.classes = {name: one["classes"] for name, one in sources if one["from"] == "target" and "classes" in one}

    def flat(self, confusion):
        """Zeros where a device has counted nothing."""
        numbers = []
        for name, count in self.classes.items():
            numbers += confusion[name].reshape(-1).tolist() if name in confusion else [0] * count**2
        return numbers

    def scores(self, numbers):
        found, rest = {}, list(numbers)
        for name, count in self.classes.items():
            own, rest = rest[: count**2], rest[count**2 :]
            found[name] = score(square(own, count))
        return found
