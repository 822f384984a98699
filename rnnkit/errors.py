"""Every error a user can meet: one class for each exit code, one line for each problem.

A line says where, which rule (the code in brackets), what was received and what to do:

    spec.json:9:32 [SPEC_TYPE] model.layers[1].units: expected an integer >= 1, received "128"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The keys and list positions that lead to a value of a spec."""


@dataclass(frozen=True, order=True)
class Problem:
    """One broken rule: `where` is a file, or file:line:column; `code` names the rule.

    `count` is how many there are like it, where one line stands for them. `path` leads to a value
    of a spec, for whoever knows where it stands in the file.
    """

    where: str
    code: str
    message: str
    count: int = 1
    path: Path = field(default=(), compare=False)

    def __str__(self) -> str:
        """Return the line a user reads; a place may be a name from somebody else's file."""
        message = without_steering(self.message).replace("\n", "\\n")
        return f"{printable(self.where, 4096)} [{self.code}] {message}".lstrip()


class RnnkitError(Exception):
    """The root of the tree: one or more problems, and the exit code of the command."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    @classmethod
    def of(cls, code: str, message: str, where: object = "") -> Self:
        """Build an error with one problem."""
        return cls(Problem(str(where), code, message))

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(map(str, self.problems))


class SpecError(RnnkitError):
    """The spec is missing, unreadable, or breaks a rule."""

    exit_code = 3

    @classmethod
    def at(cls, path: Path, code: str, message: str) -> Self:
        """Build an error with one problem of a value, whose file is not known here."""
        return cls(Problem("", code, f"{path_text(path)}: {message}", path=path))


class PluginError(RnnkitError):
    """A plugin is missing, broken, or clashes with another."""

    exit_code = 4


class DataError(RnnkitError):
    """The data is missing, undecodable or too small."""

    exit_code = 5


def placed(error: DataError, where: str) -> DataError:
    """Return the error of one line with its place in the file."""
    return DataError(
        *(
            replace(p, where=where, message=p.message.replace(" at line 1,", " at"))
            for p in error.problems
        )
    )


class CheckpointError(RnnkitError):
    """A checkpoint is missing, corrupt, not finite, or does not fit."""

    exit_code = 6


class DivergedError(RnnkitError):
    """Training met a number that is not finite."""

    exit_code = 7


class RefusedError(RnnkitError):
    """The run directory is in use or holds another run, or a change is not allowed."""

    exit_code = 8


class ThresholdError(RnnkitError):
    """A metric missed the threshold it was asked to meet."""

    exit_code = 9


class ResourceError(RnnkitError):
    """More memory than the budget, or more time than the limit."""

    exit_code = 10


class StorageError(RnnkitError):
    """The disk is full, or reading or writing a file of a run failed."""

    exit_code = 74


class InterruptedRun(RnnkitError):
    """A signal stopped the run after a valid checkpoint; `exit_code` is 128 + the signal."""

    def __init__(self, signal_number: int, *problems: Problem) -> None:
        super().__init__(*problems)
        self.exit_code = 128 + signal_number  # type: ignore[misc]


class ShapeError(ValueError):
    """A layer or loss cannot take what it is given; the spec adds file, line and column.

    `path` leads to the block from the one around it.
    """

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path: Path = path


def shape_text(shape: Iterable[int | str]) -> str:
    """Return the shape of an array as it is told: `16x128`."""
    return "x".join(map(str, shape)) or "scalar"


def path_text(path: Path) -> str:
    """Return a path as the user types it: `model.layers[1].units`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part, re.ASCII):
            text += f".{part}"
        else:
            text += f'["{printable(part)}"]'
    return printable(text.removeprefix("."), 200)


def wrong_type(name: str, expected: str, received: object, advice: str) -> TypeError:
    """Return the error of an argument of the wrong type: `load_spec: expected a path, ...`."""
    kind = type(received).__name__
    what = f"the class {received.__name__}" if isinstance(received, type) else f"a {kind}"
    return TypeError(f"{name}: expected {expected}, received {what} ({advice})")


def closest(word: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, or ""."""
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[near[0]] if near else ""


def raised(error: BaseException, limit: int = 1000) -> str:
    """Return the class of an error and what it says, even where its author's text fails."""
    try:
        said = str(error)
    except Exception as other:
        said = f"its own text fails with {type(other).__name__}"
    return ": ".join(filter(None, (type(error).__name__, printable(said, limit))))


_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"(\x1b\[[\d;]*m)")


def without_steering(text: str, colours: bool = False) -> str:
    """Return text without what steers a terminal or turns the order of letters: it is escaped.

    Line feeds and tabs stay, and sequences of `colours` where they are ours.
    """
    parts = _COLOUR.split(text) if colours else [text]
    parts[::2] = [_STEERING.sub(lambda found: ascii(found[0])[1:-1], each) for each in parts[::2]]
    return "".join(parts)


def printable(value: object, limit: int = 80) -> str:
    """Return text from a file in a form that no terminal can be fooled by."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # what a plugin gave may be nested too deeply, or be a class of its own
        text = f"what is {type(value).__name__}"
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def is_written(value: object) -> bool:
    """Tell whether Python writes a number, which it refuses of integers of 4,300 digits."""
    try:
        return bool(str(value))
    except ValueError:
        return False


def spelled(value: object) -> str:
    """Return the repr of a value, which Python refuses to write of integers of 4,300 digits."""
    try:
        return repr(value)
    except ValueError:
        return "a value with an integer of more than 4,300 digits"
