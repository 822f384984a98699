"""What a plugin prints is no result of a command: it goes to stderr."""

from __future__ import annotations

import io
import sys
from typing import Any


class StrayOutput(io.TextIOBase):
    """Stands in for stdout: passes text on to the stderr of the moment, and stays open."""

    def write(self, text: str) -> int:
        """Write to stderr."""
        return sys.stderr.write(text)

    def close(self) -> None:
        """Stay open, whoever closes it."""

    def __getattr__(self, name: str) -> Any:
        """Be stderr in all else."""
        return getattr(sys.stderr, name)
