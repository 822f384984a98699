"""Beam search: the best of many targets that a decoder could write for each source.

Sutskever, Vinyals and Le 2014. Targets that ended are compared by log p over a power of their
length (Wu et al. 2016, "Google's neural machine translation system", equation 14, whose constants
are left out).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.inference.decode import TargetLimits
from rnnkit.inference.decoder import Decoder
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.types import Array, Params


class Hypothesis(NamedTuple):
    """A target: its ids, the end left out, log p in nats (the end's too), and what ranks it."""

    ids: tuple[int, ...]
    log_probability: float
    score: float


def search_beams(
    network: Seq2Seq,
    params: Mapping[str, Params],
    source: EncoderInputs,
    limits: TargetLimits,
    width: int,
    alpha: float = 1.0,
) -> list[list[Hypothesis]]:
    """Return up to `width` targets of each source, the best first.

    Each step keeps the `width` likeliest beginnings; a target that ends, or is as long as it may
    be, is ranked by log p / length^alpha, the end counted (0: by log p alone). The search of a
    source stops where no beginning can become better than its `width` best. All are searched side
    by side.
    """
    streams = source.resets.shape[1]
    decoder = Decoder(network, params, source, streams * width)
    searches = [_Search(limits, width, alpha) for _ in range(streams)]
    going, ids = searches, np.full(streams, limits.start, np.int32)
    for length in range(1, limits.steps + 1):
        logs, first = _log_softmax(decoder.scores(ids)), 0
        rows: list[int] = []
        for search in going:
            end = first + len(search.live)
            rows += [first + row for row in search.grow(logs[first:end], length)]
            first = end
        going = [search for search in going if search.live]
        if not going:
            break
        decoder.keep(np.array(rows))
        ids = np.array([target[-1] for search in going for target, _ in search.live], np.int32)
    return [search.done for search in searches]


class _Search:
    """The beams of one source: beginnings that go on, with their log p, and targets that ended."""

    def __init__(self, limits: TargetLimits, width: int, alpha: float) -> None:
        self._limits, self._width, self._alpha = limits, width, alpha
        self.live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
        self.done: list[Hypothesis] = []

    def grow(self, logs: Array, length: int) -> list[int]:
        """Take log p of the next token (live, V); return the beginnings that go on, by number."""
        (_, end, steps), width = self._limits, self._width
        logs = logs + np.array([p for _, p in self.live])[:, None]
        grown: list[tuple[int, tuple[int, ...], float]] = []
        # Each row has one end, so that `width` of twice as many go on.
        for row, token in _best(logs, 2 * width):
            before, log_p = self.live[row][0], float(logs[row, token])
            if token == end or length == steps:
                ids = before if token == end else (*before, token)
                self.done.append(Hypothesis(ids, log_p, log_p / length**self._alpha))
            elif len(grown) < width:
                grown.append((row, (*before, token), log_p))
        self.done = sorted(self.done, key=lambda found: -found.score)[:width]
        if grown and self._settled(grown[0][2] / steps**self._alpha):
            grown = []
        self.live = [(target, log_p) for _, target, log_p in grown]
        return [row for row, _, _ in grown]

    def _settled(self, bound: float) -> bool:
        return len(self.done) == self._width and bound <= self.done[-1].score


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _best(logs: Array, count: int) -> list[tuple[int, int]]:
    """Return the places of the largest values, in their order; of equal ones the first.

    What is impossible, at -inf, is not among them.
    """
    flat = logs.ravel()
    count = min(count, int(np.count_nonzero(flat > -np.inf)))
    if not count:
        return []
    among = np.flatnonzero(flat >= np.partition(flat, flat.size - count)[flat.size - count])
    order = among[np.argsort(-flat[among], kind="stable")][:count]
    rows, tokens = divmod(order, logs.shape[1])
    return list(zip(rows.tolist(), tokens.tolist(), strict=True))
