"""One row of a file with its line, and what is done about bad ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from rnnkit.errors import DataError, Problem, printable, spelled

SHOWN = 10
"""Bad rows that an error names one by one."""

FEW = 2
"""Rows that are named one by one, though all are bad in one way."""

REPAIR = 'repair them, or give "skip_bad": true'
"""What is advised where many rows are bad; a command may know better."""

MISSING = '(fill it in, or give "missing")'
"""What is advised for a missing value in time, which is not to be skipped."""

NO_NUMBER = ": expected a number, received "
"""What stands between the name of a column and what it holds in place of a number."""

T = TypeVar("T")


class Row(NamedTuple):
    """The fields of one row by name, and the line of the file where it starts."""

    line: int
    fields: Mapping[str, Any]


class EmptyLines(NamedTuple):
    """What becomes of an empty line within a table, and of a line that is short.

    Where `rows` are independent an empty line is passed over and counted. In time it is a missing
    value: a row whose cells are all empty, as are those that a short line lacks, with `gaps`;
    else a bad row.
    """

    rows: bool = True
    gaps: bool = False


PASSED = EmptyLines()


@dataclass
class BadRows:
    """Collects what is wrong with rows: skipped and counted, or an error that names them.

    `column` is the advice for a column that is wrong in every row. `last` holds the last line of
    each file that was looked at, from which `rows` is counted; `failed` of them were bad. `empty`
    lines were passed over.
    """

    skip: bool = False
    column: str = "repair it, or leave it out"
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    failed: int = 0
    last: dict[str, int] = field(default_factory=dict)
    empty: int = 0

    def attempt(self, name: str, line: int, action: Callable[[], T]) -> T | None:
        """Return what an action gives; None where it raises a DataError, which is kept."""
        if line > self.last.get(name, 0):  # a row may be looked at in several steps
            self.last[name] = line
            self.rows += 1
        try:
            return action()
        except DataError as error:
            found = error.problems[0]
            self.problems.append(Problem(f"{name}:{line}", found.code, found.message))
            self.failed += 1
            return None

    def emptied(
        self, lines: list[int], name: str, empty: EmptyLines, row: Mapping[str, Any]
    ) -> Iterator[Row]:
        """Yield what becomes of empty lines that are followed by a row, and forget them."""
        for line in lines:
            if empty.rows:
                self.empty += 1
            elif empty.gaps:
                yield Row(line, row)
            else:
                self.attempt(name, line, _refuse_empty)
        lines.clear()

    def good(self, name: str, rows: Iterable[Row], parse: Callable[[Row], T]) -> list[T]:
        """Return what `parse` gives of the rows of a file, where it raises no DataError."""
        found = (self.attempt(name, row.line, partial(parse, row)) for row in rows)
        return [item for item in found if item is not None]

    def check(self) -> None:
        """Raise DataError for the rows that were kept, unless they are skipped."""
        if self.skip or not self.problems:
            return
        if self._every_row():
            raise DataError(self._in_every_row())
        kinds = list(self._alike())
        shown, more = kinds[:SHOWN], sum(problem.count for problem in kinds[SHOWN:])
        if more > 0:
            message = f"{more} more rows are bad ({REPAIR})"
            shown = [*shown, Problem(shown[-1].where, "DATA_BAD_ROWS", message, more)]
        raise DataError(*shown)

    def _alike(self) -> Iterator[Problem]:
        """Yield the problems; those of many rows that are told in the same words are one."""
        rows = Counter((problem.code, problem.message) for problem in self.problems)
        told = set()
        for problem in self.problems:
            words = problem.code, problem.message
            if rows[words] <= FEW:
                yield problem
            elif words not in told:
                told.add(words)
                yield _of_rows(problem, rows[words])

    def _every_row(self) -> bool:
        """Tell whether all rows, of which there are some, are bad in one way."""
        kinds = {(p.code, p.message.partition(": ")[0]) for p in self.problems}
        return len(kinds) == 1 and FEW < self.rows == self.failed == len(self.problems)

    def _in_every_row(self) -> Problem:
        """Return the one problem of all rows; to skip them would leave nothing."""
        first = self.problems[0]
        column, found, received = first.message.partition(NO_NUMBER)
        if not found:
            message = f"{first.message}; it is so in each of the {self.rows:,} rows"
            return Problem(first.where, first.code, message)
        message = f"{column} is no number in any row; the first of {self.rows:,} holds {received}"
        advice = "" if received.endswith(")") else f" ({self.column})"
        return Problem(first.where, first.code, message + advice)

    def in_words(self) -> str:
        """Return how many were skipped, the first of them, and the empty lines; "" for none."""
        found, count = [], len(self.problems)
        if count:
            bad = f"{count:,} bad row{'s' * (count > 1)} skipped"
            found.append(f"{bad}, the first: {self.problems[0]}")
        if self.empty:
            found.append(f"{self.empty:,} empty line{'s' * (self.empty > 1)} passed over")
        return "; ".join(found)


def _of_rows(first: Problem, count: int) -> Problem:
    """Return the problem of so many rows, as the first of them has it."""
    advice = "" if first.message.endswith(MISSING) else f" ({REPAIR})"
    message = f"{first.message}; it is so in {count:,} rows{advice}"
    return Problem(first.where, first.code, message, count)


def _refuse_empty() -> None:
    raise DataError.of("DATA_EMPTY", f"the line is empty, which is a missing value {MISSING}")


def field_of(row: Mapping[str, Any], key: str) -> Any:
    """Return a field; raises DataError, naming those there are, where it is missing."""
    if key not in row:
        raise DataError.of("DATA_FIELD", f"there is no {as_json(key)} ({there_is(row)})")
    return row[key]


def text_field(row: Mapping[str, Any], key: str) -> str:
    """Return a field that holds text; raises DataError for another."""
    text = field_of(row, key)
    if not isinstance(text, str):
        raise DataError.of("DATA_FIELD", f"{key}: expected a text, received {as_json(text)}")
    return text


def there_is(names: Iterable[str]) -> str:
    """Return the first names that there are, as the end of a sentence."""
    return f"there is {', '.join(map(as_json, islice(names, 12))) or 'nothing'}"


def as_json(value: object) -> str:
    """Return a value as JSON, cut to a line that is safe to print."""
    try:
        return printable(json.dumps(value, ensure_ascii=False, default=repr), 60)
    except ValueError:
        return printable(spelled(value), 60)
