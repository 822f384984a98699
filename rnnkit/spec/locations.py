"""Where the values of a spec stand, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnnkit.errors import Path, Problem, path_text
from rnnkit.types import JSON


@dataclass(frozen=True, order=True)
class Position:
    """A line and column of the file (source 0), or an override (source 1 for the first)."""

    source: int
    line: int
    column: int
    name: str

    def __str__(self) -> str:
        """Return what a message starts with."""
        return self.name if self.source else f"{self.name}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Location:
    """Where a value and its key stand (in a list both are the same); `text` is as written."""

    key: Position
    value: Position
    text: str = ""


def has(value: JSON, part: str | int) -> bool:
    """Tell whether a value is an object with a key, or a list with an item."""
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, dict) and part in value


@dataclass(frozen=True)
class Finding:
    """One broken rule at a path, before it becomes a line for the user."""

    path: Path
    code: str
    message: str
    at: Position

    def problem(self) -> Problem:
        """Return the line."""
        start = f"{path_text(self.path)}: " if self.path else ""
        return Problem(str(self.at), self.code, start + self.message)


def inside(path: Path, outer: Path) -> bool:
    """Tell whether `path` is `outer` or lies within it."""
    return path[: len(outer)] == outer


@dataclass
class Draft:
    """A spec on its way to being valid: its values, their places, and what was found wrong."""

    value: JSON
    places: dict[Path, Location]
    findings: list[Finding] = field(default_factory=list)
    overridden: dict[Path, Position] = field(default_factory=dict)

    def get(self, path: Path) -> JSON:
        """Return the value at a path; None where there is none."""
        value = self.value
        for part in path:
            value = value[part] if has(value, part) else None
        return value

    def place(self, path: Path) -> Location:
        """Return the place of a value, or of the closest object around it that has one."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def where(self, path: Path) -> Position:
        """Return what to blame for a value: an override that changed it or a part of it, first."""
        while path not in self.places:
            path = path[:-1]
        blamed = [at for changed, at in self.overridden.items() if inside(changed, path)]
        return max(blamed, default=self.places[path].value)

    def report(self, path: Path, code: str, message: str, at: Position | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(path, code, message, at or self.where(path)))

    def broken(self, path: Path) -> bool:
        """Tell whether something at the path or within it was found wrong."""
        return any(inside(finding.path, path) for finding in self.findings)
