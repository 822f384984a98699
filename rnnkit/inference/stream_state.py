"""What streams carry from one piece of text to the next: their hidden states, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array


@dataclass(frozen=True)
class StreamState:
    """The hidden states of B streams, and what text and sampling need besides.

    `last` (B,) is the token that each stream has seen and not yet read: the model's next outputs
    are those for what follows it. None where everything seen is read. `drawn` (B,) counts the
    random numbers that sampling has used, so that an equal seed continues and repeats nothing.
    """

    states: States
    streams: int = 1
    last: Array | None = None
    drawn: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @classmethod
    def zero(cls, network: Network, streams: int = 1, last: int | None = None) -> StreamState:
        """Return zero states of streams that have read nothing, `last` the token before them."""
        return cls(
            network.initial_states(streams, np.dtype(np.float32)),
            streams,
            None if last is None else np.full(streams, last, np.int64),
            np.zeros(streams, np.int64),
        )

    def rows(self, index: Array) -> StreamState:
        """Return the streams of these numbers, which may repeat."""
        last = None if self.last is None else self.last[index]
        return StreamState(_rows(self.states, index), len(index), last, self.drawn[index])

    def spread(self, streams: int) -> StreamState:
        """Return one stream as many; as many stay as they are. ValueError for other numbers."""
        if streams == self.streams:
            return self
        if self.streams != 1:
            raise ValueError(
                f"{self.streams} streams cannot go on as {streams} (as many, or one as many)"
            )
        return self.rows(np.zeros(streams, np.intp))

    def before(self, ids: Array) -> Array:
        """Return what is to be read for ids (T,) that every stream sees next: (T or T + 1, B)."""
        each = np.repeat(ids.astype(np.int32)[:, None], self.streams, axis=1)
        return each if self.last is None else np.vstack([self.last.astype(np.int32), each])


def joined_streams(each: Sequence[StreamState]) -> StreamState:
    """Return streams that were read one by one as one value."""
    lasts = [part.last for part in each if part.last is not None]
    states = {
        name: tuple(
            np.concatenate([part.states[name][i] for part in each]) for i in range(len(state))
        )
        for name, state in each[0].states.items()
    }
    return StreamState(
        states,
        sum(part.streams for part in each),
        np.concatenate(lasts) if lasts else None,
        np.concatenate([part.drawn for part in each]),
    )


def _rows(states: States, index: Array) -> States:
    return {name: tuple(array[index] for array in state) for name, state in states.items()}
