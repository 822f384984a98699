"""A long window learned in blocks of steps, each run a second time when its gradient is due.

Forward keeps only the state that enters each block; backward takes the blocks from the last to the
first, runs each again from that state, and then its gradient (Chen, Xu, Zhang and Guestrin 2016,
"Training deep nets with sublinear memory cost"). One block's activations are in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context
from rnnkit.network.network import Learned, Network, cut_window
from rnnkit.network.states import States, copied
from rnnkit.types import Grads, Params


def window_blocks(steps: int) -> list[slice]:
    """Cut a window into blocks of about sqrt(steps) steps; only the last may be shorter.

    T steps in blocks of k hold the activations of k steps and T / k states. The sum is least where
    k = sqrt(T s / a), s and a the bytes of a state and of a step's activations: a few times below
    sqrt(T), where it is flat. Longer blocks keep the products of all steps of a block wide.
    """
    return cut_window(steps, math.isqrt(steps - 1) + 1)


def learn_in_blocks(
    network: Network,
    params: Mapping[str, Params],
    grads: Mapping[str, Grads],
    batch: Batch,
    states: States,
    ctx: Context,
) -> tuple[float, float, States]:
    """Do what `Network.learn` does, in the memory of one block and of the states between blocks.

    Sums over steps are formed block by block, and a layer that draws random numbers for all steps
    at once draws them for a block: the same at both runs, but not those of the whole window. Every
    layer must be causal. What is returned is no scratch memory.
    """
    window = _Window(network, params, grads, batch, ctx.but(learns_below=False))
    cuts = window_blocks(len(batch.weights))
    entering = window.forward(cuts[:-1], states)
    total = weight = 0.0
    after, dstates = states, None
    for block in reversed(cuts):
        found = window.learn(block, entering.pop(), dstates)
        after = found.states if dstates is None else after
        total, weight, dstates = total + found.total, weight + found.weight, found.dstates
    return total, weight, after


class _Window:
    """What every block of a window shares, and the scratch memory of the block at hand."""

    def __init__(
        self,
        network: Network,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        batch: Batch,
        ctx: Context,
    ) -> None:
        self.network, self.params, self.grads = network, params, grads
        self.batch, self.ctx = batch, ctx
        self.pool, self.length = ctx.pool.another(), 0

    def forward(self, blocks: Sequence[slice], states: States) -> list[States]:
        """Return the states before equal blocks and after the last, and keep nothing else."""
        network = self.network
        # The last layer has no part in it unless it has a state.
        part = network if network.names[-1] in states else network.body
        ctx = replace(self.ctx, pool=self.pool.another())
        found = part.run_in_pieces(self.params, self.batch, blocks, states, ctx)
        return [states, *(after for _, _, after in found)]

    def learn(self, block: slice, states: States, dstates: States | None) -> Learned:
        """Run a block again and then its gradient."""
        found = self.network.learn_piece(
            self.params, self.grads, self.batch.steps(block), states, dstates, self._context(block)
        )
        return found._replace(states=copied(found.states), dstates=copied(found.dstates))

    def _context(self, block: slice) -> Context:
        """Return the context of a block, in the memory of the block before, or of its own length.

        Memory is handed out again for the same shapes: that of another length would lie idle.
        """
        length, ctx = block.stop - block.start, self.ctx
        self.pool.recycle()
        if length != self.length:
            self.pool, self.length = ctx.pool.another(), length
        valid = None if ctx.valid is None else ctx.valid[block]
        return ctx.later(block.start).but(pool=self.pool, valid=valid)
