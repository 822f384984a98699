"""Does a stack of layers of a draft fit together?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from rnnkit.contracts.checked_declarations import layer_declarations, signal_after
from rnnkit.contracts.layer import Layer, sees_future
from rnnkit.contracts.stack import Beside, joined, peeking, reads_memory, resolved
from rnnkit.core.params import Declaration, KnownShape, ParamSpec, Shared, shared_shape_problem
from rnnkit.core.signal import Signal
from rnnkit.errors import Path, path_text
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Draft
from rnnkit.spec.model import MAX_LAYERS

LAYERS: Path = ("model", "layers")
RECOMPUTE: Path = ("train", "recompute")
UNKNOWN = Signal(None), Signal(None, ids=True)
PROBES = Signal(2), Signal(2, ids=True)
"""Inputs for questions whose answer depends on no width, such as the names of parameters."""

T = TypeVar("T")


class ShareableLayer(NamedTuple):
    """A layer that another may share parameters with."""

    layer: Layer | None
    reads: Signal | None
    gives: Signal | None


class StackCheck:
    """The layers of a draft (None: not valid) with what flows between them (None: unknown).

    `ahead` is that of the dataset: what stands among the later inputs and is to be predicted.
    """

    def __init__(
        self,
        blocks: Blocks,
        inputs: Signal | None,
        ahead: str,
        at: Path = LAYERS,
        beside: Beside | None = None,
    ) -> None:
        self.blocks, self.draft, self.ahead = blocks, blocks.draft, ahead
        self.paths = layer_paths(self.draft, at)
        valid = [blocks.find(path, Layer) for path in self.paths]
        joins = _joins(valid, beside)
        self.layers: list[Layer | None] = []
        self.reads: list[Signal | None] = []
        self.gives: list[Signal | None] = []
        outputs = inputs
        for i, (path, layer) in enumerate(zip(self.paths, valid, strict=True)):
            if beside and beside.last and i in joins and outputs and not outputs.ids:
                outputs = joined(outputs, beside.last)
            self.reads.append(outputs)
            layer, outputs = self._through(path, self._placed(path, layer, beside), outputs, beside)
            self.layers.append(layer)
            self.gives.append(outputs)
        self.outputs = outputs if self.layers else None

    def _placed(self, path: Path, layer: Layer | None, beside: Beside | None) -> Layer | None:
        """Return a layer that stands where it may; report one that finds no encoder there."""
        if layer is None or not reads_memory(layer):
            return layer
        if beside is None or not layer.reads_memory:
            advice = "make it a layer of its own in model.decoder, not inside another"
            advice = advice if beside else "it belongs in model.decoder"
            message = f"reads what an encoder gives ({advice})"
            self.draft.report(path, "SPEC_INCONSISTENT", message)
            return None
        return layer if beside.memory.width or beside.memory.ids else None

    def _through(
        self, path: Path, layer: Layer | None, inputs: Signal | None, beside: Beside | None
    ) -> tuple[Layer | None, Signal | None]:
        """Return a layer with its widths, and what it gives; after an error, what it would give."""
        if layer is None:
            return None, None
        memory = beside.memory if beside else None
        if layer.reads_memory:  # which is known even where the inputs are not
            inputs = inputs or UNKNOWN[0]
        found = None
        if inputs:
            reads = inputs
            found = self.blocks.ask(path, layer, lambda each: resolved(each, reads, None, memory))
        found = found or _tried(UNKNOWN, lambda each: resolved(layer, each, None, memory))
        return found or (layer, None)

    def check_names(self, first: dict[str, Path]) -> None:
        """Report names that are given twice; `first` holds the places of all names so far."""
        for path, layer in zip(self.paths, self.layers, strict=True):
            if layer and layer.name and first.setdefault(layer.name, path) != path:
                message = f"{json.dumps(layer.name)} is also the name of "
                message += f"{path_text(first[layer.name])} (names are unique)"
                self.draft.report((*path, "name"), "SPEC_INCONSISTENT", message)

    def check_each(self, sized: bool = True) -> None:
        """Report what is wrong with a layer at its place; `sized`: the data sizes the last one."""
        for path, layer, inputs in zip(self.paths, self.layers, self.reads, strict=True):
            if layer is None or self.draft.broken(path):
                continue
            if self.ahead and sees_future(layer):
                message = f"reads later inputs, and so the very {self.ahead} it is to predict"
                message += " (remove it)"
                self.draft.report(path, "SPEC_INCONSISTENT", message)
            self._check_parts(path, layer, inputs, last=sized and path == self.paths[-1])

    def _check_parts(self, path: Path, layer: Layer, inputs: Signal | None, last: bool) -> None:
        for field in type(layer).model_fields:
            inner = getattr(layer, field)
            if isinstance(inner, Layer):
                self._check_parts((*path, field), inner, None, last=False)
        outputs = _tried(PROBES, lambda probe: signal_after(layer, probe))
        if not last and outputs and outputs.width is None:
            message = 'only the last layer takes its width from the data (add "units")'
            self.draft.report(path, "SPEC_SHAPE", message)
        probe = _probe(inputs)
        complete = _complete(layer, probe)
        if probe == inputs and complete == layer and not self.draft.broken(path):
            self.blocks.ask(path, layer, lambda layer: layer_declarations(layer, probe))
        if self.draft.broken(path) or _declared(layer, inputs) is None:
            return
        for name, init in layer.init.items():
            alone = complete.model_copy(update={"init": {name: init}})
            self.blocks.ask((*path, "init", name), alone, lambda layer: layer.declared(probe))

    def state_sizes(self) -> list[tuple[int, ...]] | None:
        """Return the sizes of the state of each recurrent layer; None where one is not valid."""
        if None in self.layers or not self.layers:
            return None
        try:
            sizes = [layer.state_sizes(Signal(1)) for layer in self.layers if layer]
        except Exception:
            return None
        return [size for size in sizes if size]

    def check_ties(self, tables: dict[str, ShareableLayer]) -> None:
        """Report a shared table that is not among those so far, or does not fit; add the own."""
        for i, (path, layer) in enumerate(zip(self.paths, self.layers, strict=True)):
            if layer and (problem := _tie_problem(layer, self.reads[i], tables)):
                self.draft.report((*path, *_tie_place(layer)), "SPEC_INCONSISTENT", problem)
            name = self.draft.get((*path, "name"))
            if isinstance(name, str):
                tables.setdefault(name, ShareableLayer(layer, self.reads[i], self.gives[i]))


def layer_paths(draft: Draft, at: Path) -> list[Path]:
    """Return the places of the layers of a stack, valid or not."""
    found = draft.get(at)
    return [(*at, i) for i in range(min(len(found), MAX_LAYERS) if isinstance(found, list) else 0)]


def reads_later(paths: Sequence[Path], layers: Sequence[Layer | None]) -> Path | None:
    """Return the place of the first layer that reads later inputs."""
    pairs = zip(paths, layers, strict=True)
    return next((path for path, layer in pairs if layer and sees_future(layer)), None)


def _joins(layers: list[Layer | None], beside: Beside | None) -> tuple[int, ...]:
    """Return the positions that the encoder's last output joins; none where they are not known."""
    valid = [layer for layer in layers if layer]
    return peeking(valid) if beside and beside.last and len(valid) == len(layers) else ()


def _tie_place(layer: Layer) -> Path:
    """Return the field of a layer, or of one inside it, that names what it shares; or ()."""
    if layer.tied_to():
        return ("tie",) if "tie" in type(layer).model_fields else ()
    for field in type(layer).model_fields:
        inner = getattr(layer, field)
        if isinstance(inner, Layer) and (place := _tie_place(inner)):
            return (field, *place)
    return ()


def _tie_problem(layer: Layer, inputs: Signal | None, tables: dict[str, ShareableLayer]) -> str:
    """Return why a layer cannot share what it names, itself or inside; "" where it may."""
    wanted = _sizes(layer, inputs)
    shared = [(spec, size) for spec, size in wanted.values() if isinstance(spec, Shared)]
    tied = layer.tied_to()
    for name in filter(None, (tied, *(link.layer for link, _ in shared))):
        if name not in tables:
            known = ", ".join(map(json.dumps, tables))
            advice = f"there are {known}" if known else 'give it one: "name"'
            return f"no earlier layer has the name {json.dumps(name)} ({advice})"
    for link, size in shared:
        target, reads, gives = tables[link.layer]
        if target is None or gives is None or inputs is None:
            continue
        if link.layer == tied and not gives.fits(inputs):
            return (
                f"{json.dumps(tied)} gives {gives}, but this layer receives {inputs} "
                "(a shared table needs equal widths)"
            )
        offered = _sizes(target, reads)
        if link.name not in offered:
            return f"{json.dumps(link.layer)} ({target.type}) has no parameter {link.name}"
        if not _may_agree(size, there := offered[link.name][1]):
            return shared_shape_problem(link, size, there)
    return ""


def _may_agree(one: KnownShape, other: KnownShape) -> bool:
    """Tell whether two shapes are equal as far as they are known."""
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(None in pair or len({*pair}) == 1 for pair in pairs)


def _sizes(layer: Layer, inputs: Signal | None) -> dict[str, tuple[ParamSpec | Shared, KnownShape]]:
    """Return each parameter with its shape; a size is None where it is what a stand-in makes it."""
    one, other = (_declared(layer, inputs, width) or {} for width in (2, 3))

    def agreed(name: str) -> KnownShape:
        pairs = zip(one[name].shape, other[name].shape, strict=False)
        return tuple(a if a == b else None for a, b in pairs)

    return {name: (spec, agreed(name)) for name, spec in one.items() if name in other}


def _declared(layer: Layer, inputs: Signal | None, width: int = 2) -> Declaration | None:
    """Return the parameters of a layer; None where it does not tell for a stand-in of a width."""
    return _tried(
        (_probe(inputs, width),),
        lambda probe: layer_declarations(_complete(layer, probe, width), probe),
    )


def _probe(inputs: Signal | None, width: int = 2) -> Signal:
    return inputs if inputs and inputs.width else Signal(width, bool(inputs and inputs.ids))


def _complete(layer: Layer, probe: Signal, width: int = 2) -> Layer:
    """Return a layer with every width that is left to the data, as it is for another stand-in."""
    target = Signal(width, ids=True)
    return _tried((probe,), lambda probe: layer.resolve(probe, target)) or layer


def _tried(probes: Iterable[Signal], question: Callable[[Signal], T]) -> T | None:
    """Return the answer for the first input that raises no error, which is told elsewhere."""
    for probe in probes:
        try:
            return question(probe)
        except Exception:
            continue
    return None
