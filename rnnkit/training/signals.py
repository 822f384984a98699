"""SIGINT, SIGTERM, SIGHUP: the first asks a run to stop after the step, the next kills it.

In Python SIGINT alone is caught, where it can be, and the next one is as it was before.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


def caught() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a run; not that of a closed terminal where nohup ignores it."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


def after_first(signals: Iterable[signal.Signals]) -> None:
    """Let a second signal take the system's own way: what was saved before is valid at any instant.

    Not SIGHUP: kernel and shell both send it where a terminal closes.
    """
    for each in signals:
        signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)


@dataclass
class StopRequest:
    """The number of the signal that asked for a stop; 0 while none did."""

    number: int = 0


@contextmanager
def catching_signals() -> Iterator[StopRequest]:
    """Turn the first signal into a request; put the handlers back at the end."""
    request, signals = StopRequest(), caught()

    def first(number: int, frame: FrameType | None) -> None:
        request.number = number
        after_first(signals)

    before = {n: signal.signal(n, first) for n in signals}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def catching_interrupt() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C into a request; the handler that was there has the next one.

    Signals reach the main thread alone: elsewhere none is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: FrameType | None) -> None:
        request.number = number
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, first)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
