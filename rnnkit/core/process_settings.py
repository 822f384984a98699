"""What belongs to the whole process, and what an import of a plugin must not change."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

SIGNALS = "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"


class ProcessSetting(NamedTuple):
    """Something of the process: what it is called that changes it, how it is read and put back."""

    changes: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


@contextmanager
def settings_kept(tell: Callable[[str], None]) -> Iterator[None]:
    """Put back what is changed of the process meanwhile; `tell` is told each, in words."""
    before = [setting.read() for setting in SETTINGS]
    try:
        yield
    finally:
        for setting, value in zip(SETTINGS, before, strict=True):
            if value and setting.read() != value:
                setting.write(value)
                tell(setting.changes)


def _working_directory() -> str:
    """Return where relative paths start; "" where that was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _umask() -> tuple[int]:
    """Return what is taken from the modes of new files; only a change tells it."""
    found = os.umask(0o077)
    os.umask(found)
    return (found,)


def _handlers() -> dict[int, Any]:
    """Return what signals do, as far as Python knows, and may change it here."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = (getattr(signal, name) for name in SIGNALS if hasattr(signal, name))
    found = {number: signal.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if handler is not None}


def _handle(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


SETTINGS = (
    ProcessSetting("calls np.seterr", np.geterr, lambda errors: np.seterr(**errors)),
    ProcessSetting("changes the working directory", _working_directory, os.chdir),
    ProcessSetting("changes the umask", _umask, lambda mask: os.umask(*mask)),
    ProcessSetting("changes what signals do", _handlers, _handle),
    ProcessSetting("sets the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
)
