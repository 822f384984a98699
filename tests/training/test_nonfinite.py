"""What goes wrong inside an encoder or a decoder is told by the layer's name."""

from __future__ import annotations

import numpy as np
import pytest
from seq2seq_cases import batch_of, network_of

from rnnkit.core.context import Context
from rnnkit.training.nonfinite import all_finite, diverged, nonfinite_gradient, nonfinite_in_window


def test_what_is_not_finite_is_found_in_either_part() -> None:
    network = network_of("additive")
    store, batch = network.store(np.dtype(np.float32)), batch_of()
    store.initialize(1)
    whole = (slice(0, len(batch.weights)),)

    def found() -> str:
        ahead = nonfinite_in_window(network, store.values, batch, {}, Context(), whole)
        return ahead or nonfinite_gradient(network, store)

    assert found() == ""
    store.grads["encoder.1.gru"]["Wh"][0, 0] = np.inf
    assert found() == "the gradient of Wh of layer encoder.1.gru"
    store.values["decoder.2.attention"]["v"][0] = np.nan
    assert found() == "parameter v of layer decoder.2.attention"
    store.values["encoder.1.gru"]["b"][0] = np.inf
    assert found() == "parameter b of layer encoder.1.gru"


@pytest.mark.parametrize(
    ("total", "norm", "what", "code", "told"),
    [
        (np.nan, 1.0, "", "LOSS", "the loss"),
        (np.inf, np.inf, "", "LOSS", "the loss"),
        (1.0, np.inf, "", "GRAD", "the gradient norm"),
        (1.0, 2.0, "the state of layer a", "STATE", "the state of layer a"),
        (1.0, np.nan, "the gradient of W", "GRAD", "the gradient of W"),
        (np.nan, 1.0, "parameter W", "LOSS", "parameter W"),
    ],
)
def test_a_step_that_overflows(total: float, norm: float, what: str, code: str, told: str) -> None:
    assert str(diverged(7, total, norm, what, " of streams 1-2")) == (
        f"[NUM_NONFINITE_{code}] step 7: {told} of streams 1-2 is not finite "
        "(a lower learning rate or a lower clip norm usually helps)"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_enough(bad: float) -> None:
    state = np.zeros((2, 3)), np.zeros((2, 3))
    assert all_finite({}) and all_finite({"a": state, "b": ()})
    state[1][1, 2] = bad
    assert not all_finite({"b": (np.zeros(1),), "a": state})
