"""Texts that a model with an encoder and a decoder writes for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.contracts.pair_text import Coder, TextPairs
from rnnkit.contracts.ragged import side_by_side
from rnnkit.errors import CheckpointError, DataError, Problem
from rnnkit.inference.beams import Hypothesis, search_beams
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.by_length import in_batches
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.types import Array

LENGTH = 200
"""Tokens of a target at most, where nothing else is said."""
ROWS = 256
"""Targets that are written side by side."""


class Written(NamedTuple):
    """A text; log p in nats and what ranks it among others, where beams were searched."""

    text: str
    log_probability: float | None = None
    score: float | None = None


def translate(
    model: BoundNetwork,
    texts: Sequence[str],
    width: int = 1,
    alpha: float = 1.0,
    length: int = LENGTH,
) -> list[list[Written]]:
    """Return for each text what the model writes, the best first: one, or up to `width` beams.

    A target has at most `length` tokens; where none ends by itself, as many as in training. Raises
    CheckpointError for a model without an encoder, and DataError, with the number of the line, for
    text that it does not know.
    """
    network, data = model.network, model.spec.data.underlying
    if not isinstance(network, Seq2Seq) or not isinstance(data, TextPairs):
        message = f"the model has no encoder that reads a text; use rnnkit {data.asked_by}"
        raise CheckpointError.of("CKPT_NO_ENCODER", message, model.path)
    coder = data.coder(model.text()[1])
    sources = _encoded(coder, texts)
    steps = length if coder.end is not None else coder.pad[1]
    if width == 1:
        return [[Written(text)] for text in likeliest(model, sources, coder, steps)]
    network.token_scores.check(model.path, "no beams can be searched", "leave out --beam")
    limits = TargetLimits(coder.start, coder.end, steps)

    def search(group: Sequence[Array]) -> list[list[Hypothesis]]:
        batch = side_by_side(group)
        return search_beams(network, model.store.values, batch, limits, width, alpha)

    found = in_batches(sources, [*map(len, sources)], max(1, ROWS // width), search)
    return [
        [Written(coder.text(h.ids), h.log_probability, h.score) for h in best] for best in found
    ]


def likeliest(model: BoundNetwork, sources: Sequence[Array], coder: Coder, steps: int) -> list[str]:
    """Return the text that the decoder writes for each source (S,): the likeliest token each time.

    A target has at most so many `steps`.
    """
    network = model.network
    assert isinstance(network, Seq2Seq)
    network.token_scores.check(model.path)
    limits = TargetLimits(coder.start, coder.end, steps)

    def decode(group: Sequence[Array]) -> list[list[int]]:
        return decode_greedily(network, model.store.values, side_by_side(group), limits)

    return [*map(coder.text, in_batches(sources, [*map(len, sources)], ROWS, decode))]


def _encoded(coder: Coder, texts: Sequence[str]) -> list[Array]:
    """Return the ids of each source; raises DataError that names all lines with one that is bad."""
    found, problems = [], []
    for line, text in enumerate(texts, 1):
        try:
            found.append(coder.source(text))
        except DataError as error:
            first = error.problems[0]
            problems.append(Problem(f"source {line}", first.code, first.message))
    if problems:
        raise DataError(*problems[:10])
    return found
