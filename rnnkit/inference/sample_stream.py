"""Samples as text while they grow: what is shown stays, and where each one ends."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from rnnkit.inference.generate import Sampling
from rnnkit.inference.model import Model
from rnnkit.inference.stream_state import StreamState

PIECE = 32
"""Tokens between two pieces, or an eighth of what is there: text appears as it is made."""


class Grown(NamedTuple):
    """Samples so far: what of their texts stays, and their ids, which may be some more."""

    texts: list[str]
    ids: list[list[int]]


def grow(
    model: Model,
    prompt: str,
    length: int,
    count: int,
    sampling: Sampling,
    stop: str | None,
    begun: StreamState | None = None,
) -> Iterator[Grown]:
    """Yield the samples as they grow; the text of each stays as it is once it has met `stop`.

    What may still change, because a token goes on or `stop` may be under way, is held back.
    """
    steps = model.stream(prompt, count, sampling, begun)
    samples: list[list[int]] = [[] for _ in range(count)]
    drawn, done = 0, False
    while not done:
        piece = list(islice(steps, min(max(PIECE, drawn // 8), length - drawn)))
        rows = zip(*(ids.tolist() for ids in piece), strict=True)
        for sample, added in zip(samples, rows, strict=False):
            sample += added
        drawn += len(piece)
        texts = model.continuations(prompt, samples)
        done = drawn == length or all(stop is not None and stop in text for text in texts)
        yield Grown([_settled(text, stop, done) for text in texts], samples)


def ended(
    model: Model,
    prompt: str,
    ids: Sequence[Sequence[int]],
    stop: str | None,
    begun: StreamState | None,
) -> StreamState:
    """Return the hidden states after samples: after the last token, or what completes `stop`."""
    return model.after(prompt, [_kept(model, prompt, sample, stop) for sample in ids], begun)


def _kept(model: Model, prompt: str, ids: Sequence[int], stop: str | None) -> Sequence[int]:
    def met(length: int) -> bool:
        return stop is None or stop in model.continuation(prompt, ids[:length])

    return ids if stop is None else ids[: bisect_left(range(len(ids)), True, key=met)]


def _settled(text: str, stop: str | None, done: bool) -> str:
    """Return the part of a growing text that stays."""
    if stop and stop in text:
        return text[: text.index(stop)]
    if done:
        return text
    held = max(len(stop) - 1 if stop else 0, 1)
    return text[: max(len(text) - held, 0)].rstrip("\ufffd")
