"""What a decoder writes for a source: the likeliest token each time, or the best of many beams.

Beam search as in Sutskever, Vinyals and Le 2014. Targets that ended are compared by log p over a
power of their length (Wu et al. 2016, "Google's neural machine translation system", equation 14,
whose constants are left out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.core.context import Context
from rnnkit.inference.finite import finite_scores
from rnnkit.network.seq2seq import Encoded, Seq2Seq
from rnnkit.network.states import copied
from rnnkit.types import Array, Params


class TargetLimits(NamedTuple):
    """Where a target begins and ends: its `start`, its `end` (None: nothing), its most `steps`."""

    start: int
    end: int | None
    steps: int


class Hypothesis(NamedTuple):
    """A target: its ids, the end left out, log p in nats (the end's too), and what ranks it."""

    ids: tuple[int, ...]
    log_probability: float
    score: float


def decode_greedily(
    network: Seq2Seq, params: Mapping[str, Params], source: EncoderInputs, limits: TargetLimits
) -> list[list[int]]:
    """Return the target of each source, the end left out: always the likeliest token.

    All are decoded at once, until each has ended or is as long as it may be.
    """
    writer = _Writer(network, params, source)
    streams = source.resets.shape[1]
    ids = np.full(streams, limits.start, np.int32)
    ended = np.zeros(streams, bool)
    found: list[Array] = []
    while len(found) < limits.steps and not ended.all():
        ids = writer.scores(ids).argmax(axis=1).astype(np.int32)
        ended |= ids == (-1 if limits.end is None else limits.end)
        found.append(ids)
    targets = np.array(found, np.int32).reshape(len(found), streams).T.tolist()
    return [_before(target, limits.end) for target in targets]


def beam(
    network: Seq2Seq,
    params: Mapping[str, Params],
    source: EncoderInputs,
    limits: TargetLimits,
    width: int,
    alpha: float = 1.0,
) -> list[Hypothesis]:
    """Return up to `width` targets of one source, the best first.

    Each step keeps the `width` likeliest beginnings; a target that ends, or is as long as it may
    be, is ranked by log p / length^alpha, the end counted (0: by log p alone). The search stops
    where no beginning can become better than the `width` best.
    """
    writer = _Writer(network, params, source)
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    done: list[Hypothesis] = []
    ids = np.array([limits.start], np.int32)
    for length in range(1, limits.steps + 1):
        logs = _log_softmax(writer.scores(ids)) + np.array([p for _, p in live])[:, None]
        grown: list[tuple[int, tuple[int, ...], float]] = []
        # Each row has one end, so that `width` of twice as many go on.
        for row, token in _best(logs, 2 * width):
            target, log_p = (*live[row][0], token), float(logs[row, token])
            if token == limits.end or length == limits.steps:
                ids_found = tuple(_before(target, limits.end))
                done.append(Hypothesis(ids_found, log_p, log_p / length**alpha))
            elif len(grown) < width:
                grown.append((row, target, log_p))
        done = sorted(done, key=lambda found: -found.score)[:width]
        if not grown or _settled(done, grown[0][2] / limits.steps**alpha, width):
            break
        writer.keep([row for row, _, _ in grown])
        live = [(target, log_p) for _, target, log_p in grown]
        ids = np.array([target[-1] for target, _ in live], np.int32)
    return done


class _Writer:
    """A decoder that stands somewhere in its targets, and has read their sources."""

    def __init__(
        self, network: Seq2Seq, params: Mapping[str, Params], source: EncoderInputs
    ) -> None:
        self.network, self.params = network, params
        with np.errstate(over="ignore", invalid="ignore"):
            self.encoded: Encoded = network.read_source(params, source, Context())
        self.states, self.ctx, self.step = copied(self.encoded.states), Context(), 0

    def scores(self, ids: Array) -> Array:
        """Read ids (B,); return the scores of the next (B, V), else raise DivergedError."""
        self.step += 1
        with np.errstate(over="ignore", invalid="ignore"):
            ys, after = self.network.write(
                self.params, ids[None], self.states, self.encoded, self.ctx
            )
        found = finite_scores(self.network, ys[0], self.step).copy()
        self.states = copied(after)
        self.ctx.pool.recycle()
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """Go on from these streams (B,), in this order; one may come twice."""
        memory, valid, _, last = self.encoded
        self.states = {n: tuple(a[rows] for a in state) for n, state in self.states.items()}
        self.encoded = Encoded(memory[:, rows], valid[:, rows], {}, last[rows])


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _best(logs: Array, count: int) -> list[tuple[int, int]]:
    """Return the places of the largest values, in their order; of equal ones the first.

    What is impossible, at -inf, is not among them.
    """
    order = np.argsort(-logs, axis=None, kind="stable")[: min(count, (logs > -np.inf).sum())]
    return [
        (int(row), int(token)) for row, token in zip(*divmod(order, logs.shape[1]), strict=True)
    ]


def _settled(done: Sequence[Hypothesis], bound: float, width: int) -> bool:
    return len(done) == width and bound <= done[-1].score


def _before(ids: Sequence[int], end: int | None) -> list[int]:
    found = list(ids)
    return found[: found.index(end)] if end in found else found
