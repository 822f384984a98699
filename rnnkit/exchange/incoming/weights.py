"""The parameters of a network from a file of another program: all of them, or every fault."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.core.params import ParamStore
from rnnkit.errors import shape_text
from rnnkit.exchange.incoming.matching import Matching
from rnnkit.exchange.incoming.slots import Slot, slots_of
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel, TheirParameter
from rnnkit.network.network import Network
from rnnkit.spec.hints import near_hint
from rnnkit.types import Array, Shape

LAST = {"softmax": "softmax_cross_entropy", "sigmoid": "binary_cross_entropy"}
"""Activations over what the last layer gives that are part of a loss here."""


@dataclass(frozen=True)
class FilledParameter:
    """A parameter of ours ("layer/name") and what it is given."""

    ours: str
    given: TheirParameter

    @property
    def done(self) -> str:
        """What was done with theirs."""
        exact = self.given.values.dtype.itemsize <= 4
        return self.given.done if exact else f"{self.given.done}, rounded to float32"


def weights_of(
    theirs: TheirModel, network: Network, store: ParamStore, asked: Mapping[str, str]
) -> tuple[list[FilledParameter], list[str]]:
    """Return what each parameter is given, and all that is wrong: then nothing is to be used.

    `asked` has layers, or arrays, of the file by the names of our layers, or parameters.
    """
    slots, stored = slots_of(network, store), store.stored()
    shapes = {path: array.shape for path, array in stored.items()}
    direct, problems = _direct(theirs, shapes, asked)
    problems = [*theirs.wrong, *_last(theirs, network), *problems, *_unknown(asked, slots, shapes)]
    held = {slot.name for slot in slots if set(slot.paths.values()) & set(direct)}
    problems += [
        f"{path} is missing ({shape_text(shapes[path])})"
        for slot in slots
        if slot.name in held
        for path in slot.paths.values()
        if path not in direct
    ]
    problems += [each for slot in slots for each in _settings_of_own(slot, theirs, direct)]
    matching = Matching([slot for slot in slots if slot.name not in held], theirs)
    matching.run(asked)
    problems += matching.problems
    given = [(each, matching.pairs[each.name]) for each in slots if each.name in matching.pairs]
    for slot, layer in given:
        problems += _settings(slot, layer)
        found = layer.forms.get(slot.type, {})
        direct |= {path: found[key] for key, path in slot.paths.items() if key in found}
    problems += _order(theirs, [layer for _, layer in given])
    for slot, layer in given:
        problems += _ties(slot, layer, direct)
    problems += _left(theirs, matching, direct)
    problems += _values(theirs.arrays, [name for each in direct.values() for name in each.theirs])
    paths = [path for slot in slots for path in slot.paths.values()]
    return [FilledParameter(path, direct[path]) for path in paths if path in direct], problems


def _direct(
    theirs: TheirModel, shapes: Mapping[str, Shape], asked: Mapping[str, str]
) -> tuple[dict[str, TheirParameter], list[str]]:
    """Return arrays that are parameters as they are: by rnnkit's own names, or as asked."""
    names = {path: path for path in shapes if path in theirs.arrays}
    names |= {path: name for path, name in asked.items() if path in shapes}
    found, problems = {}, []
    for path, name in names.items():
        if name not in theirs.arrays:
            near = near_hint(name, list(theirs.arrays))
            problems.append(f"--map {path}={name}: the file has no array {name!r}{near}")
            continue
        array = theirs.arrays[name]
        if array.shape != shapes[path]:
            problems.append(
                f"{path} needs {shape_text(shapes[path])}, {name} is {shape_text(array.shape)}"
            )
        found[path] = TheirParameter(array, (name,))
    return found, problems


def _unknown(
    asked: Mapping[str, str], slots: list[Slot], shapes: Mapping[str, Shape]
) -> Iterator[str]:
    known = [slot.name for slot in slots]
    for name, given in asked.items():
        if name not in known and name not in shapes:
            near = near_hint(name, [*known, *shapes])
            yield (
                f"--map {name}={given}: the model has no layer with parameters {name!r}, but "
                f"{', '.join(known)}{near}"
            )


def _last(theirs: TheirModel, network: Network) -> Iterator[str]:
    loss = network.loss.type
    if theirs.last and LAST.get(theirs.last) != loss:
        yield f"a {theirs.last} over the last layer is no part of the loss {loss} of the spec"


def _order(theirs: TheirModel, taken: list[TheirLayer]) -> Iterator[str]:
    """Yield where layers are run in another order there."""
    if theirs.ordered:
        order = [layer.name for layer in theirs.layers if any(layer is each for each in taken)]
        if order != (ours := [layer.name for layer in taken]):
            yield f"there {', '.join(order)} are run in this order, here {', '.join(ours)}"


def _settings_of_own(
    slot: Slot, theirs: TheirModel, direct: Mapping[str, TheirParameter]
) -> Iterator[str]:
    """Yield what differs where arrays are taken by our own names: their layer fixes more."""
    given = (direct[path].theirs for path in slot.paths.values() if path in direct)
    names = {name for each in given for name in each}
    for layer in theirs.layers:
        if names & set(layer.arrays()):
            yield from _settings(slot, layer)


def _settings(slot: Slot, layer: TheirLayer) -> Iterator[str]:
    for key, theirs in layer.settings.items():
        ours = slot.settings.get(key)
        if not _same(ours, theirs):
            yield f"{slot.name} has {key} {ours!r}, {layer.name} of the file {theirs!r}"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-6)  # it was stored in float32
    return bool(ours == theirs)


def _ties(slot: Slot, layer: TheirLayer, given: Mapping[str, TheirParameter]) -> Iterator[str]:
    """Yield where a parameter that ours shares is another one there."""
    for key, path in slot.tied.items():
        own, target = layer.forms.get(slot.type, {}).get(key), given.get(path)
        if own and target and not np.array_equal(own.values.T, target.values):
            yield (
                f"{slot.name} shares {key} with {path}, but {' and '.join(own.theirs)} and "
                f'{" and ".join(target.theirs)} of the file differ (leave its "tie" out)'
            )


def _left(
    theirs: TheirModel, matching: Matching, given: Mapping[str, TheirParameter]
) -> Iterator[str]:
    used = {name for each in given.values() for name in each.theirs}
    told = {*matching.doubtful, *(layer.name for layer in matching.pairs.values())}
    left = [n for layer in theirs.layers if layer.name not in told for n in layer.arrays()]
    left = [name for name in [*left, *theirs.left] if name not in used]
    if left:
        shown = ", ".join(f"{name} {shape_text(theirs.arrays[name].shape)}" for name in left)
        yield f"left over in the file: {shown} (the spec has no layer for it)"


def _values(arrays: Mapping[str, Array], used: list[str]) -> Iterator[str]:
    for name in dict.fromkeys(used):
        array = arrays[name]
        if array.dtype.kind != "f":
            yield f"{name} holds {array.dtype} and no floats"
        elif not np.isfinite(array).all():
            yield f"{name} holds NaN or infinity"
        elif not (np.abs(array) <= np.finfo(np.float32).max).all():
            yield f"{name} holds numbers that float32 has not"
