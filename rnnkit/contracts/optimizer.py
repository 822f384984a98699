"""The contract of an optimizer: one in-place vector operation on flat buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from rnnkit.contracts.returned import broken
from rnnkit.core.block import Block
from rnnkit.errors import printable
from rnnkit.types import Array

LearningRate = Annotated[float, Field(gt=0, le=1e4)]
Decay = Annotated[float, Field(ge=0, le=1)]
Epsilon = Annotated[float, Field(ge=1e-30, le=1)]
"""Keeps a quotient finite; much less would be 0 in float32."""


class Optimizer(Block):
    """Moves the parameters against the gradient.

    `slots` names the flat buffers it keeps between steps; they start at zero and are stored in the
    checkpoint.
    """

    entry_group: ClassVar[str] = "rnnkit.optimizers"
    slots: ClassVar[tuple[str, ...]] = ()

    lr: LearningRate

    def used_slots(self) -> tuple[str, ...]:
        """Return the slots that these options need."""
        return self.slots

    def update(
        self,
        step: int,
        lr: float,
        params: Array,
        grads: Array,
        slots: Mapping[str, Array],
        decayed: slice,
    ) -> None:
        """Update `params` and `slots` in place; `grads` may be used as scratch.

        `step` counts from 1; `lr` is the scheduled rate; weight decay touches `params[decayed]`
        alone. Where layers learn at rates of their own, each stretch of parameters with one rate is
        updated in its turn.
        """
        raise NotImplementedError(f"{type(self).__name__}.update")


def slot_names(optimizer: Optimizer) -> tuple[str, ...]:
    """Return `optimizer.used_slots`; raises PluginError for what are no names, each once."""
    found: object = optimizer.used_slots()
    if isinstance(found, tuple) and all(isinstance(name, str) for name in found):
        if len(set(found)) == len(found):
            return found
    message = f"used_slots: expected a tuple of different names, received {printable(found)}"
    raise broken(optimizer, "", message)
