"""What the commands share: options, tables, numbers and durations as people write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import click

from rnnkit.cli.paths import OUTPUT as OUTPUT
from rnnkit.cli.paths import PATH as PATH
from rnnkit.cli.paths import SafeCommand
from rnnkit.errors import DataError, RnnkitError, printable

F = TypeVar("F", bound=Callable[..., object])

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LARGEST = 1e18
"""Where a time or a size is a slip: 30 billion years, a thousand petabytes."""
LONGEST_CELL = 4096
BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


THREADS = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of matrix products (default: BLAS decides).",
)


def make_command(name: str) -> Callable[[Callable[..., object]], click.Command]:
    """Make a command that also takes --json and -v."""

    def decorate(function: Callable[..., object]) -> click.Command:
        json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        verbose = click.option("-v", "--verbose", is_flag=True, help="Show where an error arose.")
        names = {"help_option_names": ["-h", "--help"]}
        make = click.command(name, SafeCommand, context_settings=names)
        return make(json_option(verbose(function)))

    return decorate


def run_options(start: str) -> Callable[[F], F]:
    """Add the options that run and resume share; relative data paths begin at `start`."""
    options = (
        click.option(
            "-s",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a value of the spec.",
        ),
        click.option(
            "--data-root",
            type=PATH,
            help=f"Where relative data paths start (default: {start}).",
        ),
        click.option(
            "--max-steps",
            type=click.IntRange(min=0),
            help="Stop once the run has done so many steps in all.",
        ),
        click.option(
            "--max-time",
            type=quantity("time", SECONDS, "a time such as 90s, 30m or 2h"),
            help="Save and stop after this time (exit 10).",
        ),
        click.option(
            "--max-memory",
            type=quantity("size", BYTES, "a size such as 500MB or 4GB"),
            help="Refuse to need more (default: 80 % of what is free).",
        ),
        THREADS,
        click.option(
            "--exact",
            is_flag=True,
            help="Refuse to continue where bits would differ from the checkpoint's.",
        ),
    )

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def state_options(function: F) -> F:
    """Add the options of a command that reads hidden states from a file, and writes them."""
    options = (
        click.option("--state-in", type=PATH, help="Start from the hidden states in this file."),
        click.option(
            "--state-out", type=OUTPUT, help="Write the hidden states at the end to this file."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@contextmanager
def located(name: str, line: int) -> Iterator[None]:
    """Give what is wrong with one line of a file its place, `name:line`."""
    try:
        yield
    except DataError as error:
        from rnnkit.inference.predict import placed

        raise placed(error, f"{name}:{line}") from None


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Advise what this command can do where many rows are bad, and not a key of a spec."""
    try:
        yield
    except DataError as error:
        given = 'repair them, or give "skip_bad": true'
        problems = (replace(p, message=p.message.replace(given, advice)) for p in error.problems)
        raise DataError(*problems) from None


def quantity(name: str, units: Mapping[str, int], form: str) -> Callable[[str], float]:
    """Return what reads a number with a unit; the number is above 0, in the smallest unit."""

    def convert(text: str) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
        value = float(match[1]) * units.get(match[2], 0) if match else 0.0
        if not 0 < value < LARGEST:
            raise click.BadParameter(f"expected {form}, received {printable(repr(text))}")
        return value

    convert.__name__ = name  # the help shows it
    return convert


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Return rows in aligned columns; numbers to the right. No cell can fool a terminal."""
    cells = [
        [printable(str(c), LONGEST_CELL) for c in row] for row in ([head, *rows] if head else rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    kinds = [all(_is_number(c) for c in col[bool(head) :]) for col in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            c.rjust(w) if number else c.ljust(w)
            for c, w, number in zip(row, widths, kinds, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


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


def emit(
    as_json: bool, value: dict[str, Any], text: str, failure: RnnkitError | None = None
) -> None:
    """Write a result to stdout: one JSON object, or text; then raise the failure it shows."""
    if as_json:
        print_json(value if failure is None else {**value, **as_object(failure)})
    else:
        click.echo(text)
    if failure is not None:
        raise Shown(failure) from failure


def as_object(error: RnnkitError) -> dict[str, Any]:
    """Return an error as the object that --json prints."""
    problems = [vars(problem) for problem in error.problems]
    return {"error": {"exit": error.exit_code, "problems": problems}}


def print_json(value: object) -> None:
    """Write one line of JSON; half a character, as a shell may pass it, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    click.echo(text.encode(errors="backslashreplace").decode())


def finite_or_none(metrics: Mapping[str, object]) -> dict[str, object]:
    """Return metrics as JSON can hold them: None for what is not a finite number."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }


def tell(message: str) -> None:
    """Write what is no result to stderr; nobody may be reading it, which stops nothing."""
    with suppress(OSError):
        click.echo(message, err=True)


def number(value: object) -> str:
    """Return a metric in four significant digits, counts in full."""
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d,.]+(e[-+]?\d+)?( [kKMGT]?B)?|", text))
