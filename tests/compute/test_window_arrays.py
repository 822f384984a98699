"""What compiled code would read past its end is refused before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.compute.window_arrays import check_gradients, restarts
from rnnkit.core.context import Context

STEPS, STREAMS, INPUTS, UNITS = 5, 3, 4, 2


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def window(**other: Any) -> dict[str, Any]:
    """The arrays of an LSTM's window, some of them others."""
    right = {
        "params": {
            "Wx": zeros(INPUTS, 4 * UNITS),
            "Wh": zeros(UNITS, 4 * UNITS),
            "b": zeros(4 * UNITS),
        },
        "xs": zeros(STEPS, STREAMS, INPUTS),
        "state": (zeros(STREAMS, UNITS), zeros(STREAMS, UNITS)),
        "resets": np.zeros((STEPS, STREAMS), bool),
        "ctx": Context(),
    }
    return {**right, **other}


def test_a_window_that_fits_is_taken() -> None:
    LSTM(units=UNITS).scan(**window())
    LSTM(units=UNITS).scan(**window(resets=None))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"xs": zeros(STEPS, STREAMS, 5)}, r"xs: expected the shape \(5, 3, 4\), received \(5, 3,"),
        (
            {"state": (zeros(STREAMS, 3), zeros(STREAMS, UNITS))},
            r"the state: expected the shape \(3",
        ),
        (
            {"state": (zeros(4, UNITS), zeros(STREAMS, UNITS))},
            r"the state: expected the shape \(3",
        ),
        ({"state": (zeros(STREAMS, UNITS), zeros(4, UNITS))}, r"the state: expected the shape \(3"),
        ({"resets": np.zeros((STREAMS, STEPS), bool)}, r"resets: expected the shape \(5, 3\), rec"),
    ],
)
def test_other_shapes_are_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        LSTM(units=UNITS).scan(**window(**other))


def test_parameters_of_another_type_than_the_context_are_refused() -> None:
    said = "the parameters are float32, but the context computes in float64 "
    with pytest.raises(TypeError, match=said):
        LSTM(units=UNITS).scan(**window(ctx=Context(dtype=np.dtype(np.float64))))


def test_gradients_have_the_shapes_of_the_outputs_and_the_state() -> None:
    arrays = window()
    xs, state = arrays["xs"], arrays["state"]
    dys = zeros(STEPS, STREAMS, UNITS)
    check_gradients(dys, state, xs, state)
    with pytest.raises(ValueError, match=r"^dys: expected the shape \(5, 3, 2\), received \(4, 3"):
        check_gradients(dys[1:], state, xs, state)
    with pytest.raises(
        ValueError, match=r"^dstate: expected the shape \(3, 2\), received \(2, 2\)"
    ):
        check_gradients(dys, (state[0], state[1][1:]), xs, state)


def test_streams_that_restart_in_the_middle_have_two_places_for_a_step() -> None:
    resets = np.zeros((STEPS, STREAMS), bool)
    for given in (None, resets):
        found, places = restarts(given, STREAMS)
        assert (found.shape, places) == ((0, STREAMS), 1)
    resets[0, 1] = True
    assert restarts(resets, STREAMS) == (resets, 1)
    middle = resets.copy()
    middle[1, 0] = True
    assert restarts(middle, STREAMS) == (middle, 2)
