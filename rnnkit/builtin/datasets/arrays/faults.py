"""What is wrong with data from memory, all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnnkit.errors import DataError, Problem


@dataclass
class Faults:
    """Collects problems; `where` is the place that all of them are in."""

    where: str = ""
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, message: str) -> None:
        """Keep one problem."""
        self.problems.append(Problem(self.where, code, message))

    def check(self) -> None:
        """Raise DataError with all of them, if there are any."""
        if self.problems:
            raise DataError(*dict.fromkeys(self.problems))
