"""Softmax cross-entropy of rows of logits against labels, the row in the cache from end to end.

A row whose weight is 0, or whose label is below 0, counts for nothing; others are below V, which
the caller has seen to. `smoothing` e replaces the label's indicator q by (1 - e) q + e / V.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from rnnkit.compute.kernels.exp_below_zero import exp_below_zero
from rnnkit.compute.kernels.jit import jit
from rnnkit.compute.kernels.largest import largest_of, sortable
from rnnkit.compute.kernels.memory import doubles, float_pointer, ids_at


@jit
def loss(logits: Any, labels: Any, weights: Any, smoothing: float) -> tuple[float, float]:
    """Return the summed loss and weight of logits (N, V), which are left as they are."""
    ordered, total, summed = sortable(logits), 0.0, 0.0
    for n in range(len(logits)):
        row, label, weight = logits[n], labels[n], np.float64(weights[n])
        if weight == 0 or label < 0:
            continue
        largest = largest_of(ordered[n])
        mass = row.dtype.type(0)
        for j in range(len(row)):
            mass += exp_below_zero(row[j] - largest)
        total += weight * (math.log(np.float64(mass)) - _wanted(row, label, largest, smoothing))
        summed += weight
    return total, summed


def loss_of_rows(
    logits: int, labels: int, weights: int, into: int, rows: int, columns: int, smoothing: float
) -> int:
    """Write what `loss` returns to two numbers of float64, as the weights are; return 0."""
    given = carray(float_pointer(logits), (rows, columns))
    found = doubles(into, 2)
    found[0], found[1] = loss(given, ids_at(labels, rows), doubles(weights, rows), smoothing)
    return 0


@jit
def gradient(
    logits: Any, bias: Any, labels: Any, weights: Any, smoothing: float, dbias: Any, chosen: Any
) -> tuple[float, float]:
    """Return what `loss` does of logits (N, V) + bias, and turn the logits into their gradient.

    The gradient of the bias is added to `dbias` (V,). In `chosen` (N,) stands the label where its
    logit is the first of the largest, else -1.
    """
    ordered, total, summed = sortable(logits), 0.0, 0.0
    for n in range(len(logits)):
        row, label, weight = logits[n], labels[n], np.float64(weights[n])
        kind = row.dtype.type
        if weight == 0 or label < 0:
            row[:] = kind(0)
            chosen[n] = -1
            continue
        for j in range(len(row)):
            row[j] += bias[j]
        largest = largest_of(ordered[n])
        chosen[n] = label if _is_first(row, label, largest) else -1
        wanted = _wanted(row, label, largest, smoothing)
        mass = kind(0)
        for j in range(len(row)):
            value = exp_below_zero(row[j] - largest)
            row[j] = value
            mass += value
        total += weight * (math.log(np.float64(mass)) - wanted)
        summed += weight
        scale, shift = kind(weight / mass), kind(weight * smoothing / len(row))
        for j in range(len(row)):
            value = row[j] * scale - shift
            row[j] = value
            dbias[j] += value
        kept = kind(weight * (1 - smoothing))
        row[label] -= kept
        dbias[label] -= kept
    return total, summed


@jit
def _is_first(row: Any, label: int, largest: Any) -> bool:
    """Tell whether the logit of the label is the largest, and none before it is as large."""
    if row[label] != largest:
        return False
    for j in range(label):
        if row[j] == largest:
            return False
    return True


@jit
def _wanted(row: Any, label: int, largest: Any, smoothing: float) -> Any:
    """Return sum_v q_v (y_v - largest)."""
    top = np.float64(largest)
    found = (1 - smoothing) * (row[label] - top)
    if smoothing:
        mean = 0.0
        for value in row:
            mean += np.float64(value)
        found += smoothing * (mean / len(row) - top)
    return found
