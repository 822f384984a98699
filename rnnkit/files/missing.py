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
    """Return the question whether a file or folder of a like name was meant, or ""."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, LOOKED)]
    except (OSError, ValueError):
        return ""
    near = "" if path.name in names else closest(path.name, names)
    return f"; did you mean {path.with_name(near)}?" if near else ""
