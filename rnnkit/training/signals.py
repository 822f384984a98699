"""SIGINT and SIGTERM: the first asks the run to stop after the step, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """The number of the signal that asked for a stop; 0 while none did."""

    number: int = 0


@contextmanager
def catching_signals() -> Iterator[StopRequest]:
    """Turn the first signal into a request; put the handlers back at the end."""
    request = StopRequest()

    def first(number: int, frame: FrameType | None) -> None:
        request.number = number
        # The second one, of either kind, takes the system's own way: the previous checkpoint is
        # valid at any instant.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    before = {n: signal.signal(n, first) for n in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
