"""How likely a model finds text: the log-probability of each token, given those before it.

Lines that start from the same state are run side by side, each at its batch's first step. What a
shorter one reads past its end is not looked at, so no layer needs to know where a line ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from rnnkit.core.context import Context
from rnnkit.errors import DataError, placed
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.by_length import in_batches
from rnnkit.inference.finite import not_finite
from rnnkit.inference.generate import rows_at_once, windows
from rnnkit.inference.stream_state import StreamState
from rnnkit.network.network import Network
from rnnkit.types import Array, Params

STREAMS = 64
"""Lines that are run side by side at most."""

HELD = 2**16
"""Tokens, and starts of lines, that are held at once to be sorted by length."""


def log_probabilities(
    network: Network, params: Mapping[str, Params], ids: Array, begun: StreamState
) -> tuple[Array, StreamState]:
    """Return log p (N,) in nats of each of the ids (N,) that one stream sees next, and its state.

    Each is given those before it; the stream has not read its `last` token, which it needs. Raises
    DivergedError at the first token of which the scores are not finite.
    """
    ctx, states, found = Context(), begun.states, [np.zeros(0)]
    for start, ys, after in windows(network, params, begun.before(ids)[:-1], states, ctx):
        found.append(_log_p(network, ys[:, 0], ids[start : start + len(ys)]))
        states = after
    logs = _finite(network, np.concatenate(found))
    last = begun.before(ids)[-1].astype(np.int64)
    return logs, replace(begun, states=states, last=last)


def score_text(
    model: BoundNetwork, text: str, begun: StreamState
) -> tuple[Array, Array, StreamState]:
    """Return (ids, log p) of a text that continues one stream, and the stream after it."""
    _check(model)
    ids = model.encode(text)
    logs, after = log_probabilities(model.network, model.store.values, ids, begun)
    return ids, logs, after


def score_lines(model: BoundNetwork, lines: Iterable[str]) -> Iterator[tuple[Array, Array]]:
    """Yield (ids, log p) of each line, in the order given, as if nothing stood before it.

    Raises CheckpointError at once for a model that gives none. Other errors are those of the first
    line that has one, by its number, once the lines before it are yielded.
    """
    begun = model.line_start()
    _check(model)
    return _in_order(model, lines, begun)


def _check(model: BoundNetwork) -> None:
    model.network.token_scores.check(model.path, "no text has a probability")


def _in_order(
    model: BoundNetwork, lines: Iterable[str], begun: StreamState
) -> Iterator[tuple[Array, Array]]:
    streams = 1 if model.network.reads_later else min(STREAMS, rows_at_once(model.network))
    side_by_side = partial(_side_by_side, model, begun)
    first = 1
    for held in _held(model, lines):
        found = in_batches(held, list(map(len, held)), streams, side_by_side)
        for number, (ids, logs) in enumerate(zip(held, found, strict=True), first):
            yield ids, _finite(model.network, logs, f"line {number}, ")
        first += len(held)


def _held(model: BoundNetwork, lines: Iterable[str]) -> Iterator[list[Array]]:
    """Yield the ids of lines, as many as are held at once; DataError where one is not known."""
    encode, tokens = model.encoder(), 0
    held: list[Array] = []
    for number, line in enumerate(lines, 1):
        try:
            ids = encode(line)
        except DataError as error:
            yield held
            raise placed(error, f"line {number}") from None
        held.append(ids)
        tokens += len(ids) + 1
        if tokens >= HELD:
            yield held
            held, tokens = [], 0
    yield held


def _side_by_side(
    model: BoundNetwork, begun: StreamState, batch: Sequence[Array]
) -> Iterator[Array]:
    """Yield log p (N,) of the ids (N,) of each line, the longest first; NaN as in `_log_p`."""
    network, first = model.network, begun.spread(len(batch))
    assert first.last is not None, "a line has a token before it"
    lengths = np.array([len(ids) for ids in batch])
    there = np.arange(lengths[0])[:, None] < lengths
    ids = np.zeros(there.shape, np.int32)
    ids.T[there.T] = np.concatenate(batch)
    xs, found = np.vstack([first.last, ids])[:-1].astype(np.int32), np.zeros(ids.shape)
    run = windows(network, model.store.values, xs, first.states, Context(), lengths)
    for start, ys, _ in run:
        piece = slice(start, start + len(ys)), slice(ys.shape[1])
        counted = there[piece]
        found[piece][counted] = _log_p(network, ys[counted], ids[piece][counted])
    for k, length in enumerate(lengths):
        yield found[:length, k].copy()


def _log_p(network: Network, ys: Array, ids: Array) -> Array:
    """Return log p (N,) of ids (N,) by outputs (N, F); NaN where the largest is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        logs = network.token_scores.of(ys).astype(np.float64)
        logs -= logs.max(axis=1, keepdims=True)
        chosen = logs[np.arange(len(ids)), ids]
        return np.asarray(chosen - np.log(np.exp(logs, out=logs).sum(axis=1)))


def _finite(network: Network, logs: Array, line: str = "") -> Array:
    """Return log p (N,); raises DivergedError at the first that is NaN."""
    wrong = np.flatnonzero(np.isnan(logs))
    if len(wrong):
        raise not_finite(network, f"{line}step {wrong[0] + 1}")
    return logs
