"""What the commands share: what they read, and how they print results, tables and numbers."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.results import json_asked, print_result
from rnnkit.core.text_width import columns, cut, to_left, to_right
from rnnkit.errors import DataError, RnnkitError, closest, placed, printable
from rnnkit.files.outputs import write_output
from rnnkit.reporting.printing import number as number
from rnnkit.reporting.printing import tell as tell

if TYPE_CHECKING:
    from rnnkit.contracts.dataset import Source, Split

LONGEST_CELL = 4096
SHORTEST = 20
"""Characters of a cell that are shown at least."""


def read_input(file: Path) -> tuple[bytes, str]:
    """Return the data of a file, or of stdin for -, and its name in errors.

    What is compressed is opened. Raises DataError, and ResourceError beyond what memory has room
    for, which no endless stdin outgrows.
    """
    from rnnkit.contracts.data_file import read_data, read_stream

    if str(file) != "-":
        return read_data(file), str(file)
    return read_stream(sys.stdin.buffer, "stdin"), "stdin"


def texts_given(texts: Sequence[str]) -> list[str]:
    """Return the texts of a command line, the lines of stdin where - stands.

    Raises UsageError where it stands twice, and DataError for a JSON list in place of lines.
    """
    if texts.count("-") > 1:
        raise click.UsageError("stdin is read once (give - once)")
    return [each for text in texts for each in (_stdin_lines() if text == "-" else [text])]


def _stdin_lines() -> list[str]:
    from rnnkit.files.json_list import is_json_list
    from rnnkit.files.marked_text import text_lines

    data, name = read_input(Path("-"))
    if is_json_list(data):
        message = "is a JSON list, and a source is a line (give each a line: jq -r '.[]')"
        raise DataError.of("DATA_JSON", message, name)
    return [line.decode(errors="surrogateescape") for line in text_lines(data, name)]


def tell_nothing(file: Path, asked: str) -> None:
    """Tell that a file, or stdin, holds nothing that a model could be asked about."""
    name = "stdin" if str(file) == "-" else file
    tell(f"{name} holds nothing to {asked} (give it a line for each text or row)")


def check_split(source: Source, split: Split, where: object = "") -> None:
    """Raise DataError where the data has no such split."""
    if split not in source.splits():
        message = f"has no {split} split (it has {', '.join(source.splits())}; give --split)"
        raise DataError.of("DATA_NO_SPLIT", message, where)


def unknown(
    kind: str, name: str, known: Sequence[str], elsewhere: Mapping[str, str] = MappingProxyType({})
) -> click.UsageError:
    """Return the error of a name that is none, with the one that was probably meant."""
    near = elsewhere.get(name) or closest(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    return click.UsageError(f"there is no {kind} {name!r} ({hint}there are {', '.join(known)})")


def lines_of(text: str) -> list[str]:
    """Return lines without their ends; only a line feed ends one, as in the text of a model."""
    return text.removesuffix("\n").split("\n") if text else []


@contextmanager
def located(name: str, line: int | None = None) -> Iterator[None]:
    """Give what is wrong with a text its place: the name of its file, or `name:line`."""
    try:
        yield
    except DataError as error:
        if line is not None:
            raise placed(error, f"{name}:{line}") from None
        raise DataError(*(replace(p, where=name) for p in error.problems)) from None


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Advise what this command can do where many rows are bad, and not a key of a spec."""
    try:
        yield
    except DataError as error:
        given = 'repair them, or give "skip_bad": true'
        problems = (replace(p, message=p.message.replace(given, advice)) for p in error.problems)
        raise DataError(*problems) from None


def table(
    rows: Iterable[Sequence[object]], head: Sequence[str] = (), width: int | None = None
) -> str:
    """Return rows in aligned columns; numbers to the right. No cell can fool a terminal.

    Where they are wider than `width`, the widest columns are shortened in the middle.
    """
    cells = [
        [printable(str(c), LONGEST_CELL) for c in row] for row in ([head, *rows] if head else rows)
    ]
    if width is not None:
        cells = _shortened(cells, width)
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    kinds = [all(_is_number(c) for c in col[bool(head) :]) for col in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            to_right(c, w) if number else to_left(c, w)
            for c, w, number in zip(row, widths, kinds, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _shortened(cells: list[list[str]], width: int) -> list[list[str]]:
    """Return cells whose columns fit beside each other, as far as none is below SHORTEST."""
    rooms = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    while sum(rooms) + 2 * (len(rooms) - 1) > width and max(rooms, default=0) > SHORTEST:
        rooms[rooms.index(max(rooms))] -= 1
    return [[cut(c, room) for c, room in zip(row, rooms, strict=True)] for row in cells]


class Stopped(BaseException):
    """A signal that ends a command as Ctrl-C does: what is open is put in order on the way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Shown(Exception):
    """An error that stdout already has, in one object with the result that it came with."""

    def __init__(self, error: RnnkitError) -> None:
        super().__init__(error)
        self.error = error


def emit(value: dict[str, Any], text: str, failure: RnnkitError | None = None) -> None:
    """Write a result, text or with --json one object, to stdout; then raise its failure."""
    if json_asked():
        print_json(value if failure is None else {**value, **as_object(failure)})
    else:
        print_result(text)
    if failure is not None:
        raise Shown(failure) from failure


def as_object(error: RnnkitError) -> dict[str, Any]:
    """Return an error as the object that --json prints."""
    problems = [
        {"where": problem.where, "code": problem.code, "message": problem.message}
        for problem in error.problems
    ]
    return {"error": {"exit": error.exit_code, "problems": problems}}


def print_json(value: object) -> None:
    """Write one line of JSON; half a character, as a shell may pass it, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    print_result(text.encode(errors="backslashreplace").decode())


def finite_or_none(metrics: Mapping[str, object]) -> dict[str, object]:
    """Return metrics as JSON can hold them: None for what is not a finite number."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }


def write_named(out: Path, data: bytes) -> None:
    """Write what an option names, and report it; raises StorageError."""
    write_output(out, data)
    tell(f"wrote {out}")


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d,.]+(e[-+]?\d+)?( [kKMGT]?B)?|", text))
