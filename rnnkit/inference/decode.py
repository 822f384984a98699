"""What a decoder writes for each source when it takes the likeliest token each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.inference.decoder import Decoder
from rnnkit.network.seq2seq import Seq2Seq
from rnnkit.types import Params


class TargetLimits(NamedTuple):
    """Where a target begins and ends: its `start`, its `end` (None: nothing), its most `steps`."""

    start: int
    end: int | None
    steps: int


def decode_greedily(
    network: Seq2Seq, params: Mapping[str, Params], source: EncoderInputs, limits: TargetLimits
) -> list[list[int]]:
    """Return the target of each source, the end left out: always the likeliest token.

    All are decoded side by side; one that has ended is run no further.
    """
    streams = source.resets.shape[1]
    decoder = Decoder(network, params, source, streams)
    targets: list[list[int]] = [[] for _ in range(streams)]
    going, ids = np.arange(streams), np.full(streams, limits.start, np.int32)
    for _ in range(limits.steps):
        ids = decoder.scores(ids).argmax(axis=1).astype(np.int32)
        if limits.end is not None and limits.end in ids:
            lasting = np.flatnonzero(ids != limits.end)
            going, ids = going[lasting], ids[lasting]
            decoder.keep(lasting)
        for stream, token in zip(going.tolist(), ids.tolist(), strict=True):
            targets[stream].append(token)
        if not len(going):
            break
    return targets
