"""What a plugin prints is no result of a command: it goes to stderr, whatever it does to that."""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO


class StrayOutput(io.TextIOBase):
    """Stands in for stdout or stderr: passes text on to stderr, and stays open.

    That is the stderr of the moment, unless it is given.
    """

    def __init__(self, stderr: TextIO | None = None) -> None:
        self._stderr = stderr

    def write(self, text: str) -> int:
        """Write to stderr."""
        return (self._stderr or sys.stderr).write(text)

    def close(self) -> None:
        """Stay open, whoever closes it."""

    def __getattr__(self, name: str) -> Any:
        """Be stderr in all else."""
        return getattr(self._stderr or sys.stderr, name)
