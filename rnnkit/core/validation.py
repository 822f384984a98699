"""Pydantic's errors as sentences, for values that were given in Python rather than in a file.

What stands in a file is told of by `rnnkit.spec.pydantic_errors`, with line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import ValidationError

from rnnkit.errors import Problem, closest, printable


def sentences(
    error: ValidationError, code: str, where: str = "", known: Iterable[str] = ()
) -> list[Problem]:
    """Return a problem for each error: the option, what was expected, what was received.

    `known` are the options there are, for one that there is not.
    """
    found = []
    for details in error.errors(include_url=False)[:100]:
        path = ".".join(map(str, details["loc"]))
        start = f"{path}: " if path else ""
        if details["type"] == "extra_forbidden":
            found.append(Problem(where, code, f"{start}{_unknown(path, known)}"))
            continue
        context = details.get("ctx", {})
        reason = str(context.get("error") or context.get("message") or details["msg"])
        if details["type"] == "missing":
            message = f"{start}is missing"
        elif "error" in context or "message" in context:
            message = f"{start}{reason}"
        else:
            expected = _expected(reason)
            received = printable(repr(details["input"]), 60)
            message = f"{start}expected {expected}, received {received}"
        found.append(Problem(where, code, message))
    return found


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
