"""Units by name: `1.lstm/c/17` is unit 17 of the state c of the layer 1.lstm."""

from __future__ import annotations

from collections.abc import Sequence

from rnnkit.analysis.neurons.record import Activations


def unit_of(parts: Sequence[Activations], address: str) -> tuple[Activations, int]:
    """Return the part and the unit; raises ValueError with what there is instead."""
    label, _, number = address.rpartition("/")
    part = next((each for each in parts if each.label == label), None)
    if part is None:
        known = ", ".join(each.label for each in parts)
        raise ValueError(f"expected LAYER/PART/UNIT with one of {known}, received {address!r}")
    size = part.values.shape[1]
    if not (number.isascii() and number.isdigit() and int(number) < size):
        raise ValueError(
            f"expected a unit from {label}/0 to {label}/{size - 1}, received {address!r}"
        )
    return part, int(number)
