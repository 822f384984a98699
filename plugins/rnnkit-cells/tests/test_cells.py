import math

import numpy as np
import plain_cells
import pytest
from rnnkit_cells.coupled_lstm import CoupledLSTM
from rnnkit_cells.ind_rnn import IndRNN
from rnnkit_cells.last_inputs import LastInputs
from rnnkit_cells.linear_recurrence import LinearRecurrence
from rnnkit_cells.min_gru import MinGRU
from rnnkit_cells.min_lstm import MinLSTM
from rnnkit_cells.mogrifier_lstm import MogrifierLSTM
from rnnkit_cells.peephole_lstm import PeepholeLSTM
from rnnkit_cells.qrnn import QRNN
from rnnkit_cells.slstm import SLSTM

from rnnkit import Context, Signal
from rnnkit.testing import check_layer

STEPS, STREAMS, INPUTS = 7, 3, 5
CASES = {
    "min_gru": (MinGRU(units=4), plain_cells.min_gru),
    "min_lstm": (MinLSTM(units=4), plain_cells.min_lstm),
    "slstm": (SLSTM(units=4), plain_cells.slstm),
    "slstm, exponential": (SLSTM(units=4, exponential_forget=True), plain_cells.slstm_exponential),
    "ind_rnn": (IndRNN(units=4), plain_cells.ind_rnn),
    "ind_rnn, tanh": (IndRNN(units=4, activation="tanh"), plain_cells.ind_rnn_tanh),
    "qrnn": (QRNN(units=4), plain_cells.qrnn),
    "linear_recurrence": (LinearRecurrence(units=4), plain_cells.linear_recurrence),
    "peephole_lstm": (PeepholeLSTM(units=4), plain_cells.peephole_lstm),
    "coupled_lstm": (CoupledLSTM(units=4), plain_cells.coupled_lstm),
    "mogrifier_lstm": (MogrifierLSTM(units=4), plain_cells.mogrifier_lstm),
    "mogrifier_lstm, 2": (MogrifierLSTM(units=4, rounds=2), plain_cells.mogrifier_lstm),
}


def drawn(layer, width, random):
    """Return parameters around their start, no two alike."""
    declared = layer.declared(Signal(width)).items()
    return {name: of.draw(random) + 0.3 * random.standard_normal(of.shape) for name, of in declared}


def in_windows(layers, params, xs, sizes):
    """Return the outputs of a stack over consecutive windows, the states handed on."""
    ctx, ys = Context(dtype=np.dtype(np.float64)), []
    widths = [xs.shape[2], *(of.output(Signal(xs.shape[2])).width for of in layers)]
    states = [
        of.initial_state(Signal(width), STREAMS, ctx.dtype)
        for of, width in zip(layers, widths, strict=False)
    ]
    for window in np.split(xs, np.cumsum(sizes)[:-1]):
        for place, layer in enumerate(layers):
            window, states[place], _ = layer.forward(params[place], window, states[place], ctx)
        ys.append(window)
    return np.concatenate(ys)


@pytest.mark.parametrize("layer", [cell for cell, _ in CASES.values()], ids=CASES)
def test_it_keeps_the_contract(layer):
    check_layer(layer)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_last_inputs_keep_the_contract(width):
    check_layer(LastInputs(width=width))


@pytest.mark.parametrize("layer, plain", CASES.values(), ids=CASES)
def test_two_windows_are_what_the_paper_says(layer, plain):
    random = np.random.default_rng(3)
    xs = random.standard_normal((STEPS, STREAMS, INPUTS))
    params = drawn(layer, INPUTS, random)
    ys = in_windows([layer], [params], xs, [3, 4])
    np.testing.assert_allclose(ys, plain(params, xs), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("sizes", [[3, 4], [1, 6]], ids=str)
def test_a_convolution_over_two_windows_is_one_over_the_whole(sizes):
    random = np.random.default_rng(4)
    xs = random.standard_normal((STEPS, STREAMS, INPUTS))
    params = drawn(QRNN(units=4), 3 * INPUTS, random)
    ys = in_windows([LastInputs(width=3), QRNN(units=4)], [{}, params], xs, sizes)
    np.testing.assert_allclose(ys, plain_cells.qrnn(params, xs), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("size", [-300.0, 300.0])
@pytest.mark.parametrize("layer", [SLSTM(units=4), MinLSTM(units=4)], ids=lambda layer: layer.type)
def test_gates_far_open_or_shut_give_numbers(layer, size):
    """exp(300) is no float32, and two gates of exp(-300) would be 0 / 0."""
    params = drawn(layer, INPUTS, np.random.default_rng(5))
    params = {name: each.astype(np.float32) for name, each in params.items()}
    params["b"][:8] = size  # i and f
    xs = np.random.default_rng(6).standard_normal((STEPS, STREAMS, INPUTS)).astype(np.float32)
    state = layer.initial_state(Signal(INPUTS), STREAMS, np.dtype(np.float32))
    ys, after, backward = layer.forward(params, xs, state, Context())
    grads = {name: np.zeros_like(each) for name, each in params.items()}
    dxs, _ = backward(np.ones_like(ys), tuple(map(np.zeros_like, after)), grads)
    assert all(np.isfinite(each).all() for each in (ys, *after, dxs, *grads.values()))
    assert ys.any()


def test_a_linear_recurrence_starts_on_its_ring():
    layer = LinearRecurrence(units=1000, r_min=0.9, r_max=0.99, max_phase=0.3)
    declared, random = layer.declared(Signal(INPUTS)), np.random.default_rng(7)
    nu, phase, gamma = (declared[name].draw(random) for name in ("nu", "phase", "gamma"))
    modulus, angle = np.exp(-np.exp(nu)), 2 * np.arctan(np.exp(phase))
    assert 0.9 < modulus.min() < 0.9005 and 0.9895 < modulus.max() < 0.99
    # Uniform on the ring: half of its area lies beyond the radius of the mean square.
    assert math.isclose(np.median(modulus**2), (0.9**2 + 0.99**2) / 2, rel_tol=1e-3)
    assert 0 < angle.min() < 0.003 and 0.297 < angle.max() < 0.3
    np.testing.assert_allclose(np.exp(2 * gamma), 1 - modulus**2)


def test_a_ring_without_width_is_refused():
    with pytest.raises(ValueError, match="r_min 0.9 must be below r_max 0.9"):
        LinearRecurrence(units=4, r_min=0.9, r_max=0.9)


@pytest.mark.parametrize(
    "layer, gate",
    [(SLSTM(units=2), 1), (PeepholeLSTM(units=2), 1), (CoupledLSTM(units=2), 0)],
    ids=lambda each: getattr(each, "type", ""),
)
def test_the_forget_gate_starts_open(layer, gate):
    start = layer.declared(Signal(INPUTS))["b"].draw(np.random.default_rng(8))
    assert start.reshape(-1, 2).tolist() == [
        [float(at == gate)] * 2 for at in range(len(start) // 2)
    ]


def test_the_forget_gate_of_the_mogrifier_starts_open():
    declared = MogrifierLSTM(units=2, forget_bias=2.0).declared(Signal(INPUTS))
    starts = {g: declared[f"b{g}"].draw(np.random.default_rng(9)).tolist() for g in "ifog"}
    assert starts == {"i": [0, 0], "f": [2, 2], "o": [0, 0], "g": [0, 0]}
