"""A network without a way back gives what its scan gives, in little memory, whoever runs beside."""

from __future__ import annotations

import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest
from layer_examples import build

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.layers.bidirectional import Bidirectional
from rnnkit.builtin.layers.layer_norm import LayerNorm
from rnnkit.builtin.layers.residual import Residual
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute import parallel
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import ADD, KEEP, KIND
from rnnkit.compute.stack.window import halfway
from rnnkit.contracts.checked_layer import run_layer
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.sections import online
from rnnkit.network.states import States
from rnnkit.types import Array, Backward, Params, State

needs_kernels = pytest.mark.skipif(not kernels_available(), reason="kernels are off")
EMBEDDING, AFFINE = {"type": "embedding", "units": 6, "name": "table"}, {"type": "affine"}
NORM = {"type": "layer_norm", "epsilon": 0.01}
TIED = {"type": "affine", "tie": "table"}
IDS: dict[str, tuple[dict[str, Any], ...]] = {
    "lstm": (EMBEDDING, {"type": "lstm", "units": 19}, {"type": "lstm", "units": 33}, AFFINE),
    "gru": (
        {"type": "one_hot"},
        {"type": "gru", "units": 17},
        {"type": "lstm", "units": 5},
        AFFINE,
    ),
    "before": (EMBEDDING, {"type": "gru_reset_before", "units": 20}, AFFINE),
    "relu": (EMBEDDING, {"type": "rnn", "units": 9, "activation": "relu"}, AFFINE),
    "tied": (EMBEDDING, {"type": "lstm", "units": 6}, {"type": "dropout", "rate": 0.5}, TIED),
    "bigram": ({"type": "one_hot"}, AFFINE),
    "products of ids": (
        {"type": "one_hot"},
        {"type": "affine", "units": 7},
        {"type": "gru", "units": 5},
        AFFINE,
    ),
    "norms": (EMBEDDING, {"type": "layer_norm"}, {"type": "lstm", "units": 18}, NORM, AFFINE),
    "norm of one hot": ({"type": "one_hot"}, NORM, {"type": "gru", "units": 5}, AFFINE),
    "sums": (
        EMBEDDING,
        {"type": "residual", "layer": {"type": "gru", "units": 6}},
        {"type": "lstm", "units": 20},
        {"type": "residual", "layer": {"type": "residual", "layer": AFFINE | {"units": 20}}},
        {"type": "residual", "layer": {"type": "residual", "layer": {"type": "lstm", "units": 20}}},
        {"type": "residual", "layer": NORM},
        {"type": "residual", "layer": {"type": "dropout", "rate": 0.5}},
        AFFINE,
    ),
    "both ways": (
        EMBEDDING,
        {"type": "bidirectional", "layer": {"type": "rnn", "units": 4}},
        AFFINE,
    ),
}
VALUES: dict[str, tuple[dict[str, Any], ...]] = {
    "values": ({"type": "lstm", "units": 8}, {"type": "affine", "units": 3}, AFFINE),
    "affine first": ({"type": "affine", "units": 7}, {"type": "gru", "units": 8}, AFFINE),
    "both ways of values": (
        {"type": "bidirectional", "layer": {"type": "lstm", "units": 7}},
        {
            "type": "bidirectional",
            "layer": {"type": "residual", "layer": {"type": "gru", "units": 14}},
        },
        {
            "type": "residual",
            "layer": {"type": "bidirectional", "layer": {"type": "rnn", "units": 14}},
        },
        {"type": "affine", "units": 3},
    ),
    "ends with a sum": (
        {"type": "rnn", "units": 3},
        {"type": "residual", "layer": {"type": "gru", "units": 3}},
    ),
    "norm first": (NORM, {"type": "rnn", "units": 3}, NORM),
    "ends with a cell": ({"type": "affine", "units": 4}, {"type": "rnn", "units": 3}),
}
STACKS = IDS | VALUES
VOCABULARY, WIDTH = 13, 5
CAUSAL = [name for name in STACKS if not name.startswith("both ways")]
CUT = ["lstm", "gru", "affine first", "norms", "sums", "ends with a sum"]
"""Stacks that two threads can share by layers."""


class Stack:
    """A network with distinct parameters, and streams for it."""

    def __init__(self, name: str) -> None:
        self.by_ids, layers = name in IDS, [build(block) for block in STACKS[name]]
        inputs = Signal(VOCABULARY, ids=True) if self.by_ids else Signal(WIDTH)
        targets = inputs if self.by_ids else Signal(3)
        loss = SoftmaxCrossEntropy() if self.by_ids else MSE()
        self.network = Network.sized(layers, loss, inputs, targets)
        store = self.network.store(np.dtype(np.float32))
        store.flat[...] = np.random.default_rng(5).normal(0, 0.4, store.flat.size)
        self.params: dict[str, dict[str, Array]] = store.values

    def inputs(self, steps: int, streams: int) -> Array:
        random = np.random.default_rng(steps * 100 + streams)
        if self.by_ids:
            return random.integers(0, VOCABULARY, (steps, streams)).astype(np.int32)
        return random.normal(0, 1, (steps, streams, WIDTH)).astype(np.float32)

    def states(self, streams: int) -> States:
        random = np.random.default_rng(streams)
        zero = self.network.initial_states(streams, np.dtype(np.float32))
        return {
            name: tuple(random.normal(0, 0.5, a.shape).astype(np.float32) for a in state)
            for name, state in zero.items()
        }

    def forward(
        self, xs: Array, states: States, resets: Array | None = None
    ) -> tuple[Array, States]:
        return self.network.forward(self.params, xs, states, resets, Context())


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    return Stack(request.param)


@pytest.fixture(params=CAUSAL)
def causal(request: pytest.FixtureRequest) -> Stack:
    return Stack(request.param)


def check_close(found: States, wanted: States) -> None:
    assert list(found) == list(wanted)
    for name, state in wanted.items():
        for mine, array in zip(found[name], state, strict=True):
            assert mine.dtype == np.float32
            atol = 1e-5 * max(1, np.abs(array).max())
            np.testing.assert_allclose(mine, array, rtol=0, atol=atol, err_msg=name)


def check_equal(found: States, wanted: States, rows: slice = slice(None)) -> None:
    for name, state in wanted.items():
        for mine, array in zip(found[name], state, strict=True):
            assert np.array_equal(mine, array[rows]), name


@pytest.mark.parametrize(("steps", "streams"), [(1, 1), (2, 3), (9, 1), (40, 2), (7, 23), (90, 70)])
@pytest.mark.parametrize("restart", [0.0, 0.1])
def test_two_windows_give_what_scan_gives(
    stack: Stack, steps: int, streams: int, restart: float
) -> None:
    states = wanted = stack.states(streams)
    for window in range(2):
        xs = stack.inputs(steps, streams)
        begins = np.random.default_rng(window).random((steps, streams)) < restart
        resets = begins if restart else None
        before = {name: tuple(a.copy() for a in state) for name, state in states.items()}
        ys, after = stack.forward(xs, states, resets)
        scanned, wanted, _ = stack.network.scan(stack.params, xs, wanted, resets, Context())
        assert (ys.shape, ys.dtype) == (scanned.shape, np.float32)
        size = max(1, np.abs(scanned).max())  # a relu may grow; each processor rounds otherwise
        np.testing.assert_allclose(ys, scanned, rtol=0, atol=1e-5 * size)
        check_close(after, wanted)
        check_equal(states, before)  # what was given is as it was
        states = after


@pytest.mark.parametrize(("name", "train"), [("tied", True), ("lstm", False)])
def test_dropout_and_float64_are_computed_as_scan_does(name: str, train: bool) -> None:
    stack = Stack(name)
    dtype = np.dtype(np.float32 if train else np.float64)
    params = {
        layer: {key: value.astype(dtype) for key, value in own.items()}
        for layer, own in stack.params.items()
    }
    xs, states = stack.inputs(9, 2), stack.network.initial_states(2, dtype)
    for _ in range(2):
        ctx = Context(train=train, dtype=dtype, seed=1)
        ys, after = stack.network.forward(params, xs, states, None, ctx)
        wanted, states, _ = stack.network.scan(params, xs, states, None, ctx)
        assert ys.dtype == dtype and len(after) == len(states)
        np.testing.assert_allclose(ys, wanted, rtol=0, atol=1e-5 if train else 1e-12)


@needs_kernels
def test_a_stream_has_the_same_bits_alone_and_among_others(causal: Stack) -> None:
    if causal.network.layers[-1].tied_to():
        pytest.skip("products of tied tables round by the number of rows")
    xs, states = causal.inputs(30, 21), causal.states(21)
    ys, after = causal.forward(xs, states)
    for k in (0, 7, 20):
        own = {name: tuple(a[k : k + 1] for a in state) for name, state in states.items()}
        alone, ended = causal.forward(xs[:, k : k + 1], own)
        assert np.array_equal(alone, ys[:, k : k + 1])
        check_equal(ended, after, slice(k, k + 1))


@needs_kernels
@pytest.mark.parametrize("streams", [1, 6, 19])
def test_cut_anywhere_a_window_gives_the_same_bits(causal: Stack, streams: int) -> None:
    if causal.network.layers[-1].tied_to():
        pytest.skip("products of tied tables round by the number of rows")
    xs, states = causal.inputs(60, streams), causal.states(streams)
    whole, after = causal.forward(xs, states)
    for cuts in ([17, 18, 59], range(1, 60)):
        found, now = [], states
        for piece in np.split(xs, cuts):
            ys, now = causal.forward(piece, now)
            found.append(ys)
        assert np.array_equal(np.concatenate(found), whole)
        check_equal(now, after)


@needs_kernels
def test_threads_change_no_bit(causal: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    xs, states = causal.inputs(25, 37), causal.states(37)
    resets = np.random.default_rng(3).random((25, 37)) < 0.05
    monkeypatch.setattr(parallel, "WORTH", 1)
    found = []
    for count in (1, 2, 3):
        monkeypatch.setattr(parallel, "threads", lambda count=count: count)
        found.append(causal.forward(xs, states, resets))
    for ys, after in found[1:]:
        assert np.array_equal(ys, found[0][0])
        check_equal(after, found[0][1])


@needs_kernels
@pytest.mark.parametrize("streams", [1, 5])
@pytest.mark.parametrize("name", CUT)
def test_two_threads_that_share_the_layers_change_no_bit(
    name: str, streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, cuts = Stack(name), list[int]()

    def noted(program: Array) -> int:
        cuts.append(halfway(program))
        return cuts[-1]

    xs, states = stack.inputs(300, streams), stack.states(streams)
    resets = np.random.default_rng(4).random((300, streams)) < 0.02
    alone, after = stack.forward(xs, states, resets)
    for changed, value in (("threads", lambda: 2), ("WORTH", 1), ("halfway", noted)):
        monkeypatch.setattr(f"rnnkit.compute.stack.window.{changed}", value)
    for _ in range(20):
        ys, ended = stack.forward(xs, states, resets)
        assert np.array_equal(ys, alone)
        check_equal(ended, after)
    assert len(cuts) == 20 and cuts[0] > 0


def test_a_sum_is_no_half() -> None:
    (section,) = Stack("sums").network.sections
    assert section.table
    program = section.table.program
    cut = halfway(program)
    before, after = program[:cut, KIND].tolist(), program[cut:, KIND].tolist()
    for part in (before, after):
        assert part.count(KEEP) == part.count(ADD) > 0


def test_what_stands_below_the_first_cell_is_no_half() -> None:
    (section,) = Stack("ends with a cell").network.sections
    assert section.table and halfway(section.table.program) == 0


@needs_kernels
def test_steps_read_the_parameters_as_they_are() -> None:
    stack = Stack("lstm")
    bound = online(stack.network.sections, stack.params)
    assert bound
    xs, states = stack.inputs(1, 3), stack.states(3)
    for _ in range(2):
        ys, after = bound.step(xs, states)
        whole, wanted = stack.forward(xs, states)
        assert np.array_equal(ys, whole)
        check_equal(after, wanted)
        for views in stack.params.values():
            for view in views.values():
                view *= 1.5
    assert not np.array_equal(bound.step(xs, states)[0], ys)


def test_other_layers_are_no_online_stack() -> None:
    stack = Stack("both ways")
    assert online(stack.network.sections, stack.params) is None
    compiled = [section.table is not None for section in stack.network.sections]
    assert compiled == [True, False, True]


@pytest.mark.parametrize("name", CAUSAL)
def test_stacks_are_one_section(name: str) -> None:
    (section,) = Stack(name).network.sections
    assert section.table


@needs_kernels
def test_a_norm_gives_what_the_layer_gives() -> None:
    layer, random = LayerNorm(epsilon=1e-3), np.random.default_rng(1)
    for width in (1, 5, 16, 131):
        params = {name: random.normal(0, 1, width).astype(np.float32) for name in ("gain", "bias")}
        xs = random.normal(2, 3, (3, 2, width)).astype(np.float32)
        xs[1] = 7  # all alike
        ys, _ = run_layer(layer, params, xs, (), None, Context())
        wanted, _, _ = layer.forward(params, xs, (), Context())
        np.testing.assert_allclose(ys, wanted, rtol=0, atol=1e-6)
    xs[0, 1, 2] = np.nan
    ys, _ = run_layer(layer, params, xs, (), None, Context())
    assert np.isnan(ys[0, 1]).all() and np.isfinite(ys[0, 0]).all()


@needs_kernels
def test_an_id_that_is_none_reads_no_memory_of_others() -> None:
    for name in ("lstm", "gru"):
        stack = Stack(name)
        xs, states = stack.inputs(3, 2), stack.states(2)
        xs[1] = VOCABULARY + 10**6, -(10**6)
        ys, _ = stack.forward(xs, states)
        xs[1] = VOCABULARY - 1, 0
        assert np.array_equal(ys, stack.forward(xs, states)[0])


@needs_kernels
def test_a_wrong_parameter_is_refused_before_it_is_read() -> None:
    stack = Stack("lstm")
    name = stack.network.names[1]
    wrong: dict[str, Any] = {**stack.params[name], "Wh": np.zeros((3, 3), np.float32)}
    params: dict[str, Params] = {**stack.params, name: wrong}
    with pytest.raises(ValueError, match=r"expected the shape \(19, 76\), received \(3, 3\)"):
        stack.network.forward(params, stack.inputs(2, 2), stack.states(2), None, Context())
    params[name] = {**stack.params[name], "b": np.zeros(76)}
    with pytest.raises(TypeError, match="is float64, expected float32"):
        stack.network.forward(params, stack.inputs(2, 2), stack.states(2), None, Context())


def peak_of(network: Network, xs: Array) -> int:
    """Return the bytes that a window without a way back takes at most, outputs included."""
    store = network.store(np.dtype(np.float32))
    states = network.initial_states(xs.shape[1], np.dtype(np.float32))
    network.forward(store.values, xs, states, None, Context())
    tracemalloc.start()
    network.forward(store.values, xs, states, None, Context())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@needs_kernels
def test_a_long_window_takes_little_more_than_parameters_and_outputs() -> None:
    layers = [build(b) for b in (EMBEDDING, {"type": "lstm", "units": 96}, AFFINE)]
    ids = Signal(64, ids=True)
    network = Network.sized(layers, SoftmaxCrossEntropy(), ids, ids)
    ys, parameters = 2000 * 32 * 64 * 4, network.store(np.dtype(np.float32)).flat.nbytes
    assert parameters + peak_of(network, np.zeros((2000, 32), np.int32)) < 1.2 * (parameters + ys)


@needs_kernels
@pytest.mark.parametrize("outer", ["bidirectional", "residual"])
def test_a_long_window_of_a_wrapper_takes_little_more_than_what_its_layers_give(outer: str) -> None:
    layers = [build({"type": outer, "layer": {"type": "lstm", "units": 16}})]
    width = 32 if outer == "bidirectional" else 16
    network = Network.sized(layers, MSE(), Signal(16), Signal(width))
    xs = np.zeros((1000, 16, 16), np.float32)
    given = 4 * 1000 * 16 * width
    assert peak_of(network, xs) < 1.2 * 2 * given  # what the inner layers give, and the whole


class Doubled(LSTM):
    """An LSTM with a scan of its own: its outputs count twice."""

    type: Literal["doubled"] = "doubled"  # type: ignore[assignment]

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, state, backward = super().scan(params, xs, state, resets, ctx)
        return 2 * ys, state, lambda dys, dstate, grads: backward(2 * dys, dstate, grads)


class Negated(Bidirectional):
    """Both directions with a scan of its own, and the run of its base."""

    type: Literal["negated"] = "negated"  # type: ignore[assignment]

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, state, backward = super().scan(params, xs, state, resets, ctx)
        return -ys, state, lambda dys, dstate, grads: backward(-dys, dstate, grads)


@pytest.mark.parametrize(
    "layer",
    [
        Doubled(units=4),
        Bidirectional(layer=Doubled(units=4)),
        Residual(layer=Doubled(units=4)),
        Negated(layer=LSTM(units=4)),
    ],
    ids=lambda layer: layer.type,
)
def test_a_scan_of_its_own_is_what_runs(layer: Layer) -> None:
    found = run_layer(layer, *window_of(layer), None, Context())
    ys, state, _ = layer.scan(*window_of(layer), None, Context())
    np.testing.assert_allclose(found[0], ys, rtol=0, atol=1e-6)
    check_close({"": found[1]}, {"": state})
    params, xs, _ = window_of(layer)
    network = Network.sized([layer], MSE(), Signal(4), Signal(ys.shape[2]))
    states = network.initial_states(2, np.dtype(np.float32))
    whole, _ = network.forward({network.names[0]: params}, xs, states, None, Context())
    np.testing.assert_allclose(whole, ys, rtol=0, atol=1e-6)


def window_of(layer: Layer) -> tuple[Params, Array, State]:
    random = np.random.default_rng(2)
    params = {
        name: random.normal(0, 0.5, spec.shape).astype(np.float32)
        for name, spec in layer.params(Signal(4)).items()
    }
    xs = random.normal(0, 1, (5, 2, 4)).astype(np.float32)
    return params, xs, layer.initial_state(Signal(4), 2, np.dtype(np.float32))


@needs_kernels
def test_a_wrong_parameter_inside_a_wrapper_is_refused_before_it_is_read() -> None:
    layer = Bidirectional(layer=LSTM(units=4))
    params, xs, state = window_of(layer)
    wrong = {**params, "backward.Wh": np.zeros((3, 16), np.float32)}
    with pytest.raises(ValueError, match=r"expected the shape \(4, 16\), received \(3, 16\)"):
        run_layer(layer, wrong, xs, state, None, Context())
