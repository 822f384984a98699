"""Do the blocks of a spec fit together? Asked before any data is opened.

Widths that only the data gives stay unknown. A block that is not valid, or that cannot take what it
receives, silences what depends on it, so that each mistake is reported once.
"""

from __future__ import annotations

import json

from rnnkit.dataset import Dataset
from rnnkit.layer import Layer, sees_future
from rnnkit.loss import Loss
from rnnkit.optimizer import Optimizer
from rnnkit.params import Declaration, Shared
from rnnkit.registry import Registry
from rnnkit.schedule import Schedule
from rnnkit.signal import Signal
from rnnkit.spec.blocks import Blocks
from rnnkit.spec.model import MAX_LAYERS
from rnnkit.spec.places import Draft, Path, shown

LAYERS: Path = ("model", "layers")
RECOMPUTE: Path = ("train", "recompute")
PROBES = Signal(2), Signal(2, ids=True)
"""Inputs for questions whose answer depends on no width, such as the names of parameters."""


def check_shapes(draft: Draft, registry: Registry) -> None:
    """Report on the draft what does not fit together."""
    blocks = Blocks(draft, registry)
    data = blocks.find(("data",), Dataset)
    inputs, targets = blocks.ask(("data",), data, lambda d: d.signals()) or (None, None)
    # A plugin whose validation fails by another error than Pydantic's is named by `find`.
    blocks.find(("train", "optimizer"), Optimizer)
    blocks.find(("train", "schedule"), Schedule)
    stack = _StackCheck(blocks, inputs, data is not None and data.predicts_next)
    stack.check_names()
    stack.check_each()
    stack.check_ties()
    stack.check_cuts()
    if stack.outputs and targets:
        outputs, wanted = stack.outputs, targets
        loss = blocks.find(("model", "loss"), Loss)
        blocks.ask(("model", "loss"), loss, lambda loss: loss.check(outputs, wanted))


class _StackCheck:
    """The layers of a draft (None: not valid) with what flows between them (None: unknown)."""

    def __init__(self, blocks: Blocks, inputs: Signal | None, predicts_next: bool) -> None:
        self.blocks, self.draft = blocks, blocks.draft
        found = self.draft.get(LAYERS)
        count = min(len(found), MAX_LAYERS) if isinstance(found, list) else 0
        paths = [(*LAYERS, i) for i in range(count)]
        self.layers = [blocks.find(path, Layer) for path in paths]
        self.predicts_next = predicts_next
        self.flow = [inputs]
        for path, layer in zip(paths, self.layers, strict=True):
            self.flow.append(self._output(path, layer, self.flow[-1]))
        self.outputs = self.flow[-1] if self.layers else None

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
                message += f"model.layers[{first[layer.name]}] (names are unique)"
                self.draft.report((*LAYERS, i, "name"), "SPEC_INCONSISTENT", message)

    def check_each(self) -> None:
        """Report what is wrong with a layer at its place in the stack."""
        for i, layer in enumerate(self.layers):
            path = (*LAYERS, i)
            if layer is None or self.draft.broken(path):
                continue
            if self.predicts_next and sees_future(layer):
                message = "reads later inputs, and so the very token it is to predict (remove it)"
                self.draft.report(path, "SPEC_INCONSISTENT", message)
            self._check_parts(path, layer, self.flow[i], last=i == len(self.layers) - 1)

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

    def check_cuts(self) -> None:
        """Report a layer at which no window can be cut into blocks."""
        if self.predicts_next or self.draft.get(RECOMPUTE) is not True:
            return
        for i, layer in enumerate(self.layers):
            if layer and sees_future(layer):
                message = f"{shown((*LAYERS, i))} reads later inputs, so no window can be cut into "
                message += 'blocks (leave "recompute" out, or remove the layer)'
                self.draft.report(RECOMPUTE, "SPEC_INCONSISTENT", message)
                return

    def check_ties(self) -> None:
        """Report a shared table that does not exist, or does not fit."""
        for i, layer in enumerate(self.layers):
            name = layer and layer.tied_to()
            if layer and name and (problem := self._tie_problem(i, layer, name)):
                field = ("tie",) if "tie" in type(layer).model_fields else ()
                self.draft.report((*LAYERS, i, *field), "SPEC_INCONSISTENT", problem)

    def _tie_problem(self, i: int, layer: Layer, name: str) -> str:
        names = [self.draft.get((*LAYERS, j, "name")) for j in range(i)]
        if name not in names:
            known = ", ".join(json.dumps(known) for known in names if isinstance(known, str))
            return f"no earlier layer has the name {json.dumps(name)} ({_named(known)})"
        j = names.index(name)
        target, outputs, inputs = self.layers[j], self.flow[j + 1], self.flow[i]
        if target is None or outputs is None or inputs is None:
            return ""
        if not outputs.fits(inputs):
            return (
                f"{json.dumps(name)} gives {outputs}, but this layer receives {inputs} "
                "(a shared table needs equal widths)"
            )
        offered = self._declared(target, self.flow[j]) or {}
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
    return layer.reading(probe).sized(PROBES[1])


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
