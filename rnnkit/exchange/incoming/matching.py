"""Which layer of another program is which of ours: by what is asked, by names, and by shapes.

Where several would fit they are taken in their order if the file tells one, or if their names are
alike but for numbers; else nothing is guessed, and `--map` has to say it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rnnkit.errors import shape_text
from rnnkit.exchange.incoming.slots import Slot
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel
from rnnkit.spec.hints import near_hint

NAMES_OF_LISTS = 12
"""How many names are listed where something is not found among them."""


@dataclass
class Matching:
    """Pairs of a slot and a layer of theirs, and what is wrong with them; grows pass by pass."""

    slots: Sequence[Slot]
    theirs: TheirModel
    pairs: dict[str, TheirLayer] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)
    """The slots and layers that a problem tells of already."""

    def run(self, asked: Mapping[str, str]) -> None:
        """Find all pairs; `asked` has names of theirs by those of slots."""
        self._take_asked(asked)
        for slot in self._open():
            for layer in self._layers():
                if layer.name == slot.name and _fits(slot, layer):
                    self.pairs[slot.name] = layer
        while self._take_groups():
            pass
        self._tell_in_order()
        self._tell_ambiguous()
        self._tell_misfits()

    def _take_asked(self, asked: Mapping[str, str]) -> None:
        named = {layer.name: layer for layer in self.theirs.layers}
        for slot in self.slots:
            if (name := asked.get(slot.name)) is None:
                continue
            if name not in named:
                known = list(named)[:NAMES_OF_LISTS]
                self._tell(
                    f"--map {slot.name}={name}: the file has no layer {name!r}, but "
                    f"{', '.join(known)}{near_hint(name, list(named))}",
                    slot.name,
                )
                continue
            self.pairs[slot.name] = named[name]
            if why := misfit(slot, named[name]):
                self._tell(f"{slot.name} <- {name}: {why}", slot.name, name)

    def _open(self) -> list[Slot]:
        return [
            slot
            for slot in self.slots
            if slot.name not in self.pairs and slot.name not in self.doubtful
        ]

    def _layers(self) -> list[TheirLayer]:
        taken = {layer.name for layer in self.pairs.values()}
        return [layer for layer in self.theirs.layers if layer.name not in taken | self.doubtful]

    def _groups(self) -> Iterator[tuple[list[Slot], list[TheirLayer]]]:
        """Yield slots that are alike with all layers that would fit them."""
        alike: dict[object, list[Slot]] = {}
        for slot in self._open():
            key = slot.type, slot.direction, tuple(sorted(slot.wanted.items()))
            alike.setdefault(key, []).append(slot)
        for slots in alike.values():
            yield slots, [each for each in self._layers() if _fits(slots[0], each, usual=True)]

    def _take_groups(self) -> bool:
        """Pair what can be paired without a guess; tell whether there was any."""
        for slots, layers in self._groups():
            if len(slots) == len(layers) and self._has_order(layers):
                pairs = zip(slots, layers, strict=True)
                self.pairs |= {slot.name: layer for slot, layer in pairs}
                return True
        return False

    def _has_order(self, layers: Sequence[TheirLayer]) -> bool:
        patterns = {re.sub(r"\d+", "0", layer.name) for layer in layers}
        return self.theirs.ordered or len(patterns) == 1

    def _tell_in_order(self) -> None:
        """Compare layers of one type, as many here as there, each with the one in its place."""
        for kind, way in dict.fromkeys((slot.type, slot.direction) for slot in self._open()):
            slots = [each for each in self._open() if (each.type, each.direction) == (kind, way)]
            layers = [
                each
                for each in self._layers()
                if kind in each.forms and each.usual in ("", kind) and each.direction == way
            ]
            if len(slots) == len(layers) and self._has_order(layers):
                for slot, layer in zip(slots, layers, strict=True):
                    self.pairs[slot.name] = layer
                    if why := misfit(slot, layer):
                        self._tell(f"{slot.name} <- {layer.name}: {why}", slot.name, layer.name)

    def _tell_ambiguous(self) -> None:
        for slots, layers in self._groups():
            if not layers:
                continue
            ours, theirs = ([each.name for each in group] for group in (slots, layers))
            if len(ours) == len(theirs):
                problem = (
                    f"{' and '.join(ours)} may be {' or '.join(theirs)}: their types and shapes "
                    f"are the same (say which: --map {ours[0]}={theirs[0]})"
                )
            else:
                problem = (
                    f"{', '.join(ours)}: {len(ours)} of this type and shape here, but "
                    f"{len(theirs)} in the file: {', '.join(theirs)} (the spec needs as many)"
                )
            self._tell(problem, *ours, *theirs)

    def _tell_misfits(self) -> None:
        """Say of each slot that is open what it lacks, and with which layer it was compared."""
        for slot in self._open():
            near = next((each for each in self._layers() if slot.type in each.forms), None)
            shapes = ", ".join(f"{key} {shape_text(shape)}" for key, shape in slot.own.items())
            if near is None:
                kinds = _kinds(self._layers())
                there = f"; left over there: {kinds}" if kinds else ""
                self._tell(
                    f"{slot.name} needs {_article(slot)} with {shapes}, and the file has none for "
                    f"it{there}",
                    slot.name,
                )
            else:
                why = misfit(slot, near)
                self._tell(f"{slot.name} <- {near.name}: {why}", slot.name, near.name)

    def _tell(self, problem: str, *about: str) -> None:
        self.problems.append(problem)
        self.doubtful.update(about)


def _article(slot: Slot) -> str:
    way = f"{slot.direction} " if slot.direction else ""
    return f"a layer of type {way}{slot.type}"


def _kinds(layers: Sequence[TheirLayer]) -> str:
    return ", ".join(f"{each.name} ({' or '.join(each.forms)})" for each in layers[:NAMES_OF_LISTS])


def _fits(slot: Slot, layer: TheirLayer, usual: bool = False) -> bool:
    """Tell whether a layer fits, with `usual` only as what its name tells of."""
    if usual and layer.usual and layer.usual != slot.type:
        return False
    return not misfit(slot, layer)


def misfit(slot: Slot, layer: TheirLayer) -> str:
    """Return why a layer does not fit a slot, "" where it does."""
    if slot.type not in layer.forms:
        return f"it is of type {' or '.join(layer.forms)}, not {slot.type}"
    if slot.direction != layer.direction:
        ours, theirs = (way or "in one direction" for way in (slot.direction, layer.direction))
        return f"it runs {theirs}, ours {ours}"
    found, given = [], layer.forms[slot.type]
    for key, shape in slot.wanted.items():
        if key not in given:
            if key in slot.own:
                found.append(f"it has no {key}{_without(key)}")
        elif given[key].values.shape != shape:
            found.append(_other_shape(slot, key, given[key].values.shape, given[key].theirs))
    more = [key for key in given if key not in slot.wanted]
    found += [f"{' and '.join(given[key].theirs)} is its {key}, and ours has none" for key in more]
    return "; ".join(found)


def _without(key: str) -> str:
    return {"b": ' (give ours "bias": false)', "W": " (is it tied there? give ours a tie)"}.get(
        key, ""
    )


def _other_shape(slot: Slot, key: str, found: tuple[int, ...], theirs: Sequence[str]) -> str:
    wanted = slot.wanted[key]
    said = f"{key} needs {shape_text(wanted)}, {' and '.join(theirs)} gives {shape_text(found)}"
    rows = slot.tokens and len(wanted) == len(found) == 2 and wanted[1] == found[1]
    return f"{said} (a row for each token: give their --vocabulary)" if rows else said
