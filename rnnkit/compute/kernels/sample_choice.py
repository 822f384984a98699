"""The choice of the next token: `choose` of `rnnkit.inference.generate`, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnkit.compute.kernels.jit import jit


@jit
def choose_rows(logits: Any, temperature: float, top_k: int, top_p: float, drawn: Any) -> Any:
    """Return an id for each row of logits (B, V), from the numbers drawn (B,)."""
    rows, size = logits.shape
    found = np.empty(rows, np.int64)
    weights, ids = np.empty(size), np.empty(size, np.int64)
    for b in range(rows):
        row, largest = logits[b], argmax(logits[b], size)
        found[b] = choose_id(row, largest, temperature, top_k, top_p, drawn[b], weights, ids)
    return found


@jit
def choose_id(
    logits: Any,
    largest: int,
    temperature: float,
    top_k: int,
    top_p: float,
    drawn: float,
    weights: Any,
    ids: Any,
) -> int:
    """Return an id for a number `drawn` from [0, 1); `weights` and `ids` are scratch.

    `largest` is that of the logits by `argmax`. `top_k` 1 takes it; `top_k` of all and `top_p` 1
    leave every id in.
    """
    size = len(weights)
    if top_k == 1:
        return largest
    top = logits[largest] / temperature
    total = 0.0
    for v in range(size):
        weights[v] = math.exp(logits[v] / temperature - top)
        total += weights[v]
    if top_k < size:
        keep(logits, weights, ids, top_k, math.inf)
        total = weights.sum()
    if top_p < 1:
        keep(logits, weights, ids, size, top_p * total)
    return draw(weights, drawn)


@jit
def argmax(logits: Any, size: int) -> int:
    """Return the first of the largest, or the first NaN."""
    largest = 0
    for v in range(size):
        if logits[v] != logits[v]:
            return v
        if logits[v] > logits[largest]:
            largest = v
    return largest


@jit
def draw(weights: Any, drawn: float) -> int:
    """Return the first id at which the running sum of weights passes `drawn` of the total."""
    total = 0.0
    for v in range(len(weights)):
        total += weights[v]
        weights[v] = total
    for v in range(len(weights)):
        if weights[v] > drawn * total:
            return v
    return 0  # NaN is greater than nothing


@jit
def keep(logits: Any, weights: Any, ids: Any, most: int, mass: float) -> None:
    """Set weights to zero but for the largest logits: `most`, and no more than reach `mass`.

    A heap gives the largest one by one, so that a few of many ids need no sort; of equal logits the
    lower id comes first.
    """
    size = left = len(ids)
    for v in range(size):
        ids[v] = v
    for root in range(size // 2 - 1, -1, -1):
        sift(logits, ids, root, size)
    reached = 0.0
    while left > size - most and reached < mass:
        left -= 1
        ids[0], ids[left] = ids[left], ids[0]
        reached += weights[ids[left]]
        sift(logits, ids, 0, left)
    for k in range(left):
        weights[ids[k]] = 0.0


@jit
def sift(logits: Any, ids: Any, root: int, size: int) -> None:
    """Move the id at `root` down to its place in the heap of the first `size`."""
    while 2 * root + 1 < size:
        child = 2 * root + 1
        if child + 1 < size and before(logits, ids[child + 1], ids[child]):
            child += 1
        if not before(logits, ids[child], ids[root]):
            return
        ids[root], ids[child] = ids[child], ids[root]
        root = child


@jit
def before(logits: Any, a: int, b: int) -> bool:
    """Tell whether id `a` is likelier than `b`."""
    return bool(logits[a] > logits[b] or (logits[a] == logits[b] and a < b))
