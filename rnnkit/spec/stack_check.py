"""Does a stack of layers of a draft fit together?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from rnnkit.contracts.layer import Layer, sees_future
from rnnkit.contracts.stack import joined, peeking, reads_memory
from rnnkit.core.params import Declaration, Shared
from rnnkit.core.signal import Signal
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.locations import Path, path_text
from rnnkit.spec.model import MAX_LAYERS
from rnnkit.types import JSON

LAYERS: Path = ("model", "layers")
RECOMPUTE: Path = ("train", "recompute")
PROBES = Signal(2), Signal(2, ids=True)
"""Inputs for questions whose answer depends on no width, such as the names of parameters."""


@dataclass(frozen=True)
class Beside:
    """What a decoder reads beside its window: the encoder's outputs, and what joins its inputs."""

    memory: Signal
    last: Signal | None = None


class ShareableLayer(NamedTuple):
    """A layer that another may share parameters with."""

    name: JSON
    layer: Layer | None
    reads: Signal | None
    gives: Signal | None


class StackCheck:
    """The layers of a draft (None: not valid) with what flows between them (None: unknown)."""

    def __init__(
        self,
        blocks: Blocks,
        inputs: Signal | None,
        predicts_next: bool,
        at: Path = LAYERS,
        beside: Beside | None = None,
    ) -> None:
        self.blocks, self.draft, self.at = blocks, blocks.draft, at
        found = self.draft.get(at)
        count = min(len(found), MAX_LAYERS) if isinstance(found, list) else 0
        paths = [(*at, i) for i in range(count)]
        self.layers = [blocks.find(path, Layer) for path in paths]
        self.predicts_next = predicts_next
        self.flow: list[Signal | None] = []
        outputs = inputs
        for i, path in enumerate(paths):
            self.flow.append(self._joined(i, outputs, beside))
            self.layers[i] = self._attending(path, self.layers[i], beside)
            outputs = self._output(path, self.layers[i], self.flow[-1])
        self.flow.append(outputs)
        self.outputs = outputs if self.layers else None

    def _joined(self, i: int, inputs: Signal | None, beside: Beside | None) -> Signal | None:
        """Return what a layer reads, with what the encoder adds to it."""
        if beside is None or beside.last is None or None in self.layers or inputs is None:
            return inputs
        layers = [layer for layer in self.layers if layer]
        return joined(inputs, beside.last) if i in peeking(layers) and not inputs.ids else inputs

    def _attending(self, path: Path, layer: Layer | None, beside: Beside | None) -> Layer | None:
        """Return a layer with the width of what it looks back at; report one that cannot."""
        if layer is None or not reads_memory(layer):
            return layer
        if beside is None or not layer.reads_memory:
            where = "of its own in model.decoder, not inside another" if beside else "model.decoder"
            message = f"reads what an encoder gives (make it a layer {where})"
            message = message if beside else f"reads what an encoder gives (it belongs in {where})"
            self.draft.report(path, "SPEC_INCONSISTENT", message)
            return None
        memory = beside.memory
        if memory.width is None and not memory.ids:
            return None
        unknown = Signal(None)
        return self.blocks.ask(path, layer, lambda layer: layer.resolve(unknown, memory=memory))

    def _output(self, path: Path, layer: Layer | None, inputs: Signal | None) -> Signal | None:
        outputs = (
            self.blocks.ask(path, layer, lambda layer: layer.output(inputs)) if inputs else None
        )
        if outputs or layer is None:
            return outputs
        return _answer(layer, (Signal(None), Signal(None, ids=True)))

    def check_names(self) -> None:
        """Report names that are given twice."""
        first: dict[str, int] = {}
        for i, layer in enumerate(self.layers):
            if layer and layer.name and first.setdefault(layer.name, i) != i:
                message = f"{json.dumps(layer.name)} is also the name of "
                message += f"{path_text((*self.at, first[layer.name]))} (names are unique)"
                self.draft.report((*self.at, i, "name"), "SPEC_INCONSISTENT", message)

    def check_each(self, sized: bool = True) -> None:
        """Report what is wrong with a layer at its place; `sized`: the data sizes the last one."""
        for i, layer in enumerate(self.layers):
            path = (*self.at, i)
            if layer is None or self.draft.broken(path):
                continue
            if self.predicts_next and sees_future(layer):
                message = "reads later inputs, and so the very token it is to predict (remove it)"
                self.draft.report(path, "SPEC_INCONSISTENT", message)
            self._check_parts(path, layer, self.flow[i], last=sized and i == len(self.layers) - 1)

    def _check_parts(self, path: Path, layer: Layer, inputs: Signal | None, last: bool) -> None:
        for field in type(layer).model_fields:
            inner = getattr(layer, field)
            if isinstance(inner, Layer):
                self._check_parts((*path, field), inner, None, last=False)
        outputs = _answer(layer, PROBES)
        if not last and outputs and outputs.width is None:
            message = 'only the last layer takes its width from the data (add "units")'
            self.draft.report(path, "SPEC_SHAPE", message)
        probe = _probe(inputs)
        complete = _complete(layer, probe)
        if probe == inputs and complete == layer and not self.draft.broken(path):
            self.blocks.ask(path, layer, lambda layer: layer.params(probe))
        if self.draft.broken(path) or self._declared(layer, inputs) is None:
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

    def check_cuts(self) -> None:
        """Report a layer at which no window can be cut into blocks."""
        if self.predicts_next or self.draft.get(RECOMPUTE) is not True:
            return
        for i, layer in enumerate(self.layers):
            if layer and sees_future(layer):
                message = (
                    f"{path_text((*self.at, i))} reads later inputs, so no window can be cut into "
                )
                message += 'blocks (leave "recompute" out, or remove the layer)'
                self.draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
                return

    def check_ties(self, before: StackCheck | None = None) -> None:
        """Report a shared table that does not exist, or does not fit; some may stand `before`."""
        earlier = before.tables() if before else []
        own = self.tables()
        for i, layer in enumerate(self.layers):
            name = layer and layer.tied_to()
            tables: dict[JSON, ShareableLayer] = {}
            for table in earlier + own[:i]:
                tables.setdefault(table.name, table)
            if layer and name and (problem := self._tie_problem(i, layer, name, tables)):
                field = ("tie",) if "tie" in type(layer).model_fields else ()
                self.draft.report((*self.at, i, *field), "SPEC_INCONSISTENT", problem)

    def tables(self) -> list[ShareableLayer]:
        """Return each layer under its name, with what it reads and gives; None for no name."""
        given = [self.draft.get((*self.at, i, "name")) for i in range(len(self.layers))]
        names = [name if isinstance(name, str) else None for name in given]
        return list(map(ShareableLayer, names, self.layers, self.flow, self.flow[1:]))

    def _tie_problem(
        self, i: int, layer: Layer, name: str, tables: dict[JSON, ShareableLayer]
    ) -> str:
        if name not in tables:
            known = ", ".join(json.dumps(known) for known in tables if isinstance(known, str))
            return f"no earlier layer has the name {json.dumps(name)} ({_named(known)})"
        _, target, reads, gives = tables[name]
        inputs = self.flow[i]
        if target is None or gives is None or inputs is None:
            return ""
        if not gives.fits(inputs):
            return (
                f"{json.dumps(name)} gives {gives}, but this layer receives {inputs} "
                "(a shared table needs equal widths)"
            )
        offered = self._declared(target, reads) or {}
        shared = (self._declared(layer, inputs) or {}).values()
        missing = [s.name for s in shared if isinstance(s, Shared) and s.name not in offered]
        return (
            f"{json.dumps(name)} ({target.type}) has no parameter {missing[0]}" if missing else ""
        )

    def _declared(self, layer: Layer, inputs: Signal | None) -> Declaration | None:
        """Return the parameters of a layer; None where it does not tell for a stand-in."""
        try:
            probe = _probe(inputs)
            return _complete(layer, probe).params(probe)
        except Exception:
            return None


def _probe(inputs: Signal | None) -> Signal:
    return inputs if inputs and inputs.width else PROBES[bool(inputs and inputs.ids)]


def _complete(layer: Layer, probe: Signal) -> Layer:
    """Return a layer with every width that is left to the data."""
    return layer.resolve(probe, PROBES[1])


def _answer(layer: Layer, probes: tuple[Signal, ...]) -> Signal | None:
    """Return the output for the first input that the layer takes."""
    for probe in probes:
        try:
            return layer.output(probe)
        except Exception:
            continue
    return None


def _named(known: str) -> str:
    return f"there are {known}" if known else 'give it one: "name"'
