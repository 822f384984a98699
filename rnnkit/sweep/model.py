"""A sweep as a value: which values of a spec are tried, how many, and what is best."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rnnkit.core.block import Record

Count = Annotated[int, Field(ge=1, le=10**6)]


class Dimension(Record):
    """The values of one key that may be tried: a range from `low` to `high`, or `choices`.

    A range of whole numbers gives whole numbers. With `log` equal factors are equally likely; with
    `step` values are that far apart.
    """

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: Annotated[float, Field(gt=0)] | Annotated[int, Field(gt=0)] | None = None
    choices: Annotated[tuple[Any, ...], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        ranged = self.low is not None and self.high is not None
        if (self.choices is None) != ranged or (self.choices and (self.log or self.step)):
            raise ValueError('give "low" and "high", or "choices" alone')
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f'"low" {self.low:g} is not below "high" {self.high:g}')
        if self.log and self.step:
            raise ValueError('"log" and "step" do not go together (leave one of them out)')
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError(f'"log" needs a "low" above 0, not {self.low:g}')
        return self

    @property
    def whole(self) -> bool:
        """Whether the range is one of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def texts(self) -> list[str]:
        """Return the choices as JSON."""
        return [json.dumps(choice) for choice in self.choices or ()]

    def example(self) -> str:
        """Return a value of the dimension as JSON."""
        return self.texts()[0] if self.choices else json.dumps(self.low)


class Sampler(Record):
    """Proposes values: `random`, or `tpe` by what did well (Bergstra et al. 2011)."""

    type: Literal["tpe", "random"] = "tpe"
    startup: Annotated[int, Field(ge=0, le=10**6)] = 10
    """Trials that are drawn at random before TPE begins."""


class Pruner(Record):
    """Ends trials early: `median` where one is worse than half of those before it; `none`."""

    type: Literal["median", "none"] = "median"
    startup: Annotated[int, Field(ge=0, le=10**6)] = 5
    """Trials that end before any is compared."""
    warmup: Annotated[int, Field(ge=0, le=10**12)] = 0
    """Steps of a trial before it is compared."""


class Sweep(Record):
    """A whole sweep: the `spec` that all trials begin from, and what each changes in it.

    `set` changes values for all trials, `space` says which are tried. A trial's score is its best
    `metric`, which becomes its train.best.metric.
    """

    spec: Annotated[str, Field(min_length=1)]
    set: dict[str, Any] = {}
    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    metric: Annotated[str, Field(pattern=r"^valid_[a-z0-9_]{1,64}\z")] = "valid_loss"
    mode: Literal["min", "max"] = "min"
    trials: Count
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1

    def better(self, one: float, other: float) -> float:
        """Return the better of two scores."""
        return min(one, other) if self.mode == "min" else max(one, other)

    def best(self, scores: Iterable[float]) -> float | None:
        """Return the best of scores; None where there is none."""
        found = list(scores)
        return reduce(self.better, found) if found else None

    def example(self) -> list[str]:
        """Return first values of all keys, as overrides."""
        return [f"{path}={dimension.example()}" for path, dimension in self.space.items()]

    def fixed(self) -> list[str]:
        """Return what every trial changes in the spec, as overrides."""
        best = {"train.best.metric": self.metric, "train.best.mode": self.mode}
        return [f"{path}={json.dumps(value)}" for path, value in {**best, **self.set}.items()]
