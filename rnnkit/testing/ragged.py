"""The check of ragged batches: sequences of different lengths, right-aligned, each as if alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnnkit.testing.compare import Comparison, close
from rnnkit.testing.subject import FLOAT64, MEMORY, STEPS, STREAMS, Subject
from rnnkit.testing.window import NamedArrays, Window, forward_backward, join_streams, numbered
from rnnkit.types import Array

LENGTHS = np.array([STEPS, 2, 1, 4])
"""The steps of each sequence; before them stand numbers that must not matter."""

SOURCES = np.array([MEMORY, 1, 2, MEMORY])
"""The steps of the source that each reads, where the layer reads one."""

TOLERANCE = 1e-12


def ragged(subject: Subject) -> Iterator[Comparison]:
    """A batch of sequences of different lengths gives each the values and gradients it has alone.

    A sequence stands at the end of its stream, with a reset at its first step and no gradient from
    the steps before; `ctx.valid` marks the steps of the window, or of what the layer attends to.
    """
    window = subject.window()
    there = _carrying(LENGTHS, STEPS)
    attends = subject.layer.reads_memory
    batch = window.having(
        {
            "resets": np.arange(STEPS)[:, None] == STEPS - LENGTHS,
            "dys": np.where(there[:, :, None], window["dys"], 0),
        }
    )
    valid = _carrying(SOURCES, MEMORY) if attends else there
    found = forward_backward(subject.layer, replace(batch, ctx=replace(batch.ctx, valid=valid)))
    found["ys"] = np.where(there[:, :, None], found["ys"], 0)
    wanted = join_streams([_alone(subject, window, stream) for stream in range(STREAMS)])
    yield from close(found, wanted, TOLERANCE, " of a ragged batch")


def _alone(subject: Subject, window: Window, stream: int) -> NamedArrays:
    """Return what one sequence gives by itself, zeros standing for the steps before it."""
    length, source = int(LENGTHS[stream]), int(SOURCES[stream])
    column = window.streams([stream])
    pieces = {name: column[name][STEPS - length :] for name in ("xs", "resets", "dys")}
    start = subject.layer.initial_state(subject.inputs, 1, FLOAT64)
    pieces |= numbered("state", start)
    if subject.layer.reads_memory:
        pieces["params.memory"] = column["params.memory"][MEMORY - source :]
    found = forward_backward(subject.layer, column.having(pieces))
    padded = {"ys": STEPS, "dxs": STEPS, "grads.memory": MEMORY}
    return {name: _filled(name, array, padded.get(name)) for name, array in found.items()}


def _filled(name: str, array: Array, steps: int | None) -> Array:
    if name.startswith("dstate."):
        return np.zeros_like(array)  # the reset keeps it from the state before
    if steps is None:
        return array
    before = np.zeros((steps - len(array), *array.shape[1:]), array.dtype)
    return np.concatenate([before, array])


def _carrying(lengths: Array, steps: int) -> Array:
    """Return (steps, B): whether a step of a right-aligned sequence carries data."""
    found: Array = np.arange(steps)[:, None] >= steps - lengths
    return found
