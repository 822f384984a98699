"""Run command lines in processes that SIGKILL themselves: python killer.py

Each line of stdin is a JSON list, WHAT, N and arguments. WHAT is a call of `os` that a save makes
(write, fsync, replace, open, unlink), or "line". A process dies before the N-th such call, or right
after the N-th line of the metrics; how it ended is a line of stdout. They are forks of this one,
which has imported all that they need.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from rnnkit.checkpoint.journal import Journal
from rnnkit.cli import run_command


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


def armed(what: str, number: int, arguments: list[str]) -> int:
    """Arm the process and run the command."""
    if what == "line":
        Journal.append = dying(Journal.append, number, after=True)  # type: ignore[method-assign]
    else:
        setattr(os, what, dying(getattr(os, what), number, after=False))
    return run_command(arguments)


def main() -> None:
    """Answer each line of stdin; the first is run here, and brings what the others need."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        what, number, *arguments = json.loads(line)
        if what == "nothing":
            code = run_command(arguments)
        elif child := os.fork():
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        else:
            os._exit(armed(what, number, arguments))
        print(code, file=answers, flush=True)


if __name__ == "__main__":
    main()
