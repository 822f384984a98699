"""Code of a plugin that ends the process by `os._exit` does so by an error: no command ends unsaid.

It would end with whatever code it gives, 0 too, before a line is told or a lock given back.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnnkit.errors import printable


@contextmanager
def ends_are_errors(end: Callable[[str], object]) -> Iterator[None]:
    """Let `os._exit` raise SystemExit, meanwhile, where this process is still needed.

    rnnkit's own calls, and those of a forked child, end as ever. No exception leaves a thread that
    is neither the main one nor rnnkit's, so `end` is told of it in words, and ends the process.
    """
    leave, process = os._exit, os.getpid()

    def refused(status: int) -> None:
        module = str(sys._getframe(1).f_globals.get("__name__"))
        if os.getpid() != process or module.startswith("rnnkit."):
            leave(status)
        thread = threading.current_thread()
        said = f"os._exit({status}) would end the command"
        if thread is threading.main_thread() or thread.name.startswith("rnnkit"):
            raise SystemExit(said)
        end(f"SystemExit: {said}, in the thread {printable(thread.name)}")

    os._exit = refused  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
