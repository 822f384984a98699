"""stdin, stdout and stderr where they are closed, full, or read by nobody."""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import suppress

from rnnkit.files.standard_output import results_go_to, stdout_number

NAMES = ("stdin", "stdout", "stderr")

THREAD_SECONDS = 5.0
"""How long a thread may go on once all is done."""


def replace_closed() -> None:
    """Put /dev/null in the place of what was closed, before a file of ours takes its number."""
    for number, name in enumerate(NAMES):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
        mode = "w" if number else "r"
        stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def keep_results_apart() -> None:
    """Take stdout for results alone: what others write to descriptor 1 goes to stderr.

    A library of a plugin may print without Python, and again as late as at the end of the process.
    """
    stdout = sys.__stdout__
    if stdout is None or stdout is not sys.stdout or stdout.fileno() != 1:
        return
    stdout.flush()
    number = os.dup(1)
    own = open(
        number,
        "w",
        buffering=1 if stdout.isatty() else -1,
        encoding=stdout.encoding,
        errors="backslashreplace",  # a terminal may lack a character
        closefd=False,
    )
    # sys.__stdout__ stays where it was, so that what is written to it is no result either.
    sys.stdout = own
    results_go_to(number)
    os.dup2(2, 1)


def drop() -> None:
    """Flush both outputs, or send what they hold to nowhere: Python would end with 120 for it."""
    for number in (1, 2):
        stream = getattr(sys, NAMES[number])
        try:
            stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed since
            with suppress(OSError, ValueError):
                _to_nowhere(stream.fileno())


def end_threads(code: int) -> None:
    """Let Python wait for threads once all is done, as it does, but not for ever."""
    if _waited_for():
        late = threading.Timer(THREAD_SECONDS, _end_process, [code])
        late.daemon = True
        late.start()


def _waited_for() -> list[threading.Thread]:
    main = threading.main_thread()
    return [each for each in threading.enumerate() if each is not main and not each.daemon]


def _end_process(code: int) -> None:
    if _waited_for():
        with suppress(OSError, ValueError):
            print(
                "[WARNING] a thread of a plugin goes on; it is ended", file=sys.stderr, flush=True
            )
        os._exit(code)


def unread() -> bool:
    """Tell whether whoever read stdout or stderr has gone."""
    ends = select.poll()
    for number in (stdout_number(), 2):
        ends.register(number, 0)  # that the other end is gone is reported unasked
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in ends.poll(0))


def _to_nowhere(number: int) -> None:
    found = os.open(os.devnull, os.O_RDWR)
    if found != number:
        os.dup2(found, number)
        os.close(found)
