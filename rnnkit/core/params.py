"""The parameters of a network: named views of one flat buffer, with a twin for the gradients.

One buffer makes an optimizer, a norm, a finite check or an all-reduce one vector operation; the
views keep the names that a checkpoint stores. Parameters that weight decay touches come first, so
they are one slice. What does not learn lies in a buffer of its own, of which there is no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from rnnkit.core.context import keyed_generator
from rnnkit.core.initializers import Initializer
from rnnkit.errors import PluginError, ShapeError, printable, shape_text
from rnnkit.types import MAX_RANK, Array, DType, Shape

V = TypeVar("V")


@dataclass(frozen=True)
class ParamSpec:
    """The shape and start of one parameter.

    `gates` equal parts of the last axis are initialized each on its own. `decay` is False for
    biases and gains. `rate` is a factor of the learning rate; of 0 the parameter is frozen.
    """

    shape: Shape
    init: Initializer
    decay: bool = True
    gates: int = 1
    rate: float = 1.0

    def __post_init__(self) -> None:
        """Make a tuple of the shape; raise ValueError for one that no checkpoint could hold."""
        shape = tuple(self.shape) if isinstance(self.shape, Iterable) else (None,)
        whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape]
        if not all(whole) or len(shape) > MAX_RANK or min(shape, default=1) < 1:
            wanted = f"expected at most {MAX_RANK} integers >= 1"
            raise ValueError(f"a parameter's shape: {wanted}, received {self.shape}")
        object.__setattr__(self, "shape", tuple(map(int, shape)))

    def draw(self, random: np.random.Generator) -> Array:
        """Return initial values in float64."""
        if self.gates == 1 or len(self.shape) == 1:
            return self.init(self.shape, random)
        part = (*self.shape[:-1], self.shape[-1] // self.gates)
        return np.concatenate([self.init(part, random) for _ in range(self.gates)], axis=-1)


KnownShape: TypeAlias = tuple[int | None, ...]
"""A shape; None stands for a size that only the data gives."""


@dataclass(frozen=True)
class Shared:
    """Another layer's parameter under a name of one's own; `shape` is what is expected."""

    layer: str
    name: str
    shape: Shape


Declaration = Mapping[str, ParamSpec | Shared]
"""The parameters of one layer by name."""


def named_parameters(declared: Mapping[str, Declaration]) -> Iterator[tuple[str, str, ParamSpec]]:
    """Yield (layer, name, spec) of every parameter that is stored.

    Those that weight decay touches come first, those that do not learn last.
    """
    for decay, learns in ((True, True), (False, True), (True, False), (False, False)):
        for layer, declaration in declared.items():
            for name, spec in declaration.items():
                if isinstance(spec, ParamSpec) and (spec.decay, spec.rate > 0) == (decay, learns):
                    yield layer, name, spec


def learned_parameters(
    declared: Mapping[str, Declaration],
) -> Iterator[tuple[str, str, ParamSpec]]:
    """Yield the same of those that learn."""
    return (found for found in named_parameters(declared) if found[2].rate > 0)


def check_shared(declared: Mapping[str, Declaration], layer: str) -> None:
    """Raise ShapeError where a parameter that a layer shares is not there, or of another shape."""
    for link in declared[layer].values():
        if isinstance(link, Shared):
            own = declared.get(link.layer, {}).get(link.name)
            if own is None:
                raise ShapeError(f"shares {link.layer}/{link.name}, which does not exist")
            if own.shape != link.shape:
                raise ShapeError(shared_shape_problem(link, link.shape, own.shape))


def shared_shape_problem(link: Shared, wanted: KnownShape, there: KnownShape) -> str:
    """Return what is told of a shared parameter of another shape, whose sizes may be unknown."""
    want, have = (shape_text("?" if n is None else n for n in shape) for shape in (wanted, there))
    what = f"shares {link.layer}/{link.name} and needs it of shape {want}, but it is {have}"
    return f"{what} (leave the tie out)"


def count(declared: Mapping[str, Declaration]) -> int:
    """Return the number of stored parameters, a shared one counted once."""
    return sum(math.prod(spec.shape) for _, _, spec in named_parameters(declared))


def count_learned(declared: Mapping[str, Declaration]) -> int:
    """Return the number of those that learn."""
    return sum(math.prod(spec.shape) for _, _, spec in learned_parameters(declared))


class Stretch(NamedTuple):
    """Parameters side by side that learn at one rate, a factor, and those of them that decay."""

    place: slice
    rate: float
    decayed: slice


class _Fixed(dict[str, V]):
    """Parameters, or layers of them, that are written where they lie: others know the addresses."""

    def __setitem__(self, name: str, value: V) -> None:
        """Take what `values[name] += ...` gives back; raises TypeError for another array."""
        if name in self and value is not self[name]:
            self._refuse(name)
        super().__setitem__(name, value)

    def _refuse(self, *given: object, **more: object) -> NoReturn:
        """Raise TypeError for what would put another array in the place of one, or take it out."""
        named = repr(given[0]) if given and isinstance(given[0], str) else ""
        layers = isinstance(next(iter(self.values()), None), dict)
        place = f"[{named or 'layer'}][name]" if layers else f"[layer][{named or 'name'}]"
        message = "a parameter is neither taken out nor replaced by another array"
        raise TypeError(f"{message} (write into it: values{place}[...] = array)")

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


class ParamStore:
    """`flat` and `grad` are the buffers; `values` and `grads` their views by layer, name.

    `frozen` holds the parameters that do not learn: among the values, and nowhere else.
    """

    def __init__(self, declared: Mapping[str, Declaration], dtype: DType) -> None:
        self.declared = declared
        self.flat = np.zeros(count_learned(declared), dtype)
        self.grad = np.zeros_like(self.flat)
        self.frozen = np.zeros(count(declared) - self.flat.size, dtype)
        self.stretches = tuple(_stretches(declared))
        self.values = self.views(self.flat, self.frozen)
        self.grads = self.views(self.grad)

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy or a pickle holds: the buffers, of which it makes views of its own."""
        return {
            name: value for name, value in vars(self).items() if name not in ("values", "grads")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the buffers of a copy, or of a pickle."""
        vars(self).update(state)
        self.values, self.grads = self.views(self.flat, self.frozen), self.views(self.grad)

    @property
    def size(self) -> int:
        """The number of parameters, frozen ones among them."""
        return self.flat.size + self.frozen.size

    def views(self, flat: Array, frozen: Array | None = None) -> dict[str, dict[str, Array]]:
        """Return the named views of a buffer laid out as this one, by layer, name.

        Without a buffer for what is `frozen` there are none of it.
        """
        views: dict[str, dict[str, Array]] = {layer: {} for layer in self.declared}
        _cut(flat, learned_parameters(self.declared), views)
        if frozen is not None:
            _cut(frozen, _frozen(self.declared), views)
        for layer, declaration in self.declared.items():
            for name, link in declaration.items():
                if isinstance(link, Shared) and (frozen is not None or self._learns(link)):
                    views[layer][name] = views[link.layer][link.name]
        return views if frozen is None else _Fixed({k: _Fixed(own) for k, own in views.items()})

    def _learns(self, link: Shared) -> bool:
        target = self.declared.get(link.layer, {}).get(link.name)
        return not isinstance(target, ParamSpec) or target.rate > 0

    def replica(self, flat: Array) -> ParamStore:
        """Return the store of other parameters, laid out as these, with gradients of their own."""
        store = copy(self)
        store.flat, store.grad = flat, np.zeros_like(flat)
        store.values, store.grads = self.views(flat, self.frozen), self.views(store.grad)
        return store

    def stored(self) -> dict[str, Array]:
        """Return the views a checkpoint stores, by "layer/name"; a shared parameter stands once."""
        return _named(self.values, named_parameters(self.declared))

    def learned(self, flat: Array) -> dict[str, Array]:
        """Return the same of a buffer laid out as `flat`, such as a slot: of what learns."""
        return _named(self.views(flat), learned_parameters(self.declared))

    def initialize(self, seed: int) -> None:
        """Draw every parameter from a generator of its own, keyed by seed and name.

        Raises PluginError for a start of another shape, or one that is not finite.
        """
        # On one thread, so that an orthogonal start does not depend on how many there are.
        with threadpool_limits(1, user_api="blas"):
            for layer, name, spec in named_parameters(self.declared):
                random = keyed_generator(seed, "init", f"{layer}/{name}")
                drawn = spec.draw(random)
                if np.shape(drawn) != spec.shape or not np.isfinite(drawn).all():
                    raise PluginError.of(
                        "PLUGIN_CONTRACT",
                        f"layer {layer}: the start of {name} is no {shape_text(spec.shape)} of "
                        f"finite numbers, but {printable(drawn)} (tell its author)",
                    )
                self.values[layer][name][...] = drawn


def _frozen(declared: Mapping[str, Declaration]) -> Iterator[tuple[str, str, ParamSpec]]:
    """Yield what `named_parameters` does of those that do not learn."""
    return (found for found in named_parameters(declared) if found[2].rate == 0)


def _cut(
    flat: Array,
    parameters: Iterable[tuple[str, str, ParamSpec]],
    views: Mapping[str, dict[str, Array]],
) -> None:
    """Add views of a buffer in which the parameters lie one after the other."""
    start = 0
    for layer, name, spec in parameters:
        stop = start + math.prod(spec.shape)
        views[layer][name] = flat[start:stop].reshape(spec.shape)
        start = stop


def _stretches(declared: Mapping[str, Declaration]) -> Iterator[Stretch]:
    """Yield the stretches of the flat buffer, the longest of one rate each."""
    start = 0
    for rate, found in groupby(learned_parameters(declared), lambda each: each[2].rate):
        specs = [spec for _, _, spec in found]
        size = sum(math.prod(spec.shape) for spec in specs)
        decayed = sum(math.prod(spec.shape) for spec in specs if spec.decay)
        yield Stretch(slice(start, start + size), rate, slice(0, decayed))
        start += size


def _named(
    views: Mapping[str, Mapping[str, Array]], parameters: Iterable[tuple[str, str, ParamSpec]]
) -> dict[str, Array]:
    return {f"{layer}/{name}": views[layer][name] for layer, name, _ in parameters}
