"""A limit on the time of code that may never return."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 10
"""How often code may go on although its time is up, before `give_up` is called."""

give_up: list[Callable[[], object]] = []
"""What a command does about code that goes on for ever: nothing in it can be stopped."""


class TimeUp(BaseException):
    """The time is up; no Exception, so that the code itself does not catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp within code that takes longer, and again each second until it ends.

    It needs the main thread and the alarm of the process: elsewhere, and where somebody else has
    set the alarm, there is no limit.
    """

    ignored = 0

    def up(number: int, frame: FrameType | None) -> None:
        nonlocal ignored
        ignored += 1
        if ignored > PATIENCE:
            for end in give_up:
                end()
        raise TimeUp

    if not _has_alarm():
        yield
        return
    signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _has_alarm() -> bool:
    return (
        threading.current_thread() is threading.main_thread()
        and hasattr(signal, "setitimer")
        and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
        and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    )
