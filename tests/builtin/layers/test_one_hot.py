"""Ids as rows that are zero but for a one."""

from __future__ import annotations

import numpy as np

from rnnkit.builtin.layers.one_hot import OneHot
from rnnkit.contracts.checked_layer import run_layer
from rnnkit.core.context import Context, Pool


def test_an_id_is_the_row_of_the_identity() -> None:
    ids = np.array([[0, 4], [2, 2], [4, 1]])
    ctx = Context(pool=Pool(fill=np.nan))
    for ys in (
        OneHot(units=5).forward({}, ids, (), ctx)[0],
        run_layer(OneHot(units=5), {}, ids, (), None, ctx)[0],
    ):
        assert np.array_equal(ys, np.eye(5, dtype=np.float32)[ids])
