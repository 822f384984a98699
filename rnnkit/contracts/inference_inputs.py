"""What a model is asked about a file: sequences without targets, and what answers to them mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rnnkit.contracts.pair_text import Coder
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import Array

Stamp: TypeAlias = Callable[[int, int], Mapping[str, object]]
"""What names the step so many steps after a step of a series, and that step itself."""


class Question(NamedTuple):
    """One sequence of a file: the line where it starts, and its inputs, ids (T,) or values (T, F).

    `each`: every step has an answer; else the last one alone. `ends` is the label that ends the
    answer of an input that unrolls, whose own steps are few: zeros follow until it is given.

    `lines` are those of the steps, where each step is a row of its own, and so is its answer; 0 for
    a step that no row tells of, whose answer is not asked for. Of a series `stamp(i, h)` returns
    what names the step that is h steps after step i, and i itself: lines, times, and the group.
    `group` is the series that it belongs to. `unscaled` returns estimates (N, K) of it in the units
    of the data, where it is on a scale that is not that of all.
    """

    line: int
    inputs: Array
    each: bool = False
    ends: int | None = None
    lines: Sequence[int] = ()
    stamp: Stamp | None = None
    group: str | None = None
    unscaled: Callable[[Array], Array] | None = None


class Questions(NamedTuple):
    """The good sequences of a file in its order, what answers mean, and what was skipped.

    `whole`: the answers of a sequence are one text, character by character. `streams`: the file is
    one stream, which goes on after its end; a sequence otherwise starts from a zero state.
    `coder`: the sequences are sources, and a decoder writes the answers, which it turns into text.
    `horizons`: a step is asked for those so many steps later, its outputs stand one after another.
    """

    records: Sequence[Question]
    meaning: Meaning = Meaning()
    whole: bool = False
    streams: bool = False
    skipped: int = 0
    note: str = ""
    coder: Coder | None = None
    horizons: tuple[int, ...] = ()
