"""What a forecast goes on from: the past of each series, and what a file tells of its future."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rnnkit.types import Array


class ForecastRequest(NamedTuple):
    """What is asked of a file: so many `steps` after its end, or after its first `past` rows.

    `seen` is the part of each series, from its beginning, that the model was trained on.
    """

    steps: int
    past: int | None = None
    seen: float = 0.0
    skip_bad: bool = False


class Past(NamedTuple):
    """One series up to its last known row: inputs (N, F) in the units of the data, as is all else.

    `wanted` (N, K) are the values that came, not a number where none is known; those before the row
    `unseen` were trained on. `ahead` (M, F) are the inputs of the rows that follow, not a number
    where they are to be forecast. `stamp(k)` returns what names the k-th row after the last known
    one: its line, where the file has it, its time and its group. `scaled` and `unscaled` bring
    inputs (..., F) on the scale of the series and outputs (..., J K) back, where it has its own.
    """

    inputs: Array
    wanted: Array
    unseen: int
    ahead: Array
    stamp: Callable[[int], Mapping[str, object]]
    scaled: Callable[[Array], Array] | None = None
    unscaled: Callable[[Array], Array] | None = None


class Outlook(NamedTuple):
    """The series of a `file`, and how a model goes on with them.

    Its outputs at a row stand for the rows so many `horizons` later, one after another, and of each
    for the columns `wanted`; it reads the columns `reads`.
    """

    file: str
    series: Sequence[Past]
    horizons: tuple[int, ...]
    reads: tuple[str, ...]
    wanted: tuple[str, ...]
    note: str = ""
