"""What names a row of a series, so that a forecast can be joined with the file it is made from."""

from __future__ import annotations

from dataclasses import dataclass

from rnnkit.builtin.datasets.series.clock import Step, later
from rnnkit.builtin.datasets.series.track import Track


@dataclass(frozen=True)
class Stamps:
    """Names the rows of a track, and those that are to come after its last one.

    `time` and `group` are the names of the columns that tell them, where there are any.
    """

    track: Track
    step: Step | None = None
    time: str | None = None
    group: str | None = None

    def of(self, row: int) -> dict[str, object]:
        """Return line, group and time of a row.

        The line is None for a step that no row tells of, and for one to come of a group, whose rows
        need not stand together.
        """
        found: dict[str, object] = {"line": self._line(row)}
        if self.group:
            found[self.group] = self.track.group
        if self.time:
            found[self.time] = self._when(row)
        return found

    def ahead(self, row: int, steps: int) -> dict[str, object]:
        """Return the same of the row so many steps later, then line and time of the row itself."""
        start = self.of(row)
        start.pop(self.group or "", None)
        return self.of(row + steps) | {f"from_{key}": value for key, value in start.items()}

    def _line(self, row: int) -> int | None:
        lines = self.track.lines
        if row < len(lines):
            return int(lines[row]) or None
        return None if self.group else int(lines[-1]) + row - len(lines) + 1

    def _when(self, row: int) -> str | None:
        """Return a time as the file writes it, or as it would go on."""
        texts = self.track.texts
        known = min(row, len(texts) - 1)
        while not texts[known]:
            known -= 1
        if row == known or self.step is None:
            return texts[known] if row == known else None
        return later(texts[known], self.step, row - known)
