"""What Python does with numbers and cannot do with a value of equations."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnkit.compute.equations.refusals import EquationError, NoNumber


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda v: 2**v, "a power with an exponent that is no number"),
        (bool, "Python's if, and, or, not, min and max look at one value"),
        *((kind, "a function of one number reads") for kind in (float, int, complex, round)),
        (operator.index, "a function of one number reads"),
        *((each, "a value has no parts") for each in (iter, len, lambda v: v[0])),
        *(
            (lambda v, of=of: of(v, v), "&, | and ~ join no comparisons")
            for of in (operator.and_, operator.or_, operator.xor)
        ),
        (operator.invert, "&, | and ~ join no comparisons"),
        *(
            (lambda v, of=of: of(v, 2), "// and % have no")
            for of in (operator.floordiv, operator.mod)
        ),
        (lambda v: v @ v, r"a product with a matrix is dot\(value, p.NAME\)"),
        (lambda v: np.concatenate([v]), "np.concatenate reads arrays, but equations are written"),
    ],
)
def test_it_is_refused_with_what_to_write(use: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(EquationError, match=told):
        use(NoNumber())
