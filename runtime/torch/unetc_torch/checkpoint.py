"""Checkpoints in the format of `runtime/files/checkpoint.ts`: a run of either executor goes on from those of the other.

One safetensors file a step: weights by the names of their parameters, what the optimizer keeps beside one as
`SLOT/NAME`, and step, position, seed, the model's hash and a checksum of all of it as metadata.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from typing import Dict, NamedTuple

from .errors import Refusal, RunFailed
from .files import write_safely
from .tensors import TensorError, dtype_name, encode, raw, read_file

FORMAT = "unetc-checkpoint-1"
NEWER = re.compile(r"unetc-checkpoint-(?!1$)\d+")
NUMBERED = re.compile(r"step-(\d{6,})\.safetensors")
UNFINISHED = re.compile(r"(step-\d{6,}|best)\.safetensors\.tmp")
BEST = "best.safetensors"


#: Metadata of the best checkpoint: what later scores have to beat.
SCORE = "note.mean-iou"


class Checkpoint(NamedTuple):
    #: Steps that are done.
    step: int
    seed: int
    #: Samples a step.
    batch: int
    #: Hash of the model.
    model: str
    tensors: Dict


def state_name(state):
    return state["parameter"] if state["slot"] == "weight" else f"{state['slot']}/{state['parameter']}"


def _json(value):
    """As `JSON.stringify` writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _by_name(entries):
    """In the order of JavaScript's texts: by UTF-16 units."""
    return sorted(entries.items(), key=lambda entry: entry[0].encode("utf-16-be"))


def _checksum(tensors, metadata):
    digest = hashlib.sha256(_json([list(entry) for entry in _by_name(metadata)]))
    for name, array in _by_name(tensors):
        digest.update(_json([name, dtype_name(array), list(array.shape)]))
        digest.update(raw(array))
    return digest.hexdigest()


def save(directory, checkpoint, keep):
    """Writes the numbered checkpoint of a step and gives its path; then the oldest go. Raises RunFailed."""
    path = os.path.join(directory, f"step-{checkpoint.step:06d}.safetensors")
    _write(path, checkpoint)
    # Newer ones are torn, or the run would have gone on from them: they do not count.
    for file, step in [one for one in _numbered(directory) if one[1] <= checkpoint.step][keep:]:
        with contextlib.suppress(OSError):
            os.remove(file)
    return path


def save_best(directory, checkpoint, score):
    """Keeps a checkpoint as the best one, with its score. Raises RunFailed."""
    _write(os.path.join(directory, BEST), checkpoint, {SCORE: _number(score)})


def _number(value):
    """As JavaScript writes it."""
    return str(int(value)) if value == int(value) else repr(value)


def _write(path, checkpoint, notes=None):
    metadata = {
        **(notes or {}),
        "format": FORMAT,
        "step": str(checkpoint.step),
        "position": str(checkpoint.step * checkpoint.batch),
        "seed": str(checkpoint.seed),
        "model": checkpoint.model,
    }
    metadata["checksum"] = _checksum(checkpoint.tensors, metadata)
    try:
        write_safely(path, encode(checkpoint.tensors, metadata))
    except OSError as error:
        raise RunFailed(f"{path} cannot be written: {error.strerror}") from None


def prepare(directory):
    """Makes the directory, sees that it can be written to, and removes what a killed run left in the middle."""
    try:
        os.makedirs(directory, exist_ok=True)
        if not os.access(directory, os.W_OK):
            raise PermissionError(0, "no permission to write")
        for name in os.listdir(directory):
            if UNFINISHED.fullmatch(name):
                os.remove(os.path.join(directory, name))
    except OSError as error:
        raise RunFailed(f"{directory} cannot be written: {error.strerror}") from None


def _numbered(directory):
    """Numbered checkpoints and their steps, the newest first."""
    if not os.path.isdir(directory):
        return []
    found = ((name, NUMBERED.fullmatch(name)) for name in os.listdir(directory))
    steps = [(os.path.join(directory, name), int(match[1])) for name, match in found if match]
    return sorted(steps, key=lambda one: -one[1])


def any_in(directory):
    """Some checkpoint of a directory, if it has any."""
    best = os.path.join(directory, BEST)
    return next((file for file, _ in _numbered(directory)), best if os.path.exists(best) else None)


def newest(directory, model, warn):
    """The newest complete checkpoint `(file, step, tensors)`, or None; `warn` is told of those that are skipped.

    One that is whole but cannot be used is an error: going on from an older one would be worse than to ask.
    """
    for file, _ in _numbered(directory):
        read = _whole(file, model, warn)
        if read is not None:
            metadata, tensors = read
            return file, int(metadata["step"]), tensors
    return None


def best_score(directory, model, warn):
    """The mean intersection over union that the best checkpoint had; a damaged one counts as none."""
    file = os.path.join(directory, BEST)
    read = _whole(file, model, warn) if os.path.exists(file) else None
    return -math.inf if read is None else float(read[0].get(SCORE, -math.inf))


def _whole(file, model, warn):
    """Metadata and tensors, or None where the file is damaged."""
    try:
        return _read(file, model)
    except TensorError as error:
        warn(f"{file} is incomplete and skipped: {error}")
        return None


def _read(file, model):
    tensors, metadata = read_file(file)
    found = metadata.get("format", "")
    if NEWER.fullmatch(found):
        raise Refusal(f"{file} has the format {found}, and this version reads {FORMAT}")
    rest = {key: text for key, text in metadata.items() if key != "checksum"}
    if found != FORMAT or metadata.get("checksum") != _own_checksum(tensors, rest):
        raise TensorError("its contents do not match its checksum")
    if metadata.get("model") != model:
        raise Refusal(f"{file} belongs to another model than this bundle")
    return metadata, tensors


def _own_checksum(tensors, metadata):
    try:
        return _checksum(tensors, metadata)
    except KeyError:
        # Tensors of types that no checkpoint has.
        return None
