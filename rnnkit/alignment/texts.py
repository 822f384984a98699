"""A source text, and the map of what a model writes for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rnnkit.alignment.attend import looks
from rnnkit.alignment.grid import Grid
from rnnkit.dataset import EncoderInputs
from rnnkit.decode import Limits, decode
from rnnkit.model import Model
from rnnkit.seq2seq import Seq2Seq
from rnnkit.tokenizer import Vocabulary
from rnnkit.types import Array

SPARE = 20
"""Tokens beyond twice the source's that are written at most where nothing ends a text."""


class Coder(Protocol):
    """Turns texts into ids: what a decoder reads first and gives last (None: nothing)."""

    start: int
    end: int | None
    pad: tuple[int, int]
    reverse: bool

    def source(self, text: str) -> Array:
        """Return the ids (S,) that an encoder reads, in that order."""
        ...

    def target(self, text: str) -> Array:
        """Return the start, the ids of the text, and the end where there is one."""
        ...


@runtime_checkable
class TextPairs(Protocol):
    """What data of source and target texts offers."""

    def coder(self, vocabulary: Vocabulary) -> Coder:
        """Return what turns texts into ids."""
        ...

    def reading(self, texts: Sequence[str], vocabulary: Vocabulary) -> EncoderInputs:
        """Return what an encoder reads of texts (B,)."""
        ...


def grids_of(
    model: Model, network: Seq2Seq, data: TextPairs, text: str, target: str | None
) -> list[Grid]:
    """Return a map for each layer that looks at the source.

    The decoder writes what is likeliest, or reads a given target. A source that is read backwards
    is shown forwards. Raises DataError for text that the model does not know.
    """
    _, vocabulary = model.text()
    coder, params = data.coder(vocabulary), model.store.values
    source, ids = data.reading([text], vocabulary), coder.source(text)
    if target is None:
        limits = Limits(coder.start, coder.end, coder.pad[1] or 2 * len(ids) + SPARE)
        (written,) = decode(network, params, source, limits)
        if coder.end is not None and len(written) < limits.steps:
            written.append(coder.end)
    else:
        written = coder.target(target)[1:].tolist()
    step, names = -1 if coder.reverse else 1, vocabulary.tokens
    read = tuple(names[i] for i in ids[::step].tolist())
    given = tuple(names[i] for i in written)
    found = looks(network, params, source, [coder.start, *written[:-1]])
    return [Grid(name, given, read, weights[:, ::step]) for name, weights in found.items()]
