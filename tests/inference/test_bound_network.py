"""A model that is copied, or asked for a step in other forms, computes with its own parameters."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import plain_spec, write_spec

import rnnkit
from rnnkit import Model
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.stack.window import compiled_stack
from rnnkit.types import Array

VALUES = {
    "model": {
        "layers": [{"type": "rnn", "units": 3}, {"type": "affine"}],
        "loss": {"type": "mse"},
    },
    "train": {"epochs": 1, "streams": 2, "window": 4, "optimizer": {"type": "sgd", "lr": 0.1}},
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return rnnkit.build(write_spec(tmp_path, plain_spec()))


@pytest.fixture
def of_values() -> Model:
    random = np.random.default_rng(0)
    data = rnnkit.Arrays(inputs=random.normal(size=(9, 4, 3)), targets=random.normal(size=(9, 4)))
    return rnnkit.build(VALUES, data=data)


def first_step(model: Model) -> Array:
    return model.step(2, model.start())[0].copy()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_steps_with_parameters_of_its_own(
    model: Model, copied: Callable[[Model], Model]
) -> None:
    before = first_step(model)
    other = copied(model)
    assert np.array_equal(first_step(other), before)
    other.store.flat *= 2
    after, _ = other.forward(np.array([[2]]), other.start())
    assert np.array_equal(first_step(other), after[0, 0])
    assert not np.array_equal(after[0, 0], before)
    assert np.array_equal(first_step(model), before)


def test_a_step_of_a_number_where_values_are_read_is_refused(of_values: Model) -> None:
    expected = r"expected values of shape \(T, B, 3\), received float64 of shape \(1,\)"
    with pytest.raises(ValueError, match=expected):
        of_values.step(np.array(0.5), of_values.start())


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_a_step_in_another_order_is_the_same_one_and_compiles_nothing(of_values: Model) -> None:
    x, state = np.random.default_rng(1).normal(size=(5, 3)), of_values.start(5)
    wanted, _ = of_values.step(x, state)
    (section,) = of_values.network.sections
    assert section.table
    known = list(compiled_stack(section.table).signatures)
    assert np.array_equal(of_values.step(np.asfortranarray(x), state)[0], wanted)
    assert list(compiled_stack(section.table).signatures) == known
