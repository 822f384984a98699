"""A window run piece by piece gives what the whole gives, in the memory of one piece."""

from __future__ import annotations

import math

import numpy as np
import pytest
from window_cases import DROPOUT, STREAMS, Case

from rnnkit.core.context import Context, Pool
from rnnkit.network.network import cut_window
from rnnkit.types import Array


def test_a_window_is_cut_without_a_gap() -> None:
    assert cut_window(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert cut_window(6, 3) == [slice(0, 3), slice(3, 6)]
    assert cut_window(2, 3) == [slice(0, 2)]
    assert cut_window(0, 3) == []


@pytest.mark.parametrize("size", [1, 5, 100])
def test_pieces_give_what_the_whole_gives(size: int) -> None:
    case = Case(DROPOUT, np.float64, steps=13)
    ctx = Context(dtype=case.dtype, pool=Pool(fill=math.nan))
    network, params = case.network, case.store.values
    whole, after = network.run(params, case.batch, case.states, ctx)
    outputs: list[Array] = []
    states = []
    own = Context(dtype=case.dtype, pool=Pool(fill=math.nan))
    pieces = cut_window(13, size)
    for piece, ys, found in network.run_in_pieces(params, case.batch, pieces, case.states, own):
        assert ys.shape[:2] == (piece.stop - piece.start, STREAMS)
        outputs.append(ys.copy())
        states.append(found)
    np.testing.assert_allclose(np.concatenate(outputs), whole, rtol=1e-12)
    for name, state in after.items():
        for array, wanted in zip(states[-1][name], state, strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-12)
    assert all(np.isfinite(a).all() for each in states for state in each.values() for a in state)
