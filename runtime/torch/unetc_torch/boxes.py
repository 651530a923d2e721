"""Boxes: lists of (from, to), one an axis, in the coordinates of a value."""


def box_of(record):
    """From the plan's `[{from, to}, ...]`."""
    return [(one["from"], one["to"]) for one in record or ()]


def extents(box):
    return [max(0, end - start) for start, end in box]


def common(a, b):
    return [(max(p[0], q[0]), max(p[0], q[0], min(p[1], q[1]))) for p, q in zip(a, b)]


def slices(whole, part):
    """Where the cells `part` lie in an array of the cells `whole`; part must lie inside."""
    for (start, end), (low, high) in zip(part, whole):
        if start < low or end > high:
            raise ValueError(f"cells {start} to {end} of {low} to {high}")
    return (slice(None), slice(None)) + tuple(
        slice(start - low, end - low) for (start, end), (low, _) in zip(part, whole)
    )
