"""The name of a file in a spec."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AfterValidator, Field


def at_home(path: str) -> str:
    """Return a path with the user's own folder in place of ~ before its first slash."""
    # No other shell's pattern: "~name" may be a file, and ./~ is one.
    return os.path.expanduser(path) if path == "~" or path.startswith("~/") else path


FileName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(at_home)]
"""A path; one that begins with ~/ is resolved when the spec is read."""
