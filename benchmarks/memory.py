"""What this process holds: at most, and over what it held once its model was loaded."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


class Memory:
    """The memory of a process from the time at which this is made."""

    def __init__(self) -> None:
        gc.collect()
        if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)  # else what follows would be put where loading left room
        self.before = largest()
        if STATUS.exists():
            Path("/proc/self/clear_refs").write_text("5")  # the largest is counted anew
        self.loaded = largest()

    def peak(self) -> int:
        """Return the most bytes that the process has held."""
        return max(self.before, largest())

    def grown(self) -> int:
        """Return the most bytes that it has held since, over what it held then."""
        return largest() - self.loaded


def largest() -> int:
    """Return the largest resident memory of this process, in bytes."""
    if STATUS.exists():  # Linux: `ru_maxrss` would count the parent before this program began
        facts = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(facts["VmHWM"].split()[0]) * 1024
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024
