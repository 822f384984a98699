"""A model that is copied, or asked for a step in other forms, computes with its own parameters."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import plain_spec, write_spec

import rnnkit
from rnnkit import Model
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


def test_a_step_in_another_order_is_the_same_one(of_values: Model) -> None:
    x, state = np.random.default_rng(1).normal(size=(5, 3)), of_values.start(5)
    wanted, _ = of_values.step(x, state)
    assert np.array_equal(of_values.step(np.asfortranarray(x), state)[0], wanted)
    x.flags.writeable = False
    assert np.array_equal(of_values.step(x, state)[0], wanted)


def test_a_parameter_is_written_where_a_step_reads_it(model: Model) -> None:
    before = first_step(model)
    values = model.store.values["1.rnn"]
    with pytest.raises(TypeError, match=r"by another array \(write into it: .*'Wx'\]\[...\] = "):
        values["Wx"] = values["Wx"] * 2
    assert np.array_equal(first_step(model), before)
    values["Wx"] *= 2
    after, _ = model.forward(np.array([[2]]))
    assert np.array_equal(first_step(model), after[0, 0])
    assert not np.array_equal(after[0, 0], before)
    other = copy.deepcopy(values)
    assert np.array_equal(other["Wx"], values["Wx"]) and other["Wx"] is not values["Wx"]


@pytest.mark.parametrize("layer", ["layers", "1.rnn"])
def test_no_way_replaces_a_parameter_that_a_step_reads(model: Model, layer: str) -> None:
    layers, before = model.store.values, first_step(model)
    held: Any = layers if layer == "layers" else layers[layer]
    name = next(iter(held))
    others = {key: copy.deepcopy(value) for key, value in held.items()}
    ways: list[Callable[[], object]] = [
        lambda: held.__setitem__(name, others[name]),
        lambda: held.update(others),
        lambda: held.update(**others),
        lambda: operator.ior(held, others),
        lambda: held.__delitem__(name),
        lambda: held.pop(name),
        held.popitem,
        held.clear,
        lambda: held.setdefault(name, others[name]),
    ]
    said = r"neither taken out nor replaced by another array \(write into it: values\[.*\.\.\.\] ="
    for way in ways:
        with pytest.raises(TypeError, match=said):
            way()
    assert np.array_equal(first_step(model), before)
    assert {key: held[key] is not others[key] for key in held} == dict.fromkeys(others, True)


def test_no_state_is_that_before_the_first_step(model: Model, of_values: Model) -> None:
    for each, x in ((model, 2), (of_values, np.ones((5, 3)))):
        streams = 1 if each is model else 5
        wanted, state = each.step(x, each.start(streams))
        found, after = each.step(x, None)
        assert np.array_equal(found, wanted)
        assert all(np.array_equal(after[name][0], state[name][0]) for name in state)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("h", r"a state by layer, received str \(give the one that start, step or forward"),
        (1j, r"a state of real numbers, received complex128 of shape \(1, 3\)"),
        (None, r"a state of real numbers, received object of shape \(1, 3\)"),
    ],
)
def test_a_state_that_is_none_is_refused(of_values: Model, state: object, message: str) -> None:
    given = state if isinstance(state, str) else {"0.rnn": [np.array([[state] * 3])]}
    for ask in (of_values.step, of_values.forward):
        with pytest.raises(ValueError, match=message):
            ask(np.ones(3) if ask == of_values.step else np.ones((1, 1, 3)), given)


@pytest.mark.parametrize("value", [1j, "1", None])
def test_values_that_are_no_real_numbers_are_refused(of_values: Model, value: object) -> None:
    for ask in (of_values.step, of_values.forward, of_values.hidden_states):
        with pytest.raises(ValueError, match="expected real numbers, received "):
            ask(*([np.full((1, 1, 3), value)] if ask != of_values.step else [[value] * 3, None]))


def test_a_layer_without_arrays_of_its_state_is_named(of_values: Model) -> None:
    said = r"a tuple of arrays of 0\.rnn, received NoneType \(give the one that start, step or fo"
    for ask, x in ((of_values.step, np.ones(3)), (of_values.forward, np.ones((1, 1, 3)))):
        with pytest.raises(ValueError, match=said):
            ask(x, {"0.rnn": None})


def test_lists_of_different_lengths_are_refused(of_values: Model) -> None:
    for ask in (of_values.step, of_values.forward, of_values.hidden_states):
        with pytest.raises(ValueError, match="received lists of different lengths \\(run each by"):
            ask(*([[[[1, 2, 3], [1, 2]]]] if ask != of_values.step else [[1, [2, 3], 1], None]))


def test_ids_are_those_of_the_vocabulary(model: Model) -> None:
    known = model.network.inputs.known()
    for first, last in ((0, known - 1), (0, 0), (known - 1, known - 1)):
        assert len(model.forward(np.array([[first], [last]]))[0]) == 2
        assert len(model.forward(np.array([[last]]))[0]) == 1
    for wrong in (-1, known):
        for ids in ([wrong], [1, wrong]):
            said = f"expected ids from 0 to {known - 1}, received {wrong}"
            with pytest.raises(ValueError, match=said):
                model.forward(np.array([ids]).T)
