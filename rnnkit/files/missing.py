"""What to say of a file that is not there: it is an address, or one beside it was meant."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from rnnkit.errors import closest

LOOKED = 10_000
"""Names of a folder that are compared at most."""

ADDRESS = re.compile(r"(?:^|.*/)((?:https?|ftp|s3|gs|hf|file)):/+(?=[^/])")


def address(path: str) -> str:
    """Return the address that a path was made of, its two slashes again; "" for none."""
    found = ADDRESS.match(path)
    return f"{found[1]}://{path[found.end() :]}" if found else ""


def missing(path: Path) -> str:
    """Return that there is no such file, and what to do about it."""
    if address(str(path)):
        return "no such file: an address is not read (download it, and give the path of the file)"
    return f"no such file; check the path{beside(path)}"


def beside(path: Path) -> str:
    """Return the question whether a file or folder of like names was meant, or "".

    Each folder of the path may be misspelt, as the file may.
    """
    found = Path(path.anchor)
    for part in path.parts[bool(path.anchor) :]:
        try:
            there = os.path.lexists(found / part)
            name = part if there else _near(part, found)
        except (OSError, ValueError):
            return ""
        if not name:
            return ""
        found /= name
    return "" if found == path else f"; did you mean {found}?"


def _near(name: str, folder: Path) -> str:
    """Return the name in a folder that was probably meant; of two that end alike the rest counts.

    Raises OSError for what is no folder.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, LOOKED)]
    stem = Path(name).stem
    return closest(name, [each for each in names if closest(stem, [Path(each).stem])])
