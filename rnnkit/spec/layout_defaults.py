"""How many streams and how long a window, where the spec leaves them to the data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from rnnkit.contracts.dataset import Layout
from rnnkit.errors import DataError

ENOUGH = 8
"""Windows in an epoch that smaller ones are taken for: each is an update."""


def fitted_layout(
    layout: Layout, given: Collection[str], windows: Callable[[Layout], int]
) -> Layout:
    """Return a layout that the data fits, without a change of the fields that were `given`.

    `windows` counts those of an epoch. What fits stays as it is; else streams and window are halved
    in turn until an epoch has enough windows, or they can be halved no more. What is given stays,
    and is refused where it is used if it does not fit even so.
    """

    def count(tried: Layout) -> int:
        try:
            return windows(tried)
        except DataError:
            return 0

    if count(layout):
        return layout
    found = layout
    for found in _smaller(layout, given):
        if count(found) >= ENOUGH:
            break
    return found


def _smaller(layout: Layout, given: Collection[str]) -> Iterator[Layout]:
    """Yield layouts of fewer streams and shorter windows, each half of one before."""
    names = [name for name in ("streams", "window") if name not in given]
    while any(getattr(layout, name) > 1 for name in names):
        for name in names:
            layout = replace(layout, **{name: max(1, getattr(layout, name) // 2)})
            yield layout
