"""What the parameters of a run start from, and how much each layer learns: a key of `train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from rnnkit.core.block import Record
from rnnkit.core.file_name import FileName

LayerName = Annotated[str, Field(min_length=1, max_length=128)]
"""A layer as it is shown: by its own name, or by position and type, such as "0.embedding"."""

Factor = Annotated[float, Field(gt=0, le=1e4)]


class Start(Record):
    """What the parameters start from, and how much each layer learns.

    `from` is a checkpoint, or a run: layers of its model whose name, type and shapes are those of
    one here give it their parameters. `layers` says which of theirs a layer takes, by name, null
    for none. Rows and columns follow their tokens or labels. `vocabulary` is `theirs`, in which
    every token of the text must be, or is `extend`ed by those that it lacks, whose rows are drawn.

    Layers in `freeze` keep their parameters: they have no gradient and no part in the optimizer,
    and nothing below the lowest layer that learns is computed on the way back. `rates` are factors
    of the learning rate, by layer. A parameter that two layers share belongs to the one that stores
    it.
    """

    from_: FileName | None = Field(None, alias="from")
    layers: dict[LayerName, LayerName | None] = {}
    vocabulary: Literal["theirs", "extend"] = "theirs"
    freeze: tuple[LayerName, ...] = ()
    rates: dict[LayerName, Factor] = {}

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Call `from` what Python cannot."""
        return {"from" if key == "from_" else key: value for key, value in dump(self).items()}

    @model_validator(mode="after")
    def _of_a_model(self) -> Start:
        if self.from_ is None and (self.layers or self.vocabulary == "extend"):
            key = "layers" if self.layers else "vocabulary"
            raise ValueError(f'"{key}" needs "from", the model to start from')
        return self

    @model_validator(mode="after")
    def _apart(self) -> Start:
        if both := sorted({*self.freeze} & {*self.rates}):
            names = ", ".join(map(repr, both))
            raise ValueError(f"{names} cannot be frozen and have a rate (leave one of the two out)")
        return self

    def factors(self) -> dict[str, float]:
        """Return the factor of the learning rate of each layer that is named; 0 where frozen."""
        return {**dict.fromkeys(self.freeze, 0.0), **self.rates}
