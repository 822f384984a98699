"""What a recording holds, and which units are found to follow a property."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_examples import build

from rnnkit.analysis.neurons.follow import SHIFTS, auc, best_threshold, search
from rnnkit.analysis.neurons.properties import Property
from rnnkit.analysis.neurons.record import Activations, record, unit_of
from rnnkit.analysis.neurons.report import search_object
from rnnkit.analysis.neurons.saturation import saturations
from rnnkit.builtin.cells.gru import GRU
from rnnkit.builtin.cells.gru_reset_before import GRUResetBefore
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.layer import Layer, gates_of
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array, Params

EMBEDDING = {"type": "embedding", "units": 6}


def network(*blocks: dict[str, Any]) -> tuple[Network, dict[str, Params]]:
    """Return a network of ten ids, and distinct random parameters for it."""
    ids = Signal(10, ids=True)
    layers = [build(block) for block in (EMBEDDING, *blocks, {"type": "affine"})]
    made = Network.sized(layers, SoftmaxCrossEntropy(), ids, ids)
    store = made.store(np.dtype(np.float32))
    store.flat[:] = np.random.default_rng(0).normal(0, 0.7, store.flat.shape)
    return made, store.values


def ids(steps: int = 40) -> Array:
    return np.random.default_rng(1).integers(0, 10, steps)


def part(values: Array, name: str = "h", gate: bool = False) -> Activations:
    return Activations("1.rnn", name, np.asarray(values, np.float32), gate)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "gru_reset_before"])
def test_the_states_are_those_of_the_whole_text_run_at_once(kind: str) -> None:
    made, params = network({"type": kind, "units": 5}, {"type": kind, "units": 6})
    parts = {each.label: each.values for each in record(made, params, ids())}
    start = made.initial_states(1, np.dtype(np.float32))
    for steps in (1, 17, 40):
        xs = ids()[:steps].astype(np.int32)[:, None]
        _, states, _ = made.scan(params, xs, start, None, Context())
        for layer, state in states.items():
            for name, array in zip("hc", state, strict=False):
                np.testing.assert_allclose(parts[f"{layer}/{name}"][steps - 1], array[0], atol=1e-5)


def test_every_part_has_its_name() -> None:
    made, params = network(
        {"type": "lstm", "units": 6},
        {"type": "dropout", "rate": 0.5},
        {"type": "residual", "layer": {"type": "gru", "units": 6}},
        {"type": "rnn", "units": 3},
    )
    parts = record(made, params, ids())
    assert [each.label for each in parts] == [
        *(f"1.lstm/{name}" for name in ("h", "c", "i", "f", "o")),
        *(f"3.residual/{name}" for name in ("h", "r", "z")),
        "4.rnn/h",
    ]
    assert [each.name for each in parts if each.gate] == ["i", "f", "o", "r", "z"]
    assert {each.values.shape for each in parts[:-1]} == {(40, 6)}


def test_of_a_layer_that_reads_backwards_the_outputs_are_kept() -> None:
    made, params = network({"type": "bidirectional", "layer": {"type": "rnn", "units": 4}})
    (found,) = record(made, params, ids())
    assert (found.label, found.values.shape) == ("1.bidirectional/y", (40, 8))
    shorter = record(made, params, ids()[:20])[0].values
    np.testing.assert_allclose(found.values[:20, :4], shorter[:, :4], atol=1e-6)
    assert np.abs(found.values[:20, 4:] - shorter[:, 4:]).max() > 1e-3


def test_a_model_without_a_state_has_no_part() -> None:
    assert record(*network(), ids()) == []


def in_float64(layer: Layer) -> tuple[dict[str, Array], Array, tuple[Array, ...]]:
    random, signal = np.random.default_rng(2), Signal(4)
    params = {n: random.normal(size=s.shape) for n, s in layer.declared(signal).items()}
    xs = random.normal(size=(1, 7, 4))
    state = tuple(random.normal(size=(7, n)) for n in layer.state_sizes(signal))
    return params, xs, state


def stepped(layer: Layer, params: Params, xs: Array, state: Any) -> tuple[Array, ...]:
    return layer.scan(params, xs, state, None, Context(dtype=np.dtype(np.float64)))[1]


def test_the_gates_of_an_lstm_make_its_next_state() -> None:
    layer = LSTM(units=3)
    params, xs, (h, c) = in_float64(layer)
    gates = gates_of(layer, params, xs[0], (h, c))
    g = np.tanh((xs[0] @ params["Wx"] + h @ params["Wh"] + params["b"])[:, 9:])
    h_new, c_new = stepped(layer, params, xs, (h, c))
    np.testing.assert_allclose(gates["f"] * c + gates["i"] * g, c_new, rtol=1e-12)
    np.testing.assert_allclose(gates["o"] * np.tanh(c_new), h_new, rtol=1e-12)


@pytest.mark.parametrize("layer", [GRU(units=3), GRUResetBefore(units=3)])
def test_the_gates_of_a_gru_make_its_next_state(layer: Layer) -> None:
    params, xs, (h,) = in_float64(layer)
    r, z = gates_of(layer, params, xs[0], (h,)).values()
    zx = (xs[0] @ params["Wx"] + params["b"])[:, 6:]
    Wh = params["Wh"][:, 6:]
    after = r * (h @ Wh + params["bn"]) if "bn" in params else (r * h) @ Wh
    n = np.tanh(zx + after)
    np.testing.assert_allclose((1 - z) * n + z * h, stepped(layer, params, xs, (h,))[0], rtol=1e-12)


def test_a_subclass_that_may_do_something_else_has_no_gates() -> None:
    class Other(LSTM):
        def scan(self, *window: Any) -> Any:
            return super().scan(*window)

    layer = Other(units=3)
    params, xs, state = in_float64(layer)
    assert gates_of(layer, params, xs[0], state) == {}


def test_what_colours_show() -> None:
    values = np.array([[-0.5, 0.5], [0.25, 1.0]])
    assert part(values).shown(0).tolist() == [-0.5, 0.25]
    assert part(values, "f", gate=True).shown(1).tolist() == [0.0, 1.0]
    np.testing.assert_allclose(part(values, "c").shown(1), np.tanh([0.5, 1.0]), rtol=1e-6)
    assert part(3 * values).formula() == "tanh(h)"  # a cell whose output is not bounded
    np.testing.assert_allclose(part(3 * values).shown(1), np.tanh([1.5, 3.0]), rtol=1e-6)


def follows(values: Array, noise: float) -> Array:
    return values + noise * np.random.default_rng(3).normal(size=values.shape)


def quotes() -> Property:
    values = np.repeat(np.arange(40) % 2, np.random.default_rng(5).integers(5, 25, 40))
    return Property("quotes", values.astype(np.float64), True)


def test_the_units_that_follow_are_found_best_first() -> None:
    prop = quotes()
    random = np.random.default_rng(4).normal(size=(len(prop.values), 20))
    random[:, 7] = follows(-prop.values, 0.2)
    gates = random[:, 10:].copy()
    gates[:, 3] = follows(prop.values, 0.05)
    (found,) = search([part(random), part(gates, "f", gate=True)], [prop], 3)
    assert [each.label for each in found.units[:2]] == ["1.rnn/f/3", "1.rnn/h/7"]
    best, second, third = found.units
    assert best.r > 0.99 and best.auc == 1.0 and best.accuracy == 1.0 and 0.2 < best.threshold < 0.8
    assert -0.98 < second.r < -0.85
    assert second.auc > 0.99 and second.accuracy > 0.98 and -0.8 < second.threshold < -0.2
    assert abs(third.r) < found.chance < 0.8
    assert found.mean == pytest.approx(prop.values.mean())


def test_r_is_the_correlation() -> None:
    values = np.random.default_rng(6).normal(size=(50, 4)).astype(np.float32)
    prop = Property("line", np.arange(50.0) % 17, False)
    (found,) = search([part(values)], [prop], 4)
    for each in found.units:
        wanted = np.corrcoef(values[:, each.unit], prop.values)[0, 1]
        assert each.r == pytest.approx(wanted, abs=1e-6)
        assert (each.auc, each.threshold, each.accuracy) == (None, None, None)


def test_a_unit_that_never_moves_follows_nothing() -> None:
    prop = Property("line", np.arange(30.0), False)
    (found,) = search([part(np.full((30, 2), 0.3))], [prop], 1)
    assert (found.units[0].r, found.chance) == (0.0, 0.0)
    prop = Property("third", (np.arange(30) % 3 == 2).astype(float), True)
    (found,) = search([part(np.full((30, 2), 0.25))], [prop], 1)
    (unit,) = found.units
    assert (unit.r, unit.auc, unit.accuracy) == (0.0, 0.5, pytest.approx(2 / 3))
    assert unit.threshold == 0.25  # always no: no value is above it
    often = Property("often", 1 - prop.values, True)
    (always,) = search([part(np.full((30, 2), 0.25))], [often], 1)
    assert always.units[0].threshold == -np.inf
    thresholds = [search_object(each)["units"][0]["threshold"] for each in (found, always)]
    assert thresholds == [0.25, None]


def test_chance_is_the_best_with_the_property_moved_along_the_text() -> None:
    """One unit follows the property as it is when it is moved, for each of the moves."""
    prop = quotes()
    size = len(prop.values)
    moves = np.unique(np.linspace(size // 4, size - size // 4, SHIFTS, dtype=np.int64))
    for move in moves:
        unit = np.roll(prop.values, move) + 0.1 * np.random.default_rng(1).normal(size=size)
        (found,) = search([part(unit[:, None])], [prop], 1)
        moved = [np.corrcoef(np.roll(prop.values, m), unit)[0, 1] for m in moves]
        assert found.chance == pytest.approx(np.abs(moved).max(), abs=1e-5) and found.chance > 0.9


def test_chance_counts_no_move_that_leaves_the_property_where_it_is() -> None:
    prop = Property("line", np.array([0.0, 1.0, 0.0]), False)
    (found,) = search([part(np.array([[0.0], [0.5], [0.0]]))], [prop], 1)
    assert (found.units[0].r, found.chance) == (pytest.approx(1), pytest.approx(0.5))


def test_the_shortest_text() -> None:
    prop = Property("line", np.arange(2.0), False)
    (found,) = search([part(np.array([[0.0], [0.5]]))], [prop], 9)
    assert [each.r for each in found.units] == [pytest.approx(1.0)]


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_and_threshold_are_those_of_their_definitions(levels: int) -> None:
    random = np.random.default_rng(7)
    for _ in range(20):
        values = random.integers(0, levels, 30).astype(np.float64)
        truth = random.random(30) < 0.4
        truth[:2] = True, False
        yes, no = values[truth][:, None], values[~truth][None]
        assert auc(values, truth) == pytest.approx(((yes > no) + 0.5 * (yes == no)).mean())
        threshold, accuracy = best_threshold(values, truth)
        assert ((values > threshold) == truth).mean() == pytest.approx(accuracy)
        tried = [((values > edge) == truth).mean() for edge in (-1, *values)]
        assert accuracy == pytest.approx(max(tried))


def test_the_fraction_of_time_that_a_gate_is_saturated() -> None:
    open_and_shut = np.array([[0.05, 0.95], [0.1, 0.95], [0.5, 0.9], [0.99, 0.91]])
    (found,) = saturations([part(open_and_shut), part(open_and_shut, "f", gate=True)])
    assert found.part.label == "1.rnn/f"
    assert found.left.tolist() == [0.25, 0.0]
    assert found.right.tolist() == [0.25, 0.75]


def test_a_unit_by_its_name() -> None:
    parts = [part(np.zeros((3, 2))), part(np.zeros((3, 4)), "c")]
    assert unit_of(parts, "1.rnn/c/3") == (parts[1], 3)
    for wrong, said in (
        ("1.rnn/f/0", "with one of 1.rnn/h, 1.rnn/c, received '1.rnn/f/0'"),
        ("7", "expected LAYER/PART/UNIT"),
        ("1.rnn/h/2", "a unit from 1.rnn/h/0 to 1.rnn/h/1, received '1.rnn/h/2'"),
        ("1.rnn/h/-1", "a unit from 1.rnn/h/0"),
        ("1.rnn/h/²", "a unit from 1.rnn/h/0"),
    ):
        with pytest.raises(ValueError, match="expected") as raised:
            unit_of(parts, wrong)
        assert said in str(raised.value)
