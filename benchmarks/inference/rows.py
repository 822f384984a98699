"""What is asked of which model, and what must be equal on every side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.side import CHECKED, Found, Kind
from benchmarks.workloads import Workload
from rnnkit.types import Array

FORWARD = {
    row.name: row
    for row in (
        Workload("step", "lstm", 65, 2, 128, 1, 1, "embedding"),
        Workload("stream", "lstm", 65, 2, 128, 1, 200, "embedding"),
        Workload("streams", "lstm", 65, 2, 128, 64, 100, "embedding"),
        Workload("wide", "lstm", 65, 2, 512, 64, 100, "embedding"),
        Workload("words", "lstm", 10_000, 1, 200, 16, 50, "embedding"),
        Workload("long", "lstm", 65, 2, 128, 16, 2000, "embedding"),
    )
}
SCORED = Workload("lines", "lstm", 65, 2, 128, 2000, 60, "embedding")
"""So many lines as it has streams, of at most so many characters as it has steps."""
ROWS = {**FORWARD, SCORED.name: SCORED}
"""All of it."""
BESIDE = 64
"""Lines that a peer reads side by side."""
COMPARED = 20
"""Lines whose log-probability must be equal on every side."""
FIRST = 0x4E00
"""The first of 20,000 characters in a row, of which a vocabulary is made."""


def kind_of(row: Workload) -> Kind:
    """Return how a row is asked: one step as it arrives, or windows."""
    return "Step" if row.steps == 1 else "Forward"


def characters(vocabulary: int) -> str:
    """Return the characters of a vocabulary, in the order of their ids."""
    return "".join(map(chr, range(FIRST, FIRST + vocabulary)))


def lengths(row: Workload) -> Array:
    """Return how many characters each line has: a third of the most, or up to all of them."""
    return np.random.default_rng(2).integers(row.steps // 3, row.steps + 1, row.batch)


def lines(row: Workload, ids: Array) -> list[str]:
    """Return lines of the ids (T + 1, B) of a workload."""
    known = characters(row.vocabulary)
    return [
        "".join(known[k] for k in column[:length])
        for column, length in zip(ids.T, lengths(row), strict=True)
    ]


def needed(row: Workload) -> tuple[int, int]:
    """Return the bytes that parameters and the outputs of one window cannot do without."""
    parameters = sum(array.nbytes for name, array in row.draw().items() if name != "ids")
    return parameters, 4 * row.steps * row.batch * row.vocabulary


def check_windows(run: Callable[[], Array], ids: Array) -> Found:
    """Run some windows; return log p (B,) of ids (B,) after the last step of each."""
    found: list[float] = []
    for _ in range(CHECKED):
        last = np.array(run()[-1], np.float64)
        chosen = last[np.arange(len(ids)), ids] - np.log(np.exp(last).sum(axis=1))
        found += chosen.tolist()
    return {"log p": found}
