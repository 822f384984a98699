"""Where the next window starts, as a checkpoint stores it: {"window": i}, or null at the start."""

from __future__ import annotations

from rnnkit.types import JSON

MAX_EPOCHS = 2**53


def place(cursor: JSON, key: str, count: int) -> int:
    """Return the number under a key, of `count` that there are; 0 at the start.

    Raises KeyError, TypeError or ValueError for what no checkpoint of this data holds.
    """
    if cursor is None:
        return 0
    found = cursor[key]
    if type(found) is not int or not 0 <= found < count:
        raise ValueError(f"{key}: expected a whole number from 0 to {count - 1}")
    return found
