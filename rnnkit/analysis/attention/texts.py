"""A source text, and the map of what a model writes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit.analysis.attention.grid import Grid
from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.contracts.pair_text import TextPairs
from rnnkit.contracts.ragged import side_by_side
from rnnkit.core.context import Context
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.inference.model import Model
from rnnkit.inference.translate import LENGTH
from rnnkit.network.network import Network
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.types import Array, Params


def grids_of(
    model: Model, network: Seq2Seq, data: TextPairs, text: str, target: str | None
) -> list[Grid]:
    """Return a map for each layer that looks at the source.

    The decoder writes what is likeliest, or reads a given target. A source that is read backwards
    is shown forwards. Raises DataError for text that the model does not know.
    """
    _, vocabulary = model.text()
    coder, params = data.coder(vocabulary), model.store.values
    ids = coder.source(text)
    source = side_by_side([ids])
    if target is None:
        steps = LENGTH if coder.end is not None else coder.pad[1]
        limits = TargetLimits(coder.start, coder.end, steps)
        (written,) = decode_greedily(network, params, source, limits)
        cut = coder.end is not None and len(written) == steps
        if coder.end is not None and not cut:
            written.append(coder.end)
    else:
        cut = False
        written = coder.target(target)[1:].tolist()
    step, names = -1 if coder.reverse else 1, vocabulary.tokens
    read = tuple(names[i] for i in ids[::step].tolist())
    given = tuple(names[i] for i in written)
    found = looks(network, params, source, [coder.start, *written[:-1]])
    return [Grid(name, given, read, weights[:, ::step], cut) for name, weights in found.items()]


def looks(
    network: Network,
    params: Mapping[str, Params],
    source: EncoderInputs,
    read: Sequence[int],
) -> dict[str, Array]:
    """Return the weights (T, S) of each layer that looks at the source, by its name.

    `source` is one stream, `read` the T ids that the decoder reads, so that row t belongs to the
    token that it gives after them. Source steps without data have no column.
    """
    inputs = np.array(read, np.int32)[:, None]
    weights, resets = np.zeros(inputs.shape, np.float32), np.zeros(inputs.shape, bool)
    resets[0] = True
    batch = Batch(inputs, inputs, weights, resets, None, None, source)
    found: dict[str, Array] = {}
    for visit in network.visits(params, batch, {}, Context()):
        seen = visit.layer.looks(visit.params, visit.xs, visit.ctx)
        if seen is not None:
            found[visit.name] = seen[0][:, source.valid[:, 0]]
    return found
