"""Weights of classes as people give them, by name or balanced, as one for each id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from rnnkit.contracts.target_info import Meaning
from rnnkit.errors import SpecError

SMALLEST, LARGEST = 1e-37, 1e6  # a smaller one is 0 in float32
Weight = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]
Weights = Annotated[tuple[Weight, ...], Field(min_length=1, max_length=65536)]
ByName = Annotated[dict[str, Weight], Field(min_length=1, max_length=65536)]
ClassWeights: TypeAlias = Weights | ByName | Literal["balanced"]

PATH = ("model", "loss", "class_weights")


def weights_by_id(given: Mapping[str, float] | str, meaning: Meaning) -> tuple[float, ...]:
    """Return a weight for each label: those given by name, 1 for others, or balanced ones.

    A balanced weight is N / (K n), for n of N targets of training and K classes, so that all
    classes count alike. Raises SpecError for a name that is none, where nothing is known, and for a
    class so rare that its weight would be out of range.
    """
    if not meaning.names:
        message = "the data names no labels (give a list of weights, one for each id)"
        raise SpecError.at(PATH, "SPEC_CLASS_WEIGHTS", message)
    if not isinstance(given, str):
        unknown = [name for name in given if name not in meaning.names]
        if unknown:
            known = ", ".join(map(repr, meaning.names[:12]))
            message = f"there is no label {unknown[0]!r} (there are {known})"
            raise SpecError.at(PATH, "SPEC_CLASS_WEIGHTS", message)
        return tuple(float(given.get(name, 1.0)) for name in meaning.names)
    counts = meaning.counts or ()
    if len(counts) != len(meaning.names) or not all(counts):
        absent = [n for n, count in zip(meaning.names, counts, strict=False) if not count]
        what = f"no target of training is {absent[0]!r}" if absent else "no targets were counted"
        message = f"{what}, so nothing balances the classes (give weights by name)"
        raise SpecError.at(PATH, "SPEC_CLASS_WEIGHTS", message)
    total = sum(counts)
    weights = tuple(total / (len(counts) * count) for count in counts)
    if max(weights) > LARGEST:
        rare = meaning.names[weights.index(max(weights))]
        message = f"{rare!r} has {min(counts):,} of {total:,} targets of training, for which "
        message += f"{max(weights):,.0f} balances it, above {LARGEST:,.0f} (give weights by name)"
        raise SpecError.at(PATH, "SPEC_CLASS_WEIGHTS", message)
    return weights
