"""The colours of a text: blue below 0, red above, white ink where blue is dark."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.analysis.neurons.ansi import coloured


@pytest.mark.parametrize(
    ("value", "ink", "paper"),
    [
        (-2.0, 15, 21),
        (-1.0, 15, 21),
        (-0.8, 15, 63),
        (-0.6, 16, 105),
        (-0.2, 16, 189),
        (0.0, 16, 231),
        (0.2, 16, 224),
        (1.0, 16, 196),
    ],
)
def test_the_colour_of_a_value(value: float, ink: int, paper: int) -> None:
    shown = coloured(["a"], np.array([value]))
    assert shown == f"\x1b[38;5;{ink};48;5;{paper}ma\x1b[0m"
