"""A decoder that stands somewhere in its targets, side by side, and has read their sources."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.core.context import Context
from rnnkit.inference.finite import finite_scores
from rnnkit.network.sections import bound_sections
from rnnkit.network.seq2seq import Encoded, Seq2Seq
from rnnkit.network.states import copied
from rnnkit.types import Array, Params


class Decoder:
    """Each row stands in a target of its own; at first there is one for each source.

    `rows` are about so many as there will be at once: matrices are arranged for them.
    """

    def __init__(
        self, network: Seq2Seq, params: Mapping[str, Params], source: EncoderInputs, rows: int
    ) -> None:
        self._network, self._params = network, params
        with np.errstate(over="ignore", invalid="ignore"):
            self._read: Encoded = network.read_source(params, source, Context())
        self._sections = bound_sections(network.writing, params, rows)
        self._encoded, self._sources = self._read, np.arange(source.resets.shape[1])
        self._states, self._ctx, self._step = copied(self._read.states), Context(), 0

    def scores(self, ids: Array) -> Array:
        """Read ids (B,); return the scores of the next (B, V), else raise DivergedError."""
        self._step += 1
        with np.errstate(over="ignore", invalid="ignore"):
            ys, after = self._network.write(
                self._params, ids[None], self._states, self._encoded, self._ctx, self._sections
            )
        found = finite_scores(self._network, ys[0], self._step).copy()
        self._states = copied(after)
        self._ctx.pool.recycle()
        return found

    def keep(self, rows: Array) -> None:
        """Go on from these rows (B,), in this order; one may come twice."""
        self._states = {n: tuple(a[rows] for a in state) for n, state in self._states.items()}
        sources = self._sources[rows]
        # Rows of a source that change places among themselves read the same.
        if not np.array_equal(sources, self._sources):
            memory, valid, _, last = self._read
            self._encoded = Encoded(memory[:, sources], valid[:, sources], {}, last[sources])
        self._sources = sources
