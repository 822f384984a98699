"""What the kit says: a report where all is well, an error with two numbers where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class ConformanceError(AssertionError):
    """A layer breaks the rule that `check` names; `detail` has the numbers, or the exception."""

    def __init__(self, layer: str, check: str, detail: str, usually: str) -> None:
        hint = f"\n  usually: {usually}" if usually else ""
        super().__init__(f"{layer} fails the check {check!r}: {detail}{hint}")
        self.layer = layer
        self.check = check
        self.detail = detail


class Skipped(Exception):
    """Raised by a check that cannot apply to a layer; says why."""


@dataclass(frozen=True)
class Report:
    """The checks that ran, how many comparisons they made, and why the others did not run."""

    layer: str
    ran: tuple[str, ...]
    comparisons: int
    skipped: Mapping[str, str]

    def __str__(self) -> str:
        """Return one line, and one for each check that was skipped."""
        head = f"{self.layer}: {len(self.ran)} checks, {self.comparisons} comparisons"
        return "\n".join(
            [head, *(f"  skipped {name}: {why}" for name, why in self.skipped.items())]
        )
