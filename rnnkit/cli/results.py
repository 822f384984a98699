"""stdout is for results alone: while a command runs, what others print goes to stderr."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import IO

import click

from rnnkit.core.stray_output import StrayOutput
from rnnkit.errors import without_steering

RESULTS = "rnnkit.results"
AS_JSON = "rnnkit.as_json"


@contextmanager
def results_alone(context: click.Context) -> Iterator[None]:
    """Keep stdout for `print_result`: a plugin may print in any call."""
    context.meta[RESULTS] = sys.stdout
    with redirect_stdout(StrayOutput()):
        yield


def results() -> IO[str]:
    """Return the stream of the results of this command; stdout where none runs."""
    context = click.get_current_context(silent=True)
    found = context.meta.get(RESULTS) if context else None
    return found if found is not None else sys.stdout


def terminal_width() -> int | None:
    """Return the columns of the terminal that results go to; None where they go elsewhere."""
    return shutil.get_terminal_size().columns if results().isatty() else None


def json_asked() -> bool:
    """Tell whether the command was given --json."""
    return bool(click.get_current_context().meta.get(AS_JSON))


def print_result(text: str = "", nl: bool = True) -> None:
    """Write a piece of the result at once, with a line end unless told otherwise.

    A pipe or a file gets every character. What would steer a terminal is escaped there, but for
    colours.
    """
    # Not click.echo, which takes out of a text what looks like a colour.
    stream, whole = results(), text + "\n" * nl
    stream.write(without_steering(whole, colours=True) if stream.isatty() else whole)
    stream.flush()
