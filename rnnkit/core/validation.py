"""Pydantic's errors as sentences, for values that were given in Python rather than in a file.

What stands in a file is told of by `rnnkit.spec.pydantic_errors`, with line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnkit.errors import Path, Problem, closest, printable, spelled

KIND = re.compile(r"(?:constrained-)?(?:int|float|str|bool|none)|(?:tuple|list|dict|literal)\[.*\]")
"""How Pydantic names what a value may be, where it may be one of several."""


def sentences(
    error: ValidationError, code: str, where: str = "", known: Iterable[str] = ()
) -> list[Problem]:
    """Return a problem for each error: the option, what was expected, what was received.

    `known` are the options there are, for one that there is not.
    """
    grouped: dict[Path, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False)[:100]:
        grouped.setdefault(_place(details["loc"]), []).append(details)
    found = []
    for place, errors in grouped.items():
        # Of what holds a wrong value Pydantic counts the good ones alone.
        if place and any(other != place and other[: len(place)] == place for other in grouped):
            continue
        path = ".".join(map(str, place))
        start = f"{path}: " if path else ""
        for message in _messages(errors, path, known):
            found.append(Problem(where, code, f"{start}{message}"))
    return found


def _messages(errors: Sequence[ErrorDetails], path: str, known: Iterable[str]) -> list[str]:
    """Return what is told of one value: what it might have been is one sentence."""
    found, expected = [], []
    for details in errors:
        context = details.get("ctx", {})
        if details["type"] == "extra_forbidden":
            found.append(_unknown(path, known))
        elif details["type"] == "missing":
            found.append("is missing")
        elif "error" in context or "message" in context:
            found.append(str(context.get("error") or context["message"]))
        else:
            expected.append(_expected(details["msg"]))
    if expected:
        *others, last = dict.fromkeys(expected)
        what = f"{', '.join(others)} or {last}" if others else last
        received = printable(spelled(errors[0]["input"]), 60)
        found.append(f"expected {what}, received {received}")
    return found


def _place(loc: tuple[int | str, ...]) -> Path:
    """Return the keys that lead to a value, without the kinds that Pydantic tried it as."""
    found, by_name = [], False
    for part in loc:
        kind = isinstance(part, str) and not by_name and bool(KIND.fullmatch(part))
        by_name = kind and str(part).startswith("dict[")
        if not kind:
            found.append(part)
    return tuple(found)


def options_error(error: ValidationError, where: str, known: Iterable[str]) -> ValueError:
    """Return the error of options that a function was given: a line for each."""
    found = sentences(error, "", "", known)
    return ValueError("\n".join(f"{where}: {problem.message}" for problem in found))


def _expected(reason: str) -> str:
    """Return what Pydantic says that a value should be, to stand after "expected"."""
    expected = reason.removeprefix("Input should be ").removeprefix("expected ")
    if expected.startswith(("greater", "less")):
        return f"a number {expected}"
    length = re.fullmatch(r"\w+ should have (at (?:least|most) .*?)(?: after .*)?", expected)
    return length[1] if length else expected


def _unknown(name: str, known: Iterable[str]) -> str:
    names = sorted(set(known) - {"type"})
    near = closest(name, names)
    guess = f'; did you mean "{near}"?' if near else ""
    return f"there is no such option{guess}" + (f" (there is {', '.join(names)})" if names else "")
