"""Texts that a model with an encoder and a decoder writes for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.contracts.pair_text import TextPairs
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.errors import CheckpointError, DataError, Problem
from rnnkit.inference.decode import Limits, beam, decode
from rnnkit.inference.model import Model
from rnnkit.network.seq2seq import Seq2Seq

STREAMS = 256
"""Sources that are read side by side."""


class Written(NamedTuple):
    """A text; log p in nats and what ranks it among others, where beams were searched."""

    text: str
    log_probability: float | None = None
    score: float | None = None


def translate(
    model: Model,
    texts: Sequence[str],
    width: int = 1,
    alpha: float = 1.0,
    length: int = 200,
) -> list[list[Written]]:
    """Return for each text what the model writes, the best first: one, or up to `width` beams.

    A target has at most `length` tokens; where none ends by itself, as many as in training. Raises
    CheckpointError for a model without an encoder, and DataError, with the number of the line, for
    text that it does not know.
    """
    network, data = model.network, model.spec.data
    if not isinstance(network, Seq2Seq) or not isinstance(data, TextPairs):
        message = "the model has no encoder that reads a text (rnnkit sample goes on from one)"
        raise CheckpointError.of("CKPT_NO_ENCODER", message, model.path)
    _, vocabulary = model.text()
    coder, params = data.coder(vocabulary), model.store.values
    limits = Limits(coder.start, coder.end, length if coder.end is not None else coder.pad[1])
    sources = _checked(data, texts, vocabulary)
    if width == 1:
        found: list[list[Written]] = []
        for start in range(0, len(texts), STREAMS):
            source = data.reading(texts[start : start + STREAMS], vocabulary)
            ids = decode(network, params, source, limits)
            found += [[Written(coder.text(target))] for target in ids]
        return found
    return [
        [
            Written(coder.text(h.ids), h.log_probability, h.score)
            for h in beam(network, params, source, limits, width, alpha)
        ]
        for source in sources
    ]


def _checked(data: TextPairs, texts: Sequence[str], vocabulary: Vocabulary) -> list[EncoderInputs]:
    """Return each source on its own; raises DataError that names all lines with one that is bad."""
    found, problems = [], []
    for line, text in enumerate(texts, 1):
        try:
            found.append(data.reading([text], vocabulary))
        except DataError as error:
            first = error.problems[0]
            problems.append(Problem(f"source {line}", first.code, first.message))
    if problems:
        raise DataError(*problems[:10])
    return found
