"""Which parameters of another model a network takes, and where its rows go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.checkpoint.begun import OtherModel, TakenLayer
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.target_info import meaning_of
from rnnkit.core.params import Declaration, ParamSpec, ParamStore
from rnnkit.errors import CheckpointError, Problem, shape_text
from rnnkit.network.network import Network
from rnnkit.spec.hints import near_hint
from rnnkit.spec.model import Spec
from rnnkit.training.initial.axes import Axes, RowNames, axes_of
from rnnkit.training.initial.donor import Donor
from rnnkit.types import Array, Shape


@dataclass(frozen=True)
class Rows:
    """For each row of ours the number of theirs, -1 for one that they lack; how many they have."""

    theirs: Array
    size: int

    @classmethod
    def by_name(cls, ours: Sequence[str], theirs: Sequence[str]) -> Rows:
        """Return where each of our names stands among theirs."""
        places = {name: at for at, name in enumerate(theirs)}
        return cls(np.array([places.get(name, -1) for name in ours]), len(theirs))

    @classmethod
    def by_number(cls, ours: int, theirs: int) -> Rows:
        """Return that each of ours, without a name, is theirs of the same number."""
        return cls(np.where(np.arange(ours) < theirs, np.arange(ours), -1), theirs)

    @property
    def new(self) -> int:
        """How many of ours they lack."""
        return int((self.theirs < 0).sum())


@dataclass(frozen=True)
class TakenParameter:
    """A parameter of theirs, and the rows of ours that each of its axes gives."""

    name: str
    values: Array
    rows: Mapping[int, Rows]

    @property
    def new(self) -> int:
        """How many rows of ours nothing of theirs goes to."""
        return max((rows.new for rows in self.rows.values()), default=0)

    def write(self, ours: Array) -> None:
        """Write what they have over what was drawn."""
        found: Any = [np.arange(size) for size in ours.shape]
        given: Any = [np.arange(size) for size in self.values.shape]
        for axis, rows in self.rows.items():
            found[axis] = np.flatnonzero(rows.theirs >= 0)
            given[axis] = rows.theirs[found[axis]]
        ours[np.ix_(*found)] = self.values[np.ix_(*given)]


@dataclass(frozen=True)
class Transfer:
    """All that is taken, and what is to be known of it."""

    parameters: tuple[TakenParameter, ...]
    facts: OtherModel

    def write(self, store: ParamStore) -> None:
        """Write it over the parameters that were drawn."""
        stored = store.stored()
        for parameter in self.parameters:
            parameter.write(stored[parameter.name])


def transfer(spec: Spec, network: Network, source: Source, donor: Donor) -> Transfer:
    """Return what a network takes of a model; `spec` has its widths still open.

    Raises CheckpointError with each layer that is asked for and does not fit, and where none does.
    """
    axes = axes_of(spec.fitted(source), source)
    matching = _Matching(network, axes, _names(source, donor), donor)
    asked = spec.train.start.layers if spec.train.start else {}
    found, problems = dict[str, str](), list[str]()
    for ours, theirs in _candidates(network, donor, asked):
        reasons = matching.misfits(ours, theirs)
        if not reasons:
            found[ours] = theirs
        elif ours in asked:
            problems.append(f"layer {ours} cannot take {theirs} of it: {'; '.join(reasons)}")
    if not found and not problems:
        problems.append(_nothing(matching, donor))
    if problems:
        found_problems = (Problem(str(donor.path), "START_LAYERS", each) for each in problems)
        raise CheckpointError(*found_problems)
    parameters = {ours: tuple(matching.taken(ours, found[ours])) for ours in found}
    return Transfer(sum(parameters.values(), ()), _facts(network, donor, found, parameters))


@dataclass(frozen=True)
class _Matching:
    """What decides whether a layer of theirs fits one of ours."""

    network: Network
    axes: Axes
    names: Mapping[RowNames, Rows | str]
    donor: Donor

    def misfits(self, ours: str, theirs: str) -> list[str]:
        """Return why a layer of ours cannot take one of theirs; nothing where it can."""
        there = self.donor.model.network
        if theirs not in there.names:
            hint = near_hint(theirs, there.names)
            return [f"it has no such layer, but {', '.join(there.names)}{hint}"]
        given = _own(there.declared()[theirs])
        found = []
        for name, spec in _own(self.network.declared()[ours]).items():
            wanted = self._wanted(f"{ours}/{name}", spec.shape)
            if isinstance(wanted, str):
                found.append(f"{name} {wanted}")
            elif name not in given:
                found.append(f"it has no {name} of its own")
            elif wanted != given[name].shape:
                found.append(
                    f"{name} needs {shape_text(wanted)}, not {shape_text(given[name].shape)}"
                )
        return found or ([] if _own(self.network.declared()[ours]) else ["it has no parameters"])

    def taken(self, ours: str, theirs: str) -> Iterator[TakenParameter]:
        """Yield what a layer of ours takes of one of theirs that fits."""
        values = self.donor.model.store.values[theirs]
        for name in _own(self.network.declared()[ours]):
            path = f"{ours}/{name}"
            rows = {axis: self.names[what] for axis, what in self.axes.of(path).items()}
            known = {axis: each for axis, each in rows.items() if isinstance(each, Rows)}
            yield TakenParameter(path, values[name], known)

    def _wanted(self, parameter: str, shape: Shape) -> Shape | str:
        """Return the shape that theirs must have, or why none would do."""
        wanted = list(shape)
        for axis, what in self.axes.of(parameter).items():
            rows = self.names[what]
            if isinstance(rows, str):
                return rows
            wanted[axis] = rows.size
        return tuple(wanted)


def _candidates(
    network: Network, donor: Donor, asked: Mapping[str, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield the layers of ours with parameters, each with the one of theirs that it may take."""
    there, declared = dict(donor.model.network.named), network.declared()
    for name, layer in network.named:
        if name in asked:
            if theirs := asked[name]:
                yield name, theirs
        elif _own(declared[name]) and name in there and _kinds(layer) == _kinds(there[name]):
            yield name, name


def _kinds(layer: Layer) -> tuple[Any, ...]:
    """Return the type of a layer and of those that it holds: equal shapes may mean other things."""
    return layer.type, *(_kinds(inner) for inner in layer.inner().values())


def _own(declaration: Declaration) -> dict[str, ParamSpec]:
    return {name: spec for name, spec in declaration.items() if isinstance(spec, ParamSpec)}


def _names(source: Source, donor: Donor) -> dict[RowNames, Rows | str]:
    """Return how rows of tokens and of labels follow their names, or why they cannot."""
    return {"tokens": _tokens(source, donor), "labels": _labels(source, donor)}


def _tokens(source: Source, donor: Donor) -> Rows | str:
    ours, theirs = source.vocabulary, donor.model.vocabulary
    if ours and theirs:
        return Rows.by_name(ours.tokens, theirs.tokens)
    reads = donor.model.network.inputs
    if ours or theirs or not reads.ids:
        return "has a row for each token, and only one of the two models knows its tokens by name"
    return Rows.by_number(source.inputs.known(), reads.known())


def _labels(source: Source, donor: Donor) -> Rows | str:
    data, targets = donor.model.spec.data, donor.model.network.targets
    if not targets.ids or data.predicts_next or data.has_source:
        return "has one for each label, and it gives no labels"
    ours, theirs = meaning_of(source).names, meaning_of(data).names
    if ours and theirs:
        return Rows.by_name(ours, theirs)
    return Rows.by_number(source.targets.known(), targets.known())


def _nothing(matching: _Matching, donor: Donor) -> str:
    """Return that no layer fits, with the reasons of those of one name."""
    network, there = matching.network, donor.model.network
    same = [name for name in network.names if name in there.names and network.declared()[name]]
    reasons = [f"{name}: {', '.join(matching.misfits(name, name))}" for name in same]
    theirs = [name for name, declaration in there.declared().items() if declaration]
    why = "; ".join(reasons) or f"it has {', '.join(theirs)}"
    return (
        f"no layer of it fits one of the model by name, type and shape ({why}); "
        'say in "layers" which takes which, or start from another model'
    )


def _facts(
    network: Network,
    donor: Donor,
    found: Mapping[str, str],
    parameters: Mapping[str, Sequence[TakenParameter]],
) -> OtherModel:
    own, theirs = network.declared(), donor.model.network.declared()
    return OtherModel(
        path=donor.name,
        sha256=donor.sha256,
        name=donor.model.spec.name,
        step=donor.step,
        taken=tuple(
            TakenLayer(ours=ours, theirs=name, new=max(each.new for each in parameters[ours]))
            for ours, name in found.items()
        ),
        fresh=tuple(name for name in own if _own(own[name]) and name not in found),
        left=tuple(name for name in theirs if _own(theirs[name]) and name not in found.values()),
    )
