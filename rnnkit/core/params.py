"""The parameters of a network: named views of one flat buffer, with a twin for the gradients.

One buffer makes an optimizer, a norm, a finite check or an all-reduce one vector operation; the
views keep the names that a checkpoint stores. Parameters that weight decay touches come first, so
they are one slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rnnkit.core.context import keyed_generator
from rnnkit.core.initializers import Initializer
from rnnkit.errors import ShapeError
from rnnkit.types import Array, DType, Shape


@dataclass(frozen=True)
class ParamSpec:
    """The shape and start of one parameter.

    `gates` equal parts of the last axis are initialized each on its own. `decay` is False for
    biases and gains.
    """

    shape: Shape
    init: Initializer
    decay: bool = True
    gates: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for a shape that no array has, or one without numbers."""
        if not all(isinstance(n, int | np.integer) and n > 0 for n in self.shape):
            raise ValueError(f"a parameter's shape: expected integers >= 1, received {self.shape}")

    def draw(self, random: np.random.Generator) -> Array:
        """Return initial values in float64."""
        if self.gates == 1 or len(self.shape) == 1:
            return self.init(self.shape, random)
        part = (*self.shape[:-1], self.shape[-1] // self.gates)
        return np.concatenate([self.init(part, random) for _ in range(self.gates)], axis=-1)


@dataclass(frozen=True)
class Shared:
    """Another layer's parameter under a name of one's own; `shape` is what is expected."""

    layer: str
    name: str
    shape: Shape


Declaration = Mapping[str, ParamSpec | Shared]
"""The parameters of one layer by name."""


def named_parameters(declared: Mapping[str, Declaration]) -> Iterator[tuple[str, str, ParamSpec]]:
    """Yield (layer, name, spec) of every parameter that is stored, decayed ones first."""
    for decay in (True, False):
        for layer, declaration in declared.items():
            for name, spec in declaration.items():
                if isinstance(spec, ParamSpec) and spec.decay is decay:
                    yield layer, name, spec


def count(declared: Mapping[str, Declaration]) -> int:
    """Return the number of stored parameters, a shared one counted once."""
    return sum(math.prod(spec.shape) for _, _, spec in named_parameters(declared))


class ParamStore:
    """`flat` and `grad` are the buffers; `values` and `grads` their views by layer, name."""

    def __init__(self, declared: Mapping[str, Declaration], dtype: DType) -> None:
        self.declared = declared
        self.flat = np.zeros(count(declared), dtype)
        self.grad = np.zeros_like(self.flat)
        specs = list(named_parameters(declared))
        self.decayed = slice(0, sum(math.prod(s.shape) for _, _, s in specs if s.decay))
        self.values = self.views(self.flat)
        self.grads = self.views(self.grad)

    def views(self, flat: Array) -> dict[str, dict[str, Array]]:
        """Return the named views of a buffer laid out as this one, by layer, name."""
        views: dict[str, dict[str, Array]] = {layer: {} for layer in self.declared}
        start = 0
        for layer, name, spec in named_parameters(self.declared):
            stop = start + math.prod(spec.shape)
            views[layer][name] = flat[start:stop].reshape(spec.shape)
            start = stop
        for layer, declaration in self.declared.items():
            for name, link in declaration.items():
                if isinstance(link, Shared):
                    views[layer][name] = _shared(views, layer, link)
        return views

    def replica(self, flat: Array) -> ParamStore:
        """Return the store of other parameters, laid out as these, with gradients of their own."""
        store = copy(self)
        store.flat, store.grad = flat, np.zeros_like(flat)
        store.values, store.grads = self.views(flat), self.views(store.grad)
        return store

    def stored(self, flat: Array) -> dict[str, Array]:
        """Return the views a checkpoint stores, by "layer/name"; a shared parameter stands once."""
        views = self.views(flat)
        return {
            f"{layer}/{name}": views[layer][name]
            for layer, name, _ in named_parameters(self.declared)
        }

    def initialize(self, seed: int) -> None:
        """Draw every parameter from a generator of its own, keyed by seed and name."""
        # On one thread, so that an orthogonal start does not depend on how many there are.
        with threadpool_limits(1, user_api="blas"):
            for layer, name, spec in named_parameters(self.declared):
                random = keyed_generator(seed, "init", f"{layer}/{name}")
                self.values[layer][name][...] = spec.draw(random)


def _shared(views: Mapping[str, Mapping[str, Array]], layer: str, link: Shared) -> Array:
    target = views.get(link.layer, {}).get(link.name)
    if target is None:
        raise ShapeError(f"{layer} shares {link.layer}/{link.name}, which does not exist")
    if target.shape != link.shape:
        raise ShapeError(
            f"{layer} shares {link.layer}/{link.name} and expects the shape {link.shape}, "
            f"but it is {target.shape}"
        )
    return target
