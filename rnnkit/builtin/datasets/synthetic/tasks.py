"""Tasks that a generator makes up, each with its baseline, what a guess gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from rnnkit.builtin.datasets.shared.sequence_source import Examples
from rnnkit.contracts.ragged import Ragged
from rnnkit.core.signal import Signal
from rnnkit.types import Array


class TaskOptions(NamedTuple):
    """What the tasks may be told: T steps, symbols, the delay of an echo, digits of a number."""

    length: int
    symbols: int
    delay: int
    digits: int


class Task(NamedTuple):
    """A task: its sequences, what flows in and out, what one target is, its baseline.

    `bytes` is what a sequence takes while it is made, with its place and its copies.
    """

    make: Callable[[np.random.Generator, int, TaskOptions], Examples]
    signals: Callable[[TaskOptions], tuple[Signal, Signal]]
    unit: str
    baseline: Callable[[TaskOptions], tuple[float, str]]
    bytes: Callable[[TaskOptions], int]


def _examples(inputs: Array, targets: Array) -> Examples:
    """Join inputs (n, T, ...) and targets (n, S, ...)."""
    count, per_target = targets.shape[:2]
    return Examples(
        Ragged(inputs.reshape(-1, *inputs.shape[2:]), np.arange(1, count + 1) * inputs.shape[1]),
        Ragged(
            targets.reshape(count * per_target, *targets.shape[2:]),
            np.arange(1, count + 1) * per_target,
        ),
    )


def copy_memory(random: np.random.Generator, count: int, o: TaskOptions) -> Examples:
    """Ten symbols, T - 1 blanks, a signal, ten blanks: say the ten symbols at the end.

    Hochreiter and Schmidhuber 1997; in this form Arjovsky, Shah and Bengio 2016. Blank is the id
    `symbols`, the signal the one after it; the T + 10 steps before the answer are to be blank.
    """
    blank, signal = o.symbols, o.symbols + 1
    said = random.integers(o.symbols, size=(count, 10), dtype=np.int32)
    inputs = np.full((count, o.length + 20), blank, np.int32)
    targets = inputs.copy()
    inputs[:, :10] = targets[:, -10:] = said
    inputs[:, o.length + 9] = signal
    return _examples(inputs, targets)


def adding(random: np.random.Generator, count: int, o: TaskOptions) -> Examples:
    """T pairs of a number in [0, 1) and a mark; the sum of the two numbers that are marked.

    Hochreiter and Schmidhuber 1997; one mark in each half, as Arjovsky, Shah and Bengio 2016.
    """
    half = o.length // 2
    inputs = np.zeros((count, o.length, 2), np.float32)
    inputs[:, :, 0] = random.random((count, o.length), np.float32)
    rows = np.arange(count)
    first, second = random.integers(half, size=count), random.integers(half, o.length, size=count)
    inputs[rows, first, 1] = inputs[rows, second, 1] = 1
    sums = inputs[rows, first, 0] + inputs[rows, second, 0]
    return _examples(inputs, sums[:, None, None])


def echo(random: np.random.Generator, count: int, o: TaskOptions) -> Examples:
    """T random symbols; each step is labelled by the symbol `delay` steps before, at once."""
    symbols = random.integers(o.symbols, size=(count, o.length), dtype=np.int32)
    return _examples(symbols, symbols[:, : o.length - o.delay])


ADDITION = "0123456789+"


def addition(random: np.random.Generator, count: int, o: TaskOptions) -> Examples:
    """A text such as 57+5, numbers of up to `digits` digits; the class is the sum."""
    numbers = random.integers(10**o.digits, size=(count, 2))
    texts = [f"{a}+{b}" for a, b in numbers.tolist()]
    ids = [np.array([ADDITION.index(c) for c in text]) for text in texts]
    sums = numbers.sum(axis=1).astype(np.int32)
    return Examples(Ragged.of(ids, np.int32), Ragged(sums, np.arange(1, count + 1)))


FLOWERS = np.array(
    [
        [[5.01, 3.43, 1.46, 0.25], [0.35, 0.38, 0.17, 0.11]],
        [[5.94, 2.77, 4.26, 1.33], [0.52, 0.31, 0.47, 0.20]],
        [[6.59, 2.97, 5.55, 2.03], [0.64, 0.32, 0.55, 0.27]],
    ]
)
"""Means, then deviations, of length and width of sepal and petal of three irises (Fisher 1936)."""


def iris(random: np.random.Generator, count: int, o: TaskOptions) -> Examples:
    """Four measures of a flower, normal about those of its kind; the kind, one of three."""
    kinds = random.integers(3, size=count, dtype=np.int32)
    means, deviations = FLOWERS[kinds, 0], FLOWERS[kinds, 1]
    flowers = means + deviations * random.standard_normal((count, 4))
    return _examples(flowers[:, None].astype(np.float32), kinds[:, None])


def _ids(inputs: int, targets: int) -> tuple[Signal, Signal]:
    return Signal(inputs, ids=True), Signal(targets, ids=True)


def _sums(o: TaskOptions) -> int:
    return 2 * int(10**o.digits) - 1


def _entropy_of_sums(o: TaskOptions) -> float:
    n = 10**o.digits
    p = np.minimum(np.arange(1, 2 * n), np.arange(2 * n - 1, 0, -1)) / n**2
    return float(-(p * np.log(p)).sum())


def _copy_baseline(o: TaskOptions) -> tuple[float, str]:
    return 10 * math.log(o.symbols) / (o.length + 20), "ten guesses among blanks have loss"


PLACE = 48
"""Where a sequence and its target end, and what comes of them, in bytes."""

TASKS: Mapping[str, Task] = {
    "copy": Task(
        copy_memory,
        lambda o: _ids(o.symbols + 2, o.symbols + 1),
        "step",
        _copy_baseline,
        lambda o: PLACE + 40 + 8 * (o.length + 20),
    ),
    "adding": Task(
        adding,
        lambda o: (Signal(2), Signal(1)),
        "sequence",
        lambda o: (1 / 6, "the mean for every answer has mse"),
        lambda o: PLACE + 32 + 12 * o.length,
    ),
    "echo": Task(
        echo,
        lambda o: _ids(o.symbols, o.symbols),
        "step",
        lambda o: (math.log(o.symbols), "guessing has loss"),
        lambda o: PLACE + 8 * o.length,
    ),
    "addition": Task(
        addition,
        lambda o: _ids(len(ADDITION), _sums(o)),
        "sequence",
        lambda o: (_entropy_of_sums(o), "knowing how often each sum occurs has loss"),
        lambda o: 320,
    ),
    "iris": Task(
        iris,
        lambda o: (Signal(4), Signal(3, ids=True)),
        "sequence",
        lambda o: (math.log(3), "guessing has loss"),
        lambda o: 160,
    ),
}
