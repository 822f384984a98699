"""Where a decoder looks for each token that it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.core.context import Context
from rnnkit.network.network import Network
from rnnkit.types import Array, Params


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
