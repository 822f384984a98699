"""Weights of classes as people give them, by name or balanced, as one for each id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from rnnkit.contracts.target_info import Meaning
from rnnkit.errors import SpecError

LARGEST = 1e6
Weight = Annotated[float, Field(gt=0, le=LARGEST)]
Weights = Annotated[tuple[Weight, ...], Field(min_length=1, max_length=65536)]
ByName = Annotated[dict[str, Weight], Field(min_length=1, max_length=65536)]
ClassWeights: TypeAlias = Weights | ByName | Literal["balanced"]

PATH = ("model", "loss", "class_weights")


def weights_by_id(given: Mapping[str, float] | str, meaning: Meaning) -> tuple[float, ...]:
    """Return a weight for each label: those given by name, 1 for others, or balanced ones.

    A balanced weight is N / (K n), for n of N targets of training and K classes, so that all
    classes count alike. Raises SpecError for a name that is none, and where nothing is known.
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
    return tuple(min(LARGEST, total / (len(counts) * count)) for count in counts)
