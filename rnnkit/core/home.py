"""The user's own folder, as a shell writes it."""

from __future__ import annotations

import os
from pathlib import Path


def at_home(path: str) -> str:
    """Return a path with the user's own folder in place of ~ before its first slash."""
    # No other shell's pattern: "~name" may be a file, and ./~ is one.
    return os.path.expanduser(path) if path == "~" or path.startswith("~/") else path


def given_path(path: str | Path) -> Path:
    """Return a path that a caller gave in Python, where no shell has looked at it."""
    return Path(at_home(str(path)))
