"""Writing so that a file is either there as a whole or not at all, and what was there before stays until then."""

import contextlib
import os


def write_safely(path, pieces):
    """Writes the pieces under a new name, has the disk store them, and gives them their name. Raises OSError."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(os.path.dirname(path) or ".")
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def _sync_directory(path):
    """A rename is in the directory, and the directory is written apart from its files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
