"""A sequence of ids as contiguous streams side by side, read window by window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.cursor import place
from rnnkit.builtin.datasets.shared.file_dataset import Shares, split_values
from rnnkit.contracts.dataset import Batch, Layout, Split
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array


def count_windows(tokens: int, layout: Layout, where: str) -> int:
    """Return the windows in an epoch of N tokens, the next token being the target.

    Each stream has n = (N - 1) // streams inputs. Raises DataError with the numbers that would fit.
    """
    inputs = max(tokens - 1, 0) // layout.streams
    windows = -(-inputs // layout.window) if layout.tail else inputs // layout.window
    if windows == 0:
        raise DataError.of("DATA_TOO_SHORT", _too_short(tokens, layout, inputs), where)
    return windows


class Documents(NamedTuple):
    """Ids (N,), and the places (D,) where a document starts, but for the first."""

    ids: Array
    starts: Array = np.empty(0, np.int64)

    def cut(self, shares: Shares) -> dict[Split, Documents]:
        """Return the documents of each split, of which the first may be the rest of one."""
        parts, begun, found = split_values(self.ids, shares), 0, {}
        for split, ids in parts.items():
            inside = (begun < self.starts) & (self.starts < begun + len(ids))
            found[split] = Documents(ids, self.starts[inside] - begun)
            begun += len(ids)
        return found


def stream_windows(
    documents: Documents, layout: Layout, cursor: JSON, separator: Array | None
) -> Iterator[Batch]:
    """Yield the windows of documents from the cursor on; the layout must fit.

    A window's last state starts the next one; `resets` marks where a stream starts anew instead. No
    document foretells the next one: the target at its end weighs 0.
    """
    ids, starts = documents
    per_stream = (len(ids) - 1) // layout.streams
    used = per_stream * layout.streams
    inputs = ids[:used].reshape(layout.streams, per_stream)
    targets = ids[1 : used + 1].reshape(layout.streams, per_stream)
    count = count_windows(len(ids), layout, "")
    for index in range(place(cursor, "window", count), count):
        piece = slice(index * layout.window, min((index + 1) * layout.window, per_stream))
        xs = _time_major(inputs[:, piece])
        steps = np.arange(piece.start, piece.stop)[:, np.newaxis]
        places = steps + per_stream * np.arange(layout.streams)
        resets = np.isin(places, starts)
        if separator is not None:
            resets |= at_separators(ids, places, separator)
        if layout.reset == "window" or (index == 0 and layout.reset != "never"):
            resets[0] = True
        weights = 1 - np.isin(places + 1, starts).astype(np.float32)
        following = {"window": index + 1} if index + 1 < count else None
        yield Batch(xs, _time_major(targets[:, piece]), weights, resets, following)


def at_separators(ids: Array, places: Array, separator: Array) -> Array:
    """Return for each place whether a document starts there: at the last token of a separator.

    From it alone the first token of the document is learnt, as a sample without a prompt begins.
    """
    first = len(separator) - 1
    starts: Array = places >= first
    for index, token in enumerate(separator):
        starts &= ids[np.maximum(places - first + index, 0)] == token
    return starts


def _time_major(piece: Array) -> Array:
    return np.ascontiguousarray(piece.T, dtype=np.int32)


def _too_short(tokens: int, layout: Layout, inputs: int) -> str:
    need = layout.streams * (1 if layout.tail else layout.window) + 1
    fit = max(tokens - 1, 0) // (1 if layout.tail else layout.window)
    advice = [f"at most {fit} streams"] if fit else []
    if inputs and not layout.tail:
        advice.append(f"windows of at most {inputs}")
    said = f"{' or '.join(advice)} fit" if advice else 'give more text, or another "split"'
    return (
        f"{tokens} tokens, but {layout.streams} streams of windows of {layout.window} need at "
        f"least {need} ({said})"
    )
