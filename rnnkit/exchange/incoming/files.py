"""A file of another program: which reader its name asks for, and what is wrong with it."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path

from rnnkit.checkpoint.seal import FILE_LIMIT
from rnnkit.errors import CheckpointError, RnnkitError, raised
from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.files.atomic import read_regular

READERS = {
    ".safetensors": "arrays:read_safetensors",
    ".npz": "arrays:read_npz",
    ".pt": "arrays:read_torch",
    ".pth": "arrays:read_torch",
    ".keras": "keras_file:read_keras",
    ".weights.h5": "keras_file:read_weights",
    ".onnx": "onnx_file:read_onnx",
}
"""The reader by the end of a file's name: a module of this package, and its function."""


def read_their_model(path: Path) -> tuple[TheirModel, str]:
    """Return what a file holds, and its SHA-256.

    Raises CheckpointError for a file that cannot be read or is of no known format, PluginError,
    with the pip line, where a package that is needed is missing.
    """
    reader = next((each for end, each in READERS.items() if path.name.lower().endswith(end)), None)
    if reader is None:
        message = (
            f"expected a name that ends in {', '.join(READERS)}, which says the format "
            "(rename the file)"
        )
        raise CheckpointError.of("IMPORT_FORMAT", message, path)
    data = bytes(read_regular(path, FILE_LIMIT, CheckpointError, "IMPORT"))
    module, _, name = reader.partition(":")
    read: Callable[[bytes, Path], TheirModel]
    read = getattr(importlib.import_module(f"rnnkit.exchange.incoming.{module}"), name)
    try:
        return read(data, path), hashlib.sha256(data).hexdigest()
    except (RnnkitError, MemoryError):
        raise
    except Exception as error:  # each library has errors of its own for what is damaged
        reason = raised(error, 200)
        message = f"cannot be read as its name says ({reason}; bring back or save the file again)"
        raise CheckpointError.of("IMPORT_FILE", message, path) from error
