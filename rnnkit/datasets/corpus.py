"""Where the text of a dataset comes from: files, or the corpus that every Python carries."""

from __future__ import annotations

import importlib
from pathlib import Path

from rnnkit.errors import DataError
from rnnkit.storage import read_regular

LIMIT = 8 * 2**30
"""The largest text that is read, in bytes."""


def python_docs() -> bytes:
    """Return Python's language reference, as `help()` shows it: some 465,000 characters of English.

    It varies a little between versions of Python; the digest in a checkpoint tells.
    """
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    return "\n".join(topics[name] for name in sorted(topics)).encode()


def read_text(path: Path) -> bytes:
    """Return the bytes of a regular file; raises DataError with the path otherwise."""
    data = bytes(read_regular(path, LIMIT, DataError, "DATA"))
    if not data:
        raise DataError.of("DATA_TOO_SHORT", "the file is empty (give it some text)", path)
    return data
