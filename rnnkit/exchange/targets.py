"""The programs and formats that models are written for: each is a module `to_<name>`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

from rnnkit.exchange.proof import Proof
from rnnkit.exchange.trained import Trained


class Target(Protocol):
    """What writes models for one program and runs them there; a module `exchange.to_<name>`."""

    def refusals(self, model: Trained) -> list[str]:
        """Return a sentence for everything in the model that cannot be expressed."""
        ...

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write the files into an empty folder; what is not `verified` says so in the file.

        Raises PluginError, with the pip line, where a package that is needed is missing.
        """
        ...

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Run the files there; raises ThresholdError where they do not give what rnnkit gives."""
        ...


def target_of(name: str) -> Target:
    """Return the target of one of `EXPORTS`."""
    found: Target = importlib.import_module(f"rnnkit.exchange.to_{name}").TARGET
    return found
