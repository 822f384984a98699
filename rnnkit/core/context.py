"""What a layer receives besides its inputs: training or not, random numbers, scratch memory.

Random numbers are keyed, not stored: a generator follows from (seed, purpose, layer path) and
(step, time, shard), so a resumed run redraws the same numbers and no generator state is saved. The
generator is Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), a keyed
counter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.types import Array, DType, Shape

DRAWS = 8
"""Float32 numbers that Philox makes of one value of its counter."""


def keyed_generator(
    seed: int, purpose: str, path: str = "", step: int = 0, time: int = 0, shard: int = 0
) -> np.random.Generator:
    """Return the generator of a purpose, such as "init", at a layer path, step, time and shard."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{path}".encode()).digest()
    key = np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)
    counter = np.array([0, time, step, shard], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


class Pool:
    """Scratch arrays that are handed out again once the window is closed.

    Fresh memory for every window costs more than the arithmetic of a small cell. Windows of many
    lengths would leave arrays of many shapes behind: once they hold more than twice what a window
    takes, those of other shapes than the last window's are given back. Tests set `fill` to NaN, so
    that a layer that reads what it has not written is seen.
    """

    def __init__(self, fill: float | None = None) -> None:
        self._fill = fill
        self._free: dict[tuple[Shape, DType], list[Array]] = {}
        self._used: list[Array] = []
        self._held = 0

    def take(self, shape: Shape, dtype: DType) -> Array:
        """Return an array with unspecified contents, valid until `recycle`."""
        free = self._free.get((shape, dtype))
        if free:
            array = free.pop()
        else:
            array = np.empty(shape, dtype)
            self._held += array.nbytes
        if self._fill is not None and dtype.kind == "f":
            array.fill(self._fill)
        self._used.append(array)
        return array

    def recycle(self) -> None:
        """Close the window: every array taken may be handed out again."""
        used = sum(array.nbytes for array in self._used)
        if self._held > 2 * used:
            self._free, self._held = {}, used
        for array in self._used:
            self._free.setdefault((array.shape, array.dtype), []).append(array)
        self._used.clear()

    def another(self) -> Pool:
        """Return an empty pool that fills its arrays as this one."""
        return Pool(self._fill)


@dataclass
class Tally:
    """How much is decided right in the targets of a window, by weight."""

    right: float = 0.0
    weight: float = 0.0

    def add(self, chosen: Array, wanted: Array, weights: Array) -> None:
        """Add ids (T, B), below 0 where there is no target, or answers (T, B, F), by their mean."""
        live = weights != 0
        if chosen.ndim == 2:
            live &= wanted >= 0
        if not live.any():
            return
        ws, right = weights[live].astype(np.float64), chosen[live] == wanted[live]
        self.right += float(ws @ right.reshape(len(ws), -1).mean(axis=1, dtype=np.float64))
        self.weight += float(ws.sum())


@dataclass(frozen=True)
class Context:
    """Passed to every layer and loss.

    `train` switches dropout on; `dtype` is float32, or float64 for checks; `valid` (T, B) marks the
    steps of a ragged batch that carry data (None: all), for a layer that reads an encoder's outputs
    those (S, B) of the source; `resets` (T, B), told to a loss alone, where streams start anew.
    `learns_below` is false where nothing below the layer learns: backward may then give None for
    the gradient of its inputs. `learns` is false where no parameter of the layer learns: backward
    may then leave `grads` as they are, but for that of an encoder's outputs. In `tally` a loss
    counts what it decides right, where somebody wants to know.
    """

    train: bool = False
    dtype: DType = np.dtype(np.float32)
    seed: int = 0
    path: str = ""
    step: int = 0
    time: int = 0
    shard: int = 0
    valid: Array | None = None
    resets: Array | None = None
    learns_below: bool = True
    learns: bool = True
    pool: Pool = field(default_factory=Pool)
    tally: Tally | None = None

    def empty(self, shape: Shape, dtype: DType | None = None) -> Array:
        """Return scratch memory that lives until the window is closed."""
        return self.pool.take(shape, dtype or self.dtype)

    def random(self, *, locked: bool = False, past: int = 0) -> np.random.Generator:
        """Return the generator of this layer and step; `locked`: the same at every time index.

        It begins after `past` blocks of DRAWS float32 numbers, so that threads may share a draw.
        """
        time = 0 if locked else self.time
        generator = keyed_generator(self.seed, "dropout", self.path, self.step, time, self.shard)
        generator.bit_generator.advance(past)  # type: ignore[attr-defined]
        return generator

    def but(self, **changes: Any) -> Context:
        """Return a context with some fields changed: `dataclasses.replace` at a sixth of its time.

        A window of a small model makes several, each of which took 4 us.
        """
        found = object.__new__(type(self))
        vars(found).update(vars(self), **changes)
        return found

    def at(self, name: str, *, learns_below: bool = True, learns: bool | None = None) -> Context:
        """Return the context of an inner layer, which then draws its own numbers.

        A wrapper that gives it nothing but its own inputs passes its own `learns_below` on; what
        its own `learns` says holds for the inner layer too, unless the network says otherwise.
        """
        path = f"{self.path}.{name}" if self.path else name
        own = self.learns if learns is None else learns
        return self.but(path=path, learns_below=learns_below, learns=own)

    def later(self, steps: int) -> Context:
        """Return the context of a piece of the window that starts `steps` later."""
        return self.but(time=self.time + steps) if steps else self
