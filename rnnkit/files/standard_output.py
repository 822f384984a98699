"""Where results go, which need not be descriptor 1: a command leaves that to what others print."""

from __future__ import annotations

import sys

STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""What a user may call it."""


_own: list[int] = []


def results_go_to(number: int) -> None:
    """Say which descriptor results go to, where that is no longer the one of Python's stdout."""
    _own[:] = [number]


def stdout_number() -> int:
    """Return the descriptor that results go to."""
    if _own:
        return _own[0]
    try:
        return sys.__stdout__.fileno() if sys.__stdout__ else 1
    except ValueError:  # it was closed
        return 1
