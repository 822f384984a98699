"""Several horizons at once: the targets of a row, their metrics, and the naive forecasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.contracts.dataset import Layout

ROWS = np.array([[i**2, -i] for i in range(12)], float)


def opened(folder: Path, **fields: Any) -> Any:
    text = "a,b\n" + "".join(f"{a},{b}\n" for a, b in ROWS)
    (folder / "d.csv").write_text(text)
    columns = {"columns": ("a", "b"), "split": (1.0, 0.0, 0.0), "scale": "none"}
    return Series(path="d.csv", **{**columns, **fields}).open(folder)


def test_the_targets_of_a_row_stand_by_horizon(tmp_path: Path) -> None:
    source = opened(tmp_path, horizon=(1, 3))
    assert (source.targets.width, source.size("train")) == (4, 10)
    (batch,) = source.batches("train", Layout(1, 9), None)
    assert np.array_equal(batch.inputs[:, 0], ROWS[:9])
    assert np.array_equal(batch.targets[:, 0, :2], ROWS[1:10])
    assert np.array_equal(batch.targets[:, 0, 2:], ROWS[3:12])
    assert (batch.weights == 1).all()


def test_one_horizon_in_a_list_is_that_horizon(tmp_path: Path) -> None:
    one, listed = opened(tmp_path, horizon=2), opened(tmp_path, horizon=(2,))
    for a, b in zip(
        one.batches("train", Layout(2, 5), None),
        listed.batches("train", Layout(2, 5), None),
        strict=True,
    ):
        assert np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets)
    assert one.meaning().names == listed.meaning().names == ("a", "b")


def test_each_horizon_has_a_name_a_unit_and_naive_forecasts(tmp_path: Path) -> None:
    source = opened(tmp_path, horizon=(1, 3), scale="standard")
    meaning = source.meaning()
    assert meaning.names == ("a+1", "b+1", "a+3", "b+3")
    scale = source.scales.targets
    values = np.arange(8.0).reshape(2, 4)
    wanted = np.hstack([scale.unscaled(values[:, :2]), scale.unscaled(values[:, 2:])])
    assert np.array_equal(meaning.unscaled(values), wanted)
    naive = meaning.naive("train", 9)
    near, far = np.abs(ROWS[1:10] - ROWS[:9]), np.abs(ROWS[3:] - ROWS[:9])
    assert np.allclose(naive.errors["persistence"], [*near.mean(axis=0), *far.mean(axis=0)])
    assert np.allclose(naive.scale, np.tile(np.abs(np.diff(ROWS, axis=0)).mean(axis=0), 2))
    assert "1, 3 steps ahead" in source.in_words(Layout(1, 9))
    assert source.block.scales()["outputs"].keys() == {"offset", "factor"}
    for key, found in source.block.scales()["outputs"].items():
        assert found == 2 * source.block.targets_scaler.as_lists()[key]
    assert source.in_words(Layout(1, 9)).startswith("1 streams x ")


def test_a_row_with_a_missing_target_weighs_nothing(tmp_path: Path) -> None:
    lines = [f"{i},{'' if i == 5 else i}" for i in range(10)]
    (tmp_path / "m.csv").write_text("\n".join(["a,b", *lines]) + "\n")
    block = Series(
        path="m.csv",
        columns=("a",),
        targets=("b",),
        horizon=(1, 2),
        missing="mask",
        split=(1.0, 0.0, 0.0),
    )
    (batch,) = block.open(tmp_path).batches("train", Layout(1, 8), None)
    assert np.flatnonzero(batch.weights[:, 0] == 0).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("horizon", "said"),
    [
        ((2, 1), r'"horizon" must increase, received \[2, 1\]'),
        ((1, 1), r'"horizon" must increase, received \[1, 1\]'),
        ((), "at least 1 item"),
        ((0, 1), "greater than or equal to 1"),
    ],
)
def test_horizons_increase(horizon: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Series.model_validate({"path": "d.csv", "columns": ("a",), "horizon": horizon})
