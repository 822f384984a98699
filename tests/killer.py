"""Run a command line that SIGKILLs itself: python killer.py WHAT N ARGUMENTS...

WHAT is a call of `os` that a save makes (write, fsync, replace, open, unlink), or "line". The
process dies before the N-th such call, or right after the N-th line of the metrics.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def dying(call: Callable[..., Any], number: int, after: bool) -> Callable[..., Any]:
    """Return the call, deadly at the given time."""
    count = 0

    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        found = call(*arguments, **options) if after or count < number else None
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return wrapped


def main(what: str, number: int, arguments: list[str]) -> int:
    """Arm the process and run the command."""
    from rnnkit.checkpoint.journal import Journal
    from rnnkit.cli import run_command

    if what == "line":
        Journal.append = dying(Journal.append, number, after=True)  # type: ignore[method-assign]
    else:
        setattr(os, what, dying(getattr(os, what), number, after=False))
    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
