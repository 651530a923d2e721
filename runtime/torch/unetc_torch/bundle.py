"""Opens a bundle: a file is read from inside the folder alone, and its hash compared with the manifest.

That is all files but the programs of other roles: those are read, and compared, where they are asked for.
"""

import hashlib
import json
import os
from typing import Dict, NamedTuple, Optional, Tuple

from .errors import Refusal
from .plan_files import PLAN, ROLES, plan_in_files

FORMAT = 4
ORIGINS, TEXT, MANIFEST = "origins.json", "model.unet", "manifest.json"


class BundleError(Refusal):
    """What is wrong with a bundle."""


class Bundle(NamedTuple):
    plan: Dict
    #: For each spatial value where its tiles begin on each axis, the extent last.
    origins: Dict
    #: Hash of the model: what a checkpoint belongs to.
    model: str
    #: Hash of the plan: what a time line belongs to.
    plan_hash: str
    #: What the plan was made of: the hash of the text, if it is there, and what replaced its `let`s.
    origin: Tuple[Optional[str], Dict]


def _parts(folder, name):
    """The folders and the file of a name, which may not lead out of the bundle."""
    parts = name.split("/")
    if "\\" in name or {"", ".", ".."} & set(parts):
        raise BundleError(f"{name!r} lies outside the bundle {folder}")
    return parts


def _inside(folder, name):
    """The path of a file; neither its name nor a link may lead out of the bundle."""
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, *_parts(folder, name)))
    if os.path.commonpath([root, path]) != root:
        raise BundleError(f"{name!r} lies outside the bundle {folder}")
    return path


def _read(folder, name):
    try:
        with open(_inside(folder, name), "rb") as file:
            return file.read()
    except OSError as error:
        raise BundleError(f"{name} of the bundle {folder} cannot be read: {error.strerror}") from None


def _manifest(folder):
    try:
        manifest = json.loads(_read(folder, MANIFEST))
    except ValueError:
        raise BundleError(f"{MANIFEST} of the bundle {folder} is not JSON") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise BundleError(f"bundle {folder} has format {found}, this executor reads {FORMAT}")
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{MANIFEST} of the bundle {folder} names no files")
    return manifest


def _compared(folder, files, name):
    """A file of the manifest."""
    if name not in files:
        raise BundleError(f"the manifest of {folder} does not name {name}: compile it again")
    data = _read(folder, name)
    if hashlib.sha256(data).hexdigest() != files[name]:
        raise BundleError(f"{name} of the bundle {folder} is not the file that was compiled")
    return data


def open_bundle(folder):
    """Compares the files of a bundle, and reads its plan. Raises BundleError."""
    manifest = _manifest(folder)
    files = manifest["files"]
    for name in files:
        _parts(folder, name)
        if name not in (PLAN, ORIGINS) and not name.startswith(ROLES):
            _compared(folder, files, name)
    plan = plan_in_files(lambda name: _compared(folder, files, name))
    origins = json.loads(_compared(folder, files, ORIGINS))
    origin = (files.get(TEXT), manifest.get("sets", {}))
    return Bundle(plan, origins, manifest.get("model", ""), manifest.get("plan", ""), origin)
