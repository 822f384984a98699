"""What a source may know of its targets beyond their width, which metrics make use of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from rnnkit.types import Array


class Naive(NamedTuple):
    """Forecasts that need no model, measured in the units of the data.

    `scale` (F,) is the mean absolute error of the one-step (or seasonal) naive forecast on the
    training part, and `errors` by name of a forecast those (F,) on the targets that were asked for.
    """

    scale: Array
    errors: Mapping[str, Array]


class Meaning(NamedTuple):
    """What targets mean; each part is left out where it is not known or does not apply.

    `names` are those of the labels by id, or of the F columns of values. `whole`: the targets of a
    stream, from one reset to the next, are one answer, right or wrong as a whole. `unscaled`
    returns values (..., F) in the units of the data. `naive(split, n)` measures the naive forecasts
    of the first n targets of a split. `counts` are the targets of training by label.
    """

    names: tuple[str, ...] | None = None
    whole: bool = False
    unscaled: Callable[[Array], Array] | None = None
    naive: Callable[[str, int], Naive] | None = None
    counts: tuple[int, ...] | None = None


@runtime_checkable
class Knowing(Protocol):
    """A source that knows what its targets mean."""

    def meaning(self) -> Meaning:
        """Return what is known of the targets."""
        ...


def meaning_of(source: object) -> Meaning:
    """Return what a source knows of its targets; nothing where it does not tell."""
    return source.meaning() if isinstance(source, Knowing) else Meaning()
