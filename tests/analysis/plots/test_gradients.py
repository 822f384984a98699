"""The norm of dL/dh by distance: against finite differences, and the experiment of the notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from layer_examples import build as layer_of

from rnnkit.analysis.plots.example import guessed_signals, random_batch
from rnnkit.analysis.plots.gradients import DTYPE, Flow, flows, panel
from rnnkit.analysis.plots.probe import Tape, has_state, replaced, stateful_layers
from rnnkit.analysis.plots.variants import rescale, variants, with_cell
from rnnkit.contracts.cell import Cell
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import parse_block
from rnnkit.core.context import Context
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.seq2seq import paired

IDS = Signal(5, ids=True)
EMBEDDING, AFFINE = {"type": "embedding", "units": 3}, {"type": "affine"}
LOSS: Any = Registry().find("rnnkit.losses", "softmax_cross_entropy")()
CELL: Any = {name: Registry().find("rnnkit.layers", name) for name in ("rnn", "lstm", "gru")}
STEPS, STREAMS = 5, 2


def layers(*blocks: dict[str, Any]) -> list[Layer]:
    return [layer_of(block) for block in (EMBEDDING, *blocks, AFFINE)]


def network(*blocks: dict[str, Any]) -> Network:
    return Network.sized(layers(*blocks), LOSS, IDS, IDS)


def started(net: Network, seed: int = 3) -> ParamStore:
    store = net.store(DTYPE)
    store.initialize(seed)
    return store


def test_a_layer_without_a_step_by_step_state_has_no_gradient_to_show() -> None:
    class Backwards(type(CELL["rnn"].model_construct())):  # type: ignore[misc]
        causal = False

    cell, backwards = CELL["rnn"](units=3), Backwards.model_construct(type="rnn", units=3)
    assert has_state(cell) and not has_state(backwards)
    assert not has_state(layer_of({"type": "layer_norm"}))
    assert not has_state(layer_of({"type": "residual", "layer": {"type": "gru", "units": 3}}))


class Nudged(Layer):
    """A cell whose output and state[0] are moved by `by` (B, units) after step `at`."""

    type: str
    cell: Any
    path: str
    at: int
    by: Any

    def output(self, inputs: Signal) -> Signal:
        return self.cell.output(inputs)

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return self.cell.state_sizes(inputs)

    def initial_state(self, inputs: Signal, batch: int, dtype: Any) -> Any:
        return self.cell.initial_state(inputs, batch, dtype)

    def scan(self, params: Any, xs: Any, state: Any, resets: Any, ctx: Context) -> Any:
        if ctx.path != self.path:
            return self.cell.scan(params, xs, state, resets, ctx)
        outputs = []
        for t in range(len(xs)):
            reset = None if resets is None else resets[t : t + 1]
            ys, state, _ = self.cell.scan(params, xs[t : t + 1], state, reset, ctx)
            if t == self.at:
                ys, state = ys + self.by, (state[0] + self.by, *state[1:])
            outputs.append(ys)
        return np.concatenate(outputs), state, pytest.fail


def numeric(net: Network, store: ParamStore, batch: Batch, path: str, at: int, units: int) -> Any:
    """The mean over the streams of the norm of dL/dh after step `at`, by central differences."""
    weights = np.zeros(batch.weights.shape)
    weights[-1] = 1

    def loss(by: Any) -> float:
        def nudge(cell: Cell) -> Nudged:
            return Nudged.model_construct(
                type=cell.type, name=cell.name, cell=cell, path=path, at=at, by=by
            )

        probed = replaced(net, nudge)
        states = net.initial_states(STREAMS, DTYPE)
        ys, _ = probed.run(store.values, batch, states, Context(dtype=DTYPE))
        return LOSS.forward(ys, batch.targets, weights, Context(dtype=DTYPE))[0]

    slopes = np.zeros((STREAMS, units))
    for place in np.ndindex(slopes.shape):
        by = np.zeros(slopes.shape)
        by[place] = 1e-5
        slopes[place] = (loss(by) - loss(-by)) / 2e-5
    return np.linalg.norm(slopes, axis=1).mean()


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "rnn", "units": 3}],
        [{"type": "lstm", "units": 3}, {"type": "gru", "units": 3}],
        [{"type": "residual", "layer": {"type": "gru_reset_before", "units": 3}}],
        [{"type": "lstm", "units": 3, "name": "memory"}, {"type": "layer_norm"}],
    ],
)
def test_every_norm_is_that_of_finite_differences(blocks: Sequence[dict[str, Any]]) -> None:
    net = network(*blocks)
    store, batch = started(net), random_batch(net, STEPS, STREAMS, 1)
    found = flows(net, store.values, batch)
    assert len(found) == len(blocks) - (blocks[-1]["type"] == "layer_norm")
    for flow in found:
        expected = [numeric(net, store, batch, flow.name, STEPS - 1 - d, 3) for d in range(STEPS)]
        assert flow.norms == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bridge", ["all", "output"])
def test_a_decoder_sends_the_gradient_into_its_encoder(bridge: Any) -> None:
    ahead, behind = layers({"type": "lstm", "units": 3})[:2], layers({"type": "lstm", "units": 3})
    net: Network = paired(ahead, behind, LOSS, IDS, IDS, bridge, True)
    store, batch = started(net), random_batch(net, STEPS, STREAMS, 1)
    found = flows(net, store.values, batch)
    assert [flow.name for flow in found] == ["encoder.1.lstm", "decoder.1.lstm"]
    for flow in found:
        expected = [numeric(net, store, batch, flow.name, STEPS - 1 - d, 3) for d in range(STEPS)]
        assert flow.norms == pytest.approx(expected, rel=1e-6)


class Leak(Layer):
    """A layer that is no cell: its state, 0.9 s + x, is not its output, s + x."""

    type: str = "leak"

    def output(self, inputs: Signal) -> Signal:
        return inputs.values()

    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:
        return (inputs.known(),)

    def forward(self, params: Any, xs: Any, state: Any, ctx: Context) -> Any:
        ys, (s,) = np.empty_like(xs), state
        for t, x in enumerate(xs):
            ys[t], s = s + x, 0.9 * s + x

        def backward(dys: Any, dstate: Any, grads: Any) -> Any:
            dxs, (d,) = np.empty_like(xs), dstate
            for t in range(len(xs) - 1, -1, -1):
                dxs[t], d = dys[t] + d, 0.9 * d + dys[t]
            return dxs, (d,)

        return ys, (s,), backward


def test_a_layer_with_a_state_that_is_no_cell_is_followed() -> None:
    random, tape = np.random.default_rng(4), Tape()
    xs, dys = random.standard_normal((2, STEPS, STREAMS, 3))
    state = (np.zeros((STREAMS, 3)),)
    assert stateful_layers(Network.sized([*layers()[:1], Leak(), *layers()[1:]], LOSS, IDS, IDS))
    ys, after, backward = tape.probe(Leak()).scan({}, xs, state, None, Context(dtype=DTYPE))
    plain, _, behind = Leak().forward({}, xs, state, Context(dtype=DTYPE))
    np.testing.assert_array_equal(ys, plain)
    dxs, before = backward(dys, (np.zeros((STREAMS, 3)),), {})
    wanted, first = behind(dys, (np.zeros((STREAMS, 3)),), {})
    np.testing.assert_allclose(dxs, wanted)
    np.testing.assert_allclose(before[0], first[0])
    (trace,) = tape.traces.values()
    later, norms = np.zeros((STREAMS, 3)), []
    for dy in dys[::-1]:  # what the state after a step sends on, to the steps after it alone
        norms.append(np.linalg.norm(later, axis=1))
        later = 0.9 * later + dy
    np.testing.assert_allclose(trace.norms, norms[::-1])


def test_a_bidirectional_layer_shows_its_forward_direction() -> None:
    net = network({"type": "bidirectional", "layer": {"type": "rnn", "units": 3}})
    store, batch = started(net), random_batch(net, STEPS, STREAMS, 1)
    (flow,) = flows(net, store.values, batch)
    assert flow.name == "1.bidirectional.forward"
    expected = [numeric(net, store, batch, flow.name, STEPS - 1 - d, 3) for d in range(STEPS)]
    assert flow.norms == pytest.approx(expected, rel=1e-6)


def test_a_stream_counts_back_to_its_reset_and_from_its_last_target() -> None:
    net = network({"type": "gru", "units": 3})
    store, batch = started(net), random_batch(net, STEPS, 3, 1)
    batch.resets[3, 0] = True  # this one reaches back one step
    batch.weights[4, 1] = 0  # this one ends a step earlier
    batch.weights[:, 2] = 0  # this one is empty
    (both,) = flows(net, store.values, batch)

    def alone(stream: int, steps: slice) -> tuple[float, ...]:
        part = [a[steps, stream : stream + 1] for a in batch[:4]]
        part[3] = part[3].copy()
        part[3][0] = True
        return flows(net, store.values, Batch(*part, None))[0].norms

    first, second = alone(0, slice(3, 5)), alone(1, slice(0, 4))
    assert (len(first), len(second)) == (2, 4)
    expected = [*(np.array(first) + second[:2]) / 2, *second[2:]]
    assert both.norms == pytest.approx(expected, rel=1e-12)
    assert flows(net, store.values, batch, steps=1)[0].norms == both.norms[:2]


def test_what_the_data_tells_is_not_guessed() -> None:
    block = {"type": "series", "path": "none.csv", "columns": ["a", "b", "c"]}
    data = parse_block("rnnkit.datasets", block, {"catalog": Registry()})
    assert guessed_signals(data) == (Signal(3), Signal(3))


def notes(std: float) -> tuple[Network, ParamStore]:
    """Wh ~ N(0, std) of size 3 and no input: h stays 0, where tanh is the identity."""
    init = {"Wx": {"type": "zeros"}, "Wh": {"type": "normal", "std": std}}
    net = network({"type": "rnn", "units": 3, "init": init})
    return net, started(net, seed=2)


@pytest.mark.parametrize("std", [1.0, 0.5])
def test_the_experiment_of_the_notes(std: float) -> None:
    net, store = notes(std)
    (flow,) = flows(net, store.values, random_batch(net, 21, 4, 1))
    Wh, W = store.values["1.rnn"]["Wh"], store.values["2.affine"]["W"]
    # The last logits are all equal (h = 0): the slope of the loss is 1/5 - target.
    targets = random_batch(net, 21, 4, 1).targets[-1]
    dh = (np.full((4, 5), 0.2) - np.eye(5)[targets]) @ W.T
    expected = []
    for _ in range(21):
        expected.append(np.linalg.norm(dh, axis=1).mean())
        dh = dh @ Wh.T
    assert flow.norms == pytest.approx(expected, rel=1e-9)


def test_at_full_scale_the_gradient_grows_at_half_of_it_it_vanishes() -> None:
    (grows,), (fades,) = (
        flows(net, store.values, random_batch(net, 21, 4, 1))
        for net, store in map(notes, (1.0, 0.5))
    )
    for before, after in ((5, 10), (10, 15), (15, 20)):
        assert grows.norms[after] > 2 * grows.norms[before]
        assert fades.norms[after] < 0.5 * fades.norms[before]
    assert grows.norms[20] > 100 * grows.norms[0] and grows.horizon is None
    assert fades.norms[20] < 0.01 * fades.norms[0] and fades.horizon is not None


def test_the_additive_path_of_the_lstm_outlasts_the_rnn() -> None:
    net = network({"type": "lstm", "units": 8, "forget_bias": 4.0})
    forms = variants(net, 1, [CELL["rnn"], CELL["lstm"]], [0.5])
    assert [form.label for form in forms] == ["rnn, scale 0.5", "lstm, scale 0.5"]
    rnn, lstm = (flows(f.network, f.store.values, random_batch(net, 41, 4, 1))[0] for f in forms)
    assert (rnn.name, lstm.name) == ("1.rnn", "1.lstm")
    assert rnn.horizon is not None and rnn.horizon < 10
    assert lstm.horizon is None and lstm.norms[40] > 1e6 * rnn.norms[40]


def test_larger_recurrent_weights_send_more_back() -> None:
    net = network({"type": "rnn", "units": 8})
    forms = variants(net, 1, scales=[0.5, 1.0, 1.5])
    far = [
        flows(f.network, f.store.values, random_batch(net, 21, 4, 1))[0].norms[20] for f in forms
    ]
    assert far == sorted(far) and far[0] < 1e-4 * far[1]


def test_a_scale_is_the_largest_singular_value_of_every_block() -> None:
    net = network({"type": "residual", "layer": {"type": "gru", "units": 3}})
    store = started(net)
    before = {name: value.copy() for name, value in store.values["1.residual"].items()}
    rescale(store, 1.5)
    for name, value in store.values["1.residual"].items():
        if name == "layer.Wh":
            sizes = [np.linalg.norm(block, 2) for block in np.split(value, 3, axis=1)]
            assert sizes == pytest.approx([1.5] * 3)
        else:
            np.testing.assert_array_equal(value, before[name])


def test_another_cell_keeps_units_name_and_starts() -> None:
    init = {"Wh": {"type": "identity"}, "b": {"type": "constant", "value": 2.0}}
    net = network(
        {"type": "lstm", "units": 3, "name": "memory", "init": init},
        {"type": "residual", "layer": {"type": "rnn", "units": 3, "activation": "relu"}},
    )
    first, second = stateful_layers(with_cell(net, CELL["rnn"]))
    assert (first.type, first.units, first.name, list(first.init)) == ("rnn", 3, "memory", ["Wh"])
    assert second.activation == "relu"  # its own block, since it is that cell already


@pytest.mark.parametrize(
    ("norms", "horizon", "said"),
    [
        ((1.0, 0.5, 0.009, 0.008), 2, "after 2 steps less than 1 % of the gradient is left"),
        ((1.0, 0.001), 1, "after 1 step less than 1 % of the gradient is left"),
        ((1.0, 0.001, 0.2), None, "after 2 steps 20 % of the gradient is left"),
        ((1.0, 3.0, 1234.5), None, "over 2 steps the gradient grows to 1.23e+03 times"),
        ((1.0, float("inf"), float("nan")), None, "within 2 steps the gradient outgrows float64"),
        ((0.0, 0.0), None, "no gradient of the last step reaches it"),
    ],
)
def test_the_sentence(norms: tuple[float, ...], horizon: int | None, said: str) -> None:
    flow = Flow("1.rnn", norms)
    assert (flow.horizon, flow.sentence()) == (horizon, f"1.rnn: {said}")


def test_the_panel_has_units_and_a_log_scale() -> None:
    drawn = panel([Flow("a", (1.0, 0.1)), Flow("b", (1.0,))])
    assert drawn.log and drawn.x_label == "distance (steps before the last target)"
    assert drawn.y_label == "norm of dL/dh (L2, mean over streams)"
    assert [(c.name, c.xs, c.ys) for c in drawn.curves] == [
        ("a", (0, 1), (1.0, 0.1)),
        ("b", (0,), (1.0,)),
    ]


def test_a_gradient_that_outgrows_float64_is_no_error() -> None:
    init = {"Wx": {"type": "zeros"}, "Wh": {"type": "identity", "scale": 1e6}}
    net = network({"type": "rnn", "units": 3, "init": init})
    (flow,) = flows(net, started(net).values, random_batch(net, 80, 2, 1))
    assert flow.sentence() == "1.rnn: within 79 steps the gradient outgrows float64"
    assert replace(flow, norms=flow.norms[:40]).horizon is None


def test_the_picture_of_a_single_curve_names_its_layer_and_horizon() -> None:
    falling = tuple(0.5**d for d in range(12))
    (one, other) = (Flow(name, falling) for name in ("1.lstm", "2.lstm"))
    said = "1.lstm: after 7 steps less than 1 % of the gradient is left"
    assert panel([one]).title == said
    assert panel([one, other]).title == "gradient of the last loss through time"
