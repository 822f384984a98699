"""Where the parameters of a run start, and how much each layer learns: a key of `train`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rnnkit.core.block import Record

LayerName = Annotated[str, Field(min_length=1, max_length=128)]
"""A layer as it is shown: by its own name, or by position and type, such as "0.embedding"."""

Factor = Annotated[float, Field(gt=0, le=1e4)]


class Start(Record):
    """How much each layer learns.

    Layers in `freeze` keep their parameters: they have no gradient and no part in the optimizer,
    and nothing below the lowest layer that learns is computed on the way back. `rates` are factors
    of the learning rate, by layer. A parameter that two layers share belongs to the one that stores
    it.
    """

    freeze: tuple[LayerName, ...] = ()
    rates: dict[LayerName, Factor] = {}

    @model_validator(mode="after")
    def _apart(self) -> Start:
        if both := sorted({*self.freeze} & {*self.rates}):
            names = ", ".join(map(repr, both))
            raise ValueError(f"{names} cannot be frozen and have a rate (leave one of the two out)")
        return self

    def factors(self) -> dict[str, float]:
        """Return the factor of the learning rate of each layer that is named; 0 where frozen."""
        return {**dict.fromkeys(self.freeze, 0.0), **self.rates}
