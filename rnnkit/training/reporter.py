"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rnnkit.contracts.dataset import Source
from rnnkit.training.step import Training, Update


class Reporter(Protocol):
    """Told what happens; the command line draws it, a script may ignore it."""

    def begins(self, training: Training, source: Source) -> None:
        """Called before the first update of this process."""
        ...

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Called after each update."""
        ...

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Called after each metrics line."""
        ...

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Called after each sample."""
        ...

    def saved(self, path: Path, best: bool) -> None:
        """Called once a checkpoint is safe on the disk."""
        ...


class Silent:
    """A reporter that says nothing."""

    def begins(self, training: Training, source: Source) -> None:
        """Ignore."""

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Ignore."""

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Ignore."""

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Ignore."""

    def saved(self, path: Path, best: bool) -> None:
        """Ignore."""
