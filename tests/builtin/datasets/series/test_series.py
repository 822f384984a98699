"""Series: scaled by the training part alone, cut in time, the target some steps ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.contracts.dataset import Layout
from rnnkit.errors import DataError

ROWS = np.stack([np.arange(100.0), 7 - np.arange(100.0) ** 2], axis=1)


def series(**fields: Any) -> Series:
    given = {"type": "series", "path": "s.csv", "columns": ["a", "b"], **fields}
    return Series.model_validate_json(json.dumps(given))


def write(folder: Path, rows: Any = ROWS, name: str = "s.csv") -> Path:
    lines = ["a,b", *(row if isinstance(row, str) else f"{row[0]},{row[1]}" for row in rows)]
    (folder / name).write_text("\n".join(lines))
    return folder


def batches(source: Any, layout: Layout, split: Any = "train", cursor: Any = None) -> list[Any]:
    return list(source.batches(split, layout, cursor))


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_a_scaler_is_that_of_the_training_part(tmp_path: Path, kind: str) -> None:
    block = series(scale=kind)
    source = block.open(write(tmp_path))
    (batch,) = batches(source, Layout(1, 200, tail=True))
    got = batch.inputs[:, 0]
    raw = ROWS[:79]
    if kind == "standard":
        assert np.allclose(got, (raw - ROWS[:80].mean(0)) / ROWS[:80].std(0), atol=1e-5)
    elif kind == "minmax":
        assert got.min() == 0 and np.allclose(got, (raw - ROWS[:80].min(0)) / np.ptp(ROWS[:80], 0))
    else:
        assert np.allclose(got, raw)
    fitted = block.fitted(source)
    again = Series.model_validate_json(fitted.model_dump_json())
    assert again == fitted and again.targets_scaler == source.scales.targets


@pytest.mark.parametrize(
    ("columns", "targets", "steps"),
    [(["a"], ["a", "b"], "30"), (["a", "b"], None, "30"), (["a", "b"], ["a"], "4")],
)
def test_as_many_rows_are_forecast_next_as_need_no_other_column(
    columns: list[str], targets: list[str] | None, steps: str
) -> None:
    block = series(columns=columns, targets=targets, horizon=[1, 4])
    assert block.next_command(None, Path(".")) == ("forecast", "--steps", steps)


def test_a_stored_scaler_reads_another_file(tmp_path: Path) -> None:
    block = series()
    fitted = block.fitted(block.open(write(tmp_path)))
    write(tmp_path, ROWS[:20] + 1000, "t.csv")
    source = fitted.of_file(tmp_path / "t.csv").open(Path("."))
    assert source.splits() == ("test",)
    (batch,) = batches(source, Layout(1, 99, tail=True), "test")
    assert np.allclose(batch.inputs[0, 0], (ROWS[0] + 1000 - ROWS[:80].mean(0)) / ROWS[:80].std(0))
    assert np.allclose(source.meaning().unscaled(batch.targets[0, 0]), ROWS[1] + 1000)


def test_the_target_lies_ahead_in_its_own_columns(tmp_path: Path) -> None:
    source = series(targets=["b"], horizon=3, scale="none").open(write(tmp_path))
    found = batches(source, Layout(2, 10))
    assert len(found) == 3 and found[0].targets.shape == (10, 2, 1)
    assert np.array_equal(found[0].inputs[:, 0], ROWS[:10])
    assert np.array_equal(found[0].targets[:, 0], ROWS[3:13, 1:])
    per_stream = (80 - 3) // 2
    assert np.array_equal(found[1].inputs[:, 1], ROWS[per_stream + 10 : per_stream + 20])


def test_windows_carry_on_and_every_cursor_goes_on(tmp_path: Path) -> None:
    source = series().open(write(tmp_path))
    layout = Layout(3, 5)
    found = batches(source, layout)
    assert [bool(batch.resets.any()) for batch in found] == [True, False, False, False, False]
    assert found[-1].next_cursor is None
    for index, batch in enumerate(found[:-1]):
        (following, *_) = batches(source, layout, cursor=batch.next_cursor)
        assert np.array_equal(following.inputs, found[index + 1].inputs)
    assert len(batches(source, Layout(3, 5, tail=True))) == 6


def test_naive_forecasts_are_measured_in_the_units_of_the_data(tmp_path: Path) -> None:
    day = np.arange(100) % 4
    source = series(season=4, horizon=2).open(write(tmp_path, np.stack([day, day * 2], 1)))
    naive = source.meaning().naive("train", 76)
    assert naive.scale.tolist() == [0, 0]
    assert naive.errors["persistence"].tolist() == [2, 4]
    # Only the first two targets have no season before them.
    assert naive.errors["seasonal"] == pytest.approx([2 * 2 / 76, 2 * 4 / 76])


def test_a_column_that_never_moves_keeps_its_unit() -> None:
    for kind in ("standard", "minmax"):
        for value in (14.62, 1e-9, -1e9 / 3):
            still = np.full((900, 1), value)
            assert Scaler.fitted(still, kind).factor == (1.0,)
            still[::2] = np.nextafter(value, 1e300)
            assert Scaler.fitted(still, kind).factor == (1.0,)
        small = np.array([[1e-7], [2e-7], [3e-7]])
        assert np.ptp(Scaler.fitted(small, kind).scaled(small)) > 0.9
    scaler = Scaler.fitted(np.full((5, 1), 3.0), "standard")
    assert scaler.factor == (1.0,) and scaler.scaled(np.array([[4.0]])).tolist() == [[1]]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,nan", '[DATA_EMPTY] b: "nan" is a missing value (fill it in, or give "missing")'),
        ("1,", '[DATA_EMPTY] b: "" is a missing value (fill it in, or give "missing")'),
        ("1,None", '[DATA_EMPTY] b: "None" is a missing value (fill it in, or give "missing")'),
        ("1,#N/A", '[DATA_EMPTY] b: "#N/A" is a missing value (fill it in, or give "missing")'),
        ("1,inf", "[DATA_NAN] b: inf is no finite number (take the row out, or fill in a number)"),
        ("1,x", '[DATA_FIELD] b: expected a number, received "x"'),
        ("1", "[DATA_CSV] expected 2 columns as in the header, received 1 (write an empty cell"),
    ],
)
def test_a_bad_row_is_named_or_skipped(tmp_path: Path, row: str, problem: str) -> None:
    write(tmp_path, [*ROWS[:3], row, *ROWS[3:]])
    with pytest.raises(DataError) as caught:
        series().open(tmp_path)
    assert str(caught.value).startswith(f"s.csv:5 {problem}")
    source = series(skip_bad=True).open(tmp_path)
    assert sum(len(part.read) for part in source.parts.values()) == 100
    assert "1 bad row skipped, the first: s.csv:5" in source.in_words(Layout(1, 5))


def test_a_column_without_a_number_is_one_error(tmp_path: Path) -> None:
    write(tmp_path, [f"2024-01-{day:02},1" for day in range(1, 21)])
    with pytest.raises(DataError) as caught:
        series().open(tmp_path)
    said = 's.csv:2 [DATA_FIELD] a is no number in any row; the first of 20 holds "2024-01-01" '
    assert (
        str(caught.value) == f'{said}(name it as "time" or "group", or leave it out of "columns")'
    )


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:1])
    with pytest.raises(DataError) as caught:
        series(columns=["c"]).open(tmp_path)
    assert str(caught.value) == ('s.csv:1 [DATA_FIELD] the header names no "c" (there is "a", "b")')


def test_a_split_is_finite_on_the_scale_of_training(tmp_path: Path) -> None:
    write(tmp_path, [*ROWS[:-1], "3,3e38"])
    with pytest.raises(DataError) as caught:
        series(targets_scaler={"offset": [0], "factor": [0.5]}, targets=["b"]).open(tmp_path)
    assert str(caught.value) == (
        "the test split [DATA_NAN] b: 3e+38 is no finite number on the scale of the training part "
        "(take the row out, or fill in a number)"
    )


@pytest.mark.parametrize("level", ["[1, 2, 3]", "[]", "[[1], [2]]"])
def test_a_row_is_one_step(tmp_path: Path, level: str) -> None:
    rows = ['{"a": 1, "b": [2]}'] * 3 + [f'{{"a": 1, "b": {level}}}']
    (tmp_path / "s.jsonl").write_text("\n".join(rows))
    with pytest.raises(DataError) as caught:
        series(path="s.jsonl").open(tmp_path)
    problem = f"b: expected one number, received {level} (a row is one step)"
    assert str(caught.value) == f"s.jsonl:4 [DATA_FIELD] {problem}"


def test_a_short_split_tells_what_it_needs(tmp_path: Path) -> None:
    source = series(horizon=4).open(write(tmp_path))
    with pytest.raises(DataError) as caught:
        source.windows("valid", Layout(3, 5))
    assert str(caught.value) == (
        "the valid split [DATA_TOO_SHORT] 10 rows, but 3 streams of windows of 5 with a horizon of "
        "4 need at least 19 (give fewer streams, or a shorter window)"
    )
    with pytest.raises(DataError, match=r'at least 11 \(give more rows, or another "split"\)$'):
        series(horizon=10).open(tmp_path).windows("valid", Layout(1, 1))
    with pytest.raises(DataError, match=r'at least 11 \(give more rows, or another "split"\)$'):
        series(horizon=10).open(tmp_path).windows("valid", Layout(1, 7, tail=True))


@pytest.mark.parametrize("season", [3, 4, 7])
@pytest.mark.parametrize("horizon", [1, 2, 3, 5, 8])
def test_a_season_ago_is_the_newest_known_row_at_its_point(
    tmp_path: Path, season: int, horizon: int
) -> None:
    values = np.random.default_rng(1).normal(size=(60, 2))
    source = series(season=season, horizon=horizon, split=[1, 0, 0])
    naive = source.open(write(tmp_path, values)).meaning().naive
    assert naive is not None
    errors = []
    for now in range(60 - horizon):
        before = now + horizon - season
        while before > now:
            before -= season
        errors.append(np.abs(values[now + horizon] - values[before if before >= 0 else now]))
    found = naive("train", 60 - horizon)
    assert found.errors["seasonal"] == pytest.approx(np.mean(errors, axis=0))
    persistence = np.abs(values[horizon:] - values[:-horizon]).mean(axis=0)
    assert found.errors["persistence"] == pytest.approx(persistence)
    scale = np.abs(values[season:] - values[:-season]).mean(axis=0)
    assert found.scale == pytest.approx(scale)


def test_a_season_longer_than_the_data_has_no_scale(tmp_path: Path) -> None:
    naive = series(season=99).open(write(tmp_path, ROWS[:20])).meaning().naive
    assert naive is not None and naive("train", 9).scale.tolist() == [0, 0]


def test_shares_that_rounding_makes_smaller_still_get_their_rows(tmp_path: Path) -> None:
    source = series(split=[0.7, 0.1, 0.2]).open(write(tmp_path, ROWS[:10]))
    assert [len(source.part(split).read) for split in source.splits()] == [7, 1, 2]


@pytest.mark.parametrize("side", ["inputs_scaler", "targets_scaler"])
@pytest.mark.parametrize("scaler", [([0], [1, 1]), ([0, 0], [1]), ([0], [1]), ([0] * 3, [1] * 3)])
def test_a_scaler_has_a_number_for_each_column(side: str, scaler: Any) -> None:
    with pytest.raises(ValueError, match="a scaler needs 2 offsets and factors"):
        series(**{side: {"offset": scaler[0], "factor": scaler[1]}})


def test_a_value_beyond_all_floats_on_the_scale_is_told() -> None:
    scaler = Scaler(offset=(0.0,), factor=(1e-300,))
    assert scaler.beyond(np.array([[1e30], [0]])).tolist() == [[True], [False]]
    with pytest.raises(DataError, match="a: 1e\\+30 is no finite number on the scale"):
        scaler.check(np.array([[1e30]]), ["a"])
