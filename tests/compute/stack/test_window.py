"""A stack in compiled code: what it would read past its end is refused, and no thread waits on."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnkit import GRU, RNN, Affine, Context, Embedding, Signal, SoftmaxCrossEntropy
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import AFFINE, KIND, LOOKUP, ONE_HOT
from rnnkit.compute.stack import window
from rnnkit.compute.stack.parameters import bind_once
from rnnkit.compute.stack.stages import Weights, affine, one_hot
from rnnkit.compute.stack.table import make_table
from rnnkit.compute.stack.window import run_stack
from rnnkit.network.network import Network
from rnnkit.types import Array

F = np.dtype(np.float32)
IDS = Signal(5, ids=True)


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_a_thread_ends_where_the_one_that_it_waits_for_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []

    def run(*arguments: Any) -> None:
        *_, below, above = arguments
        if above:
            raise KeyboardInterrupt
        for _ in range(1000):
            if ctypes.c_int64.from_address(below).value >= 300:
                ended.append(True)
                return
            time.sleep(0.01)

    changes: dict[str, Any] = {
        "threads": lambda: 2,
        "WORTH": 1,
        "compiled_stack": lambda table: run,
    }
    for name, value in changes.items():
        monkeypatch.setattr(window, name, value)
    with pytest.raises(KeyboardInterrupt):
        run_window(np.zeros((300, 2), np.int32), lambda states: states)
    assert ended


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            lambda states: states[:1],
            r"the states together: expected the shape \(12,\), rec",
        ),
        (lambda states: [each[:1] for each in states], r"the shape \(12,\), received \(6,\)"),
    ],
)
def test_states_of_another_size_are_refused_before_they_are_read(
    changed: Callable[[list[Array]], list[Array]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_window(np.zeros((4, 2), np.int32), changed)


def test_inputs_and_resets_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"xs: expected the shape \(4, 2\), received \(4, 2, 5\)"):
        run_window(np.zeros((4, 2, 5), np.float32), lambda states: states)
    resets = np.ones((1, 2), bool)
    with pytest.raises(ValueError, match=r"resets: expected the shape \(4, 2\), received \(1, 2\)"):
        run_window(np.zeros((4, 2), np.int32), lambda states: states, resets)


def run_window(
    xs: Array, changed: Callable[[list[Array]], list[Array]], resets: Array | None = None
) -> None:
    """Run a window of ids through a stack, from zero states that were changed."""
    layers = [Embedding(units=4), RNN(units=3), RNN(units=3), Affine()]
    network = Network.sized(layers, SoftmaxCrossEntropy(), IDS, IDS)
    (section,) = network.sections
    assert section.table
    states = changed([np.zeros((xs.shape[1], 3), np.float32) for _ in range(2)])
    bound = bind_once(section.table, network.store(F).values, xs)
    run_stack(section.table, bound, xs, states, lambda: states, resets, Context().empty)


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_a_parameter_whose_columns_lie_together_is_read_as_it_is() -> None:
    layers = [Embedding(units=4), RNN(units=3), Affine()]
    network = Network.sized(layers, SoftmaxCrossEntropy(), IDS, IDS)
    (section,) = network.sections
    assert section.table
    store, xs = network.store(F), np.array([[0, 1], [4, 2], [3, 3]], np.int32)
    store.flat[:] = np.random.default_rng(1).normal(0, 1, store.flat.size)
    states, found = [np.zeros((2, 3), np.float32)], []
    for order in ("C", "F"):
        params = {
            name: {key: np.array(array, order=order) for key, array in own.items()}
            for name, own in store.values.items()
        }
        bound = bind_once(section.table, params, xs)
        given = section.table, bound, xs, states, lambda: states, None, Context().empty
        found.append(run_stack(*given)[0])
    assert np.array_equal(*found)


@pytest.mark.parametrize(("transposed", "kinds"), [(False, [LOOKUP]), (True, [ONE_HOT, AFFINE])])
def test_an_id_takes_a_row_of_a_matrix_and_no_column(transposed: bool, kinds: list[int]) -> None:
    stages = affine(Weights("W", transposed=transposed), None)
    table = make_table([("ids", one_hot()), ("tied", stages)], {"tied": {"W": (5, 5)}}, 5)
    assert table and table.program[:, KIND].tolist() == kinds


def test_cells_in_another_order_are_the_same_compiled_code() -> None:
    found = []
    for kinds in ((RNN, GRU), (GRU, RNN)):
        layers = [Embedding(units=4), *(kind(units=3) for kind in kinds), Affine()]
        (section,) = Network.sized(layers, SoftmaxCrossEntropy(), IDS, IDS).sections
        assert section.table
        found.append(section.table.cells)
    assert found[0] == found[1] and len(found[0]) == 2
