"""Opens a bundle: every file named in its manifest is read from inside the folder, and its hash compared."""

import hashlib
import json
import os
from typing import Dict, NamedTuple, Optional, Tuple

from .errors import Refusal

FORMAT = 3
PLAN, ORIGINS, TEXT, MANIFEST = "plan.json", "origins.json", "model.unet", "manifest.json"


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


def _inside(folder, name):
    """The path of a file; neither its name nor a link may lead out of the bundle."""
    root, parts = os.path.realpath(folder), name.split("/")
    path = os.path.realpath(os.path.join(root, *parts))
    if "\\" in name or {"", ".", ".."} & set(parts) or os.path.commonpath([root, path]) != root:
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


def open_bundle(folder):
    """Reads all files of a bundle. Raises BundleError."""
    manifest = _manifest(folder)
    texts = {}
    for name, expected in manifest["files"].items():
        data = _read(folder, name)
        if hashlib.sha256(data).hexdigest() != expected:
            raise BundleError(f"{name} of the bundle {folder} is not the file that was compiled")
        texts[name] = data if name in (PLAN, ORIGINS) else None
    missing = [name for name in (PLAN, ORIGINS) if name not in texts]
    if missing:
        raise BundleError(f"the manifest of {folder} does not name {', '.join(missing)}: compile it again")
    plan, origins, files = json.loads(texts[PLAN]), json.loads(texts[ORIGINS]), manifest["files"]
    origin = (files.get(TEXT), manifest.get("sets", {}))
    return Bundle(plan, origins, manifest.get("model", ""), files[PLAN], origin)
