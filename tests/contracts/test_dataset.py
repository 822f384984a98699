"""A window of data: its arrays are of one shape, and its parts are parts of every array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.contracts.dataset import Batch, EncoderInputs, Units
from rnnkit.errors import DataError

RANDOM = np.random.default_rng(0)
STEPS, STREAMS = 5, 4


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def batch(**other: Any) -> Batch:
    """A window of numbers with everything that a batch may have, some of it replaced."""
    window = (STEPS, STREAMS)
    return Batch(
        numbers(*window, 3),
        numbers(*window, 2),
        numbers(*window),
        RANDOM.random(window) < 0.5,
        {"next": 7},
        RANDOM.random(window) < 0.5,
        EncoderInputs(*(numbers(6, STREAMS) for _ in range(3))),
        Units(numbers(*window, 2), numbers(*window, 2)),
    )._replace(**other)


def test_a_window_of_one_shape_is_taken() -> None:
    batch().check(STREAMS)
    batch(valid=None, units=None).check(STREAMS)
    batch().steps(slice(0, 1)).check(STREAMS)


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": numbers(STEPS + 1, STREAMS, 3)},
        {"inputs": numbers(STEPS, STREAMS + 1, 3)},
        {"targets": numbers(STEPS + 1, STREAMS, 2)},
        {"weights": numbers(STEPS, STREAMS + 1)},
        {"resets": np.zeros((STEPS + 1, STREAMS), bool)},
        {"valid": np.zeros((STEPS, STREAMS + 1), bool)},
        {"units": Units(numbers(STEPS, STREAMS, 2), numbers(STEPS, STREAMS, 1))},
        {"units": Units(numbers(STEPS, STREAMS), numbers(STEPS, STREAMS, 2))},
    ],
)
def test_arrays_of_several_shapes_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"^\[DATA_BATCH\] a window of the dataset has inputs \("):
        batch(**other).check(STREAMS)


def test_another_number_of_streams_and_no_step_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        batch(valid=None).check(STREAMS + 1)
    assert str(caught.value) == (
        "[DATA_BATCH] a window of the dataset has inputs (5, 4, 3), targets (5, 4, 2), weights "
        "(5, 4), resets (5, 4): expected (T, 5) of each, and one T (tell its author)"
    )
    with pytest.raises(DataError, match=r"resets \(5, 4\), valid \(5, 4\): expected \(T, 3\) of"):
        batch().check(STREAMS - 1)
    with pytest.raises(DataError, match=r"inputs \(0, 4, 3\)"):
        batch().steps(slice(0, 0)).check(STREAMS)


def same(found: Any, wanted: Any) -> bool:
    pairs = zip(found, wanted, strict=True)
    return all(a is b is None or np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("bare", [False, True])
def test_some_steps_are_those_of_every_array_but_of_the_encoders(bare: bool) -> None:
    whole = batch(**({"valid": None, "units": None, "encoder": None} if bare else {}))
    part = whole.steps(slice(1, 3))
    assert same(part[:4], [array[1:3] for array in whole[:4]])
    assert part.next_cursor == whole.next_cursor and part.encoder is whole.encoder
    if bare:
        assert part.valid is part.units is None
    else:
        assert np.array_equal(part.valid, whole.valid[1:3])
        assert same(part.units, [array[1:3] for array in whole.units])


@pytest.mark.parametrize("bare", [False, True])
def test_some_streams_are_those_of_every_array(bare: bool) -> None:
    whole = batch(**({"valid": None, "units": None, "encoder": None} if bare else {}))
    part = whole.streams(slice(1, 3))
    assert same(part[:4], [array[:, 1:3] for array in whole[:4]])
    assert all(array.flags.c_contiguous for array in part[:4])
    if bare:
        assert part.valid is part.units is part.encoder is None
    else:
        assert np.array_equal(part.valid, whole.valid[:, 1:3])
        assert same(part.units, [array[:, 1:3] for array in whole.units])
        assert same(part.encoder, [array[:, 1:3] for array in whole.encoder])
