"""What a model is asked about a file: sequences without targets, and what answers to them mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnkit.contracts.pair_text import Coder
from rnnkit.contracts.target_info import Meaning
from rnnkit.types import Array


class Question(NamedTuple):
    """One sequence of a file: the line where it starts, and its inputs, ids (T,) or values (T, F).

    `each`: every step has an answer; else the last one alone. `ends` is the label that ends the
    answer of an input that unrolls, whose own steps are few: zeros follow until it is given.

    `lines` are those of the steps, where each step is a row of its own, and so is its answer; 0 for
    a step that no row tells of, whose answer is not asked for. Of a series with a column of time,
    `times` are those of the steps as the file writes them ("" where no row tells of one), and
    `later(i, h)` writes the time h steps after step i. `group` is the series that it belongs to.
    """

    line: int
    inputs: Array
    each: bool = False
    ends: int | None = None
    lines: Sequence[int] = ()
    times: Sequence[str] = ()
    later: Callable[[int, int], str] | None = None
    group: str | None = None


class Questions(NamedTuple):
    """The good sequences of a file in its order, what answers mean, and what was skipped.

    `whole`: the answers of a sequence are one text, character by character. `streams`: the file is
    one stream, which goes on after its end; a sequence otherwise starts from a zero state.
    `coder`: the sequences are sources, and a decoder writes the answers, which it turns into text.
    """

    records: Sequence[Question]
    meaning: Meaning = Meaning()
    whole: bool = False
    streams: bool = False
    skipped: int = 0
    note: str = ""
    coder: Coder | None = None
