"""What becomes of values that a series lacks, and of the steps that its time lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import done

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.series.source import TimelineSource
from rnnkit.contracts.dataset import Layout
from rnnkit.errors import DataError

HOLES = ["0,10", "1,11", ",12", "3,", "4,14", ",", "NA,null", "7,17", "8,18"]


def series(**fields: Any) -> Series:
    given = {"type": "series", "path": "s.csv", "columns": ["v"], "scale": "none", **fields}
    return Series.model_validate_json(json.dumps({"split": [1, 0, 0], **given}))


def opened(folder: Path, lines: list[str], head: str = "v,w", **fields: Any) -> TimelineSource:
    (folder / "s.csv").write_text("\n".join([head, *lines]) + "\n")
    return series(**fields).open(folder)


def batch_of(source: TimelineSource) -> Any:
    (batch,) = source.batches("train", Layout(1, 99, tail=True), None)
    return batch


def test_a_missing_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path, HOLES, columns=["v", "w"])
    found = [(problem.where, problem.count) for problem in caught.value.problems]
    assert found == [("s.csv:4", 1), ("s.csv:5", 1), ("s.csv:7", 1), ("s.csv:8", 1)]


def test_drop_closes_time_up(tmp_path: Path) -> None:
    source = opened(tmp_path, HOLES, missing="drop", columns=["v", "w"])
    part = source.part("train")
    assert part.read[:, 0].tolist() == [0, 1, 4, 7, 8]
    assert part.places.tolist() == [0, 1, 4, 7, 8]
    assert "4 rows with a missing value left out, the first: s.csv:4" in source.note


@pytest.mark.parametrize(
    ("missing", "values", "said"),
    [
        ("forward", [0, 1, 1, 3, 4, 4, 4, 7, 8], "3 missing values filled by the value before"),
        (
            "interpolate",
            list(range(9)),
            "3 missing values filled on the line to the next known value, which no forecast would "
            "know",
        ),
        (
            "mask",
            [0, 1, 1, 3, 4, 4, 4, 7, 8],
            "3 missing values masked: weight 0 as targets, the value before as inputs",
        ),
    ],
)
def test_what_stands_in_for_a_missing_value(
    tmp_path: Path, missing: str, values: list[float], said: str
) -> None:
    source = opened(tmp_path, HOLES, missing=missing)
    batch = batch_of(source)
    assert batch.inputs[:, 0, 0].tolist() == values[:-1]
    assert batch.targets[:, 0, 0].tolist() == values[1:]
    masked = [1, 0, 1, 1, 0, 0, 1, 1] if missing == "mask" else [1] * 8
    assert batch.weights[:, 0].tolist() == masked
    assert source.note == said


@pytest.mark.parametrize("missing", ["forward", "interpolate", "mask"])
def test_a_file_that_is_asked_about_is_filled_by_what_was_known(
    tmp_path: Path, missing: str
) -> None:
    """The value after a row is not known when the row is asked."""
    learned = opened(tmp_path, ["0,1", "1,2", "2,3"], missing=missing).block
    asked = learned.questions(b"v,w\n1,0\nNA,0\nNA,0\n7,0\n", "q.csv", None)
    assert asked.records[0].inputs[:, 0].tolist() == [1, 1, 1, 7]
    assert asked.note == "2 missing values " + {
        "mask": "masked: weight 0 as targets, the value before as inputs"
    }.get(missing, "filled by the value before")


def test_what_comes_before_the_first_value_is_left_out(tmp_path: Path) -> None:
    source = opened(tmp_path, [",1", "NaN,2", "5,3", ",4"], missing="forward")
    assert source.part("train").read[:, 0].tolist() == [5, 5]
    said = "1 missing value filled by the value before; 2 rows before the first whole one"
    assert source.note == f"{said} of a series left out"


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("drop", "2 rows with a missing value left out, the first: s.csv:2"),
        ("forward", "2 rows before the first whole one of a series left out"),
        ("mask", "2 rows before the first whole one of a series left out"),
    ],
)
def test_a_column_without_any_value_says_where_the_rows_went(
    tmp_path: Path, missing: str, why: str
) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path, ["1,", "2,"], missing=missing, columns=["v", "w"])
    assert str(caught.value) == f"s.csv [DATA_TOO_SHORT] there is no row in it ({why})"


def test_a_scaler_is_learned_from_what_is_known(tmp_path: Path) -> None:
    source = opened(tmp_path, ["2,", "4,", *[","] * 9, "6,"], missing="mask", scale="standard")
    assert source.scales.inputs.offset == (4,)
    assert source.scales.inputs.factor == pytest.approx([np.std([2, 4, 6])])


def test_the_steps_that_time_lacks_are_put_in(tmp_path: Path) -> None:
    lines = [f"2024-02-{day:02},{day}" for day in (1, 2, 3, 4, 5, 8, 9)]
    source = opened(tmp_path, lines, "t,v", time="t", missing="mask", season=4)
    batch = batch_of(source)
    assert batch.inputs[:, 0, 0].tolist() == [1, 2, 3, 4, 5, 5, 5, 8]
    assert batch.weights[:, 0].tolist() == [1, 1, 1, 1, 0, 0, 1, 1]
    assert "for 1 gap, the first of 2 steps before s.csv:7" in source.note
    naive = source.meaning().naive
    assert naive is not None
    found = naive("train", 6)
    # The targets are 2 to 5, 8 and 9; a step before the target, and four steps before, or the row.
    assert found.errors["persistence"] == pytest.approx([(1 + 1 + 1 + 1 + 3 + 1) / 6])
    assert found.errors["seasonal"] == pytest.approx([(1 + 1 + 1 + 4 + 4 + 4) / 6])
    assert found.scale == pytest.approx([4])


def test_an_empty_line_among_rows_with_times_is_the_gap_that_the_times_show(
    tmp_path: Path,
) -> None:
    lines = ["2024-02-01,1", "2024-02-02,2", ",", "2024-02-04,4", "2024-02-05,5"]
    source = opened(tmp_path, lines, "t,v", time="t", missing="forward")
    assert batch_of(source).inputs[:, 0, 0].tolist() == [1, 2, 2, 4]
    assert "s.csv:4" in source.note


def test_naive_forecasts_are_compared_where_every_horizon_is_known(tmp_path: Path) -> None:
    lines = ["" if t == 4 else str(t * t) for t in range(9)]
    source = opened(tmp_path, lines, "v", missing="mask", horizon=[1, 2])
    naive = source.meaning().naive
    assert naive is not None
    near, far = [1, 3, 25 - 9, 11, 13], [4, 8, 36 - 9, 24, 28]  # of steps 0, 1, 4, 5, 6
    wanted = [sum(near) / 5, sum(far) / 5]
    assert naive("train", 7).errors["persistence"] == pytest.approx(wanted)


def test_too_many_steps_are_not_put_in(tmp_path: Path) -> None:
    lines = [f"{t},1" for t in (0, 1, 2, 3, 1000)]
    with pytest.raises(DataError) as caught:
        opened(tmp_path, lines, "t,v", time="t", missing="forward")
    assert str(caught.value) == (
        "line 2 and after [DATA_TIME] its 5 rows are spread over 1,001 steps of time, too many to "
        'put in (repair the times, or give "missing": "drop")'
    )


def test_a_skipped_row_closes_time_up_and_is_told(tmp_path: Path) -> None:
    lines = [str(t % 4) for t in range(10)]
    lines[5] = "oops"
    source = opened(tmp_path, lines, "v", skip_bad=True, season=4)
    assert source.part("train").places.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert source.note == (
        "1 bad row skipped, the first: s.csv:7 [DATA_FIELD] v: expected a number, received "
        '"oops"; time closes up where they stood'
    )


def gapped(folder: Path, gap: slice, **fields: Any) -> TimelineSource:
    lines = [str(t % 7) for t in range(84)]
    lines[gap] = [""] * len(lines[gap])
    rows = [f"{t},{line}" for t, line in enumerate(lines)]
    return opened(folder, rows, "n,v", missing="drop", season=7, **fields)


@pytest.mark.parametrize("horizon", [1, 2, 6, 7, 8])
def test_a_season_is_counted_over_a_gap_that_closed_up(tmp_path: Path, horizon: int) -> None:
    source = gapped(tmp_path, slice(30, 41), horizon=horizon)
    naive = source.meaning().naive
    assert naive is not None
    found = naive("train", 73 - horizon)
    assert found.scale.tolist() == [0]
    part = source.part("train")
    rows = part.pairs(horizon)
    targets, known = part.places[rows + horizon], set(part.places.tolist())
    errors = []
    for row, target in zip(part.places[rows].tolist(), targets.tolist(), strict=True):
        back = next(k for k in range(target - 7, -8, -7) if k <= row)
        errors.append(abs(target % 7 - (back % 7 if back in known else row % 7)))
    assert found.errors["seasonal"] == pytest.approx([np.mean(errors)])
    assert np.mean(np.array(errors) > 0) < 0.4


def waves(gap: slice, empty: str = "") -> list[str]:
    lines = [f"{np.sin(2 * np.pi * t / 24):.6f}" for t in range(480)]
    lines[gap] = [empty] * len(lines[gap])
    return lines


def test_an_empty_line_in_a_table_is_a_missing_value(tmp_path: Path) -> None:
    lines = waves(slice(200, 260))
    with pytest.raises(DataError) as caught:
        opened(tmp_path, lines, "v")
    assert str(caught.value) == (
        "s.csv:202 [DATA_EMPTY] the line is empty, which is a missing value (fill it in, or give "
        '"missing"); it is so in 60 rows'
    )
    assert caught.value.problems[0].count == 60
    source = opened(tmp_path, lines, "v", missing="drop", season=24)
    assert source.part("train").places.tolist() == [*range(200), *range(260, 480)]
    assert "60 rows with a missing value left out, the first: s.csv:202" in source.note
    naive = source.meaning().naive
    assert naive is not None
    found = naive("train", 419)
    # Only where nothing was known a season before, or right behind the gap, is it off.
    assert found.scale[0] < 1e-6 and found.errors["seasonal"][0] < 0.02
    source = opened(tmp_path, lines, "v", skip_bad=True)
    assert "60 bad rows skipped" in source.note and "time closes up" in source.note
    source = opened(tmp_path, lines, "v", missing="mask")
    windows = source.batches("train", Layout(1, 99, tail=True), None)
    assert sum(float(window.weights.sum()) for window in windows) == 479 - 60


@pytest.mark.parametrize("empty", ["", ",", "1", " , "])
def test_a_line_that_is_short_or_holds_separators_alone(tmp_path: Path, empty: str) -> None:
    lines = ["1,1", "2,2", empty, "4,4", *[empty] * 2]
    with pytest.raises(DataError):
        opened(tmp_path, lines, columns=["v", "w"])
    source = opened(tmp_path, lines, columns=["v", "w"], missing="interpolate")
    rows = source.part("train").read.tolist()
    assert rows[:4] == [[1, 1], [2, 2], [1 if empty == "1" else 3, 3], [4, 4]]
    # Lines after the last row are no part of the table, if they are empty.
    ends = {"": [], "1": [[1, 4]] * 2}
    assert rows[4:] == ends.get(empty, [[4, 4]] * 2)


def test_an_empty_line_of_jsonl_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text('\n{"v": 1}\n\n{"v": 3}\n{"w": 1}\n{"v": 5}\n\n')
    with pytest.raises(DataError) as caught:
        series(path="s.jsonl").open(tmp_path)
    assert [problem.where for problem in caught.value.problems] == ["s.jsonl:3", "s.jsonl:5"]
    source = series(path="s.jsonl", missing="interpolate").open(tmp_path)
    assert source.part("train").read[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_five_steps_a_row_may_be_put_in(tmp_path: Path) -> None:
    for last, fits in ((24, True), (25, False)):
        lines = [f"{t},1" for t in (0, 1, 2, 3, last)]
        if fits:
            source = opened(tmp_path, lines, "t,v", time="t", missing="forward")
            assert len(source.part("train").read) == 25
        else:
            with pytest.raises(DataError, match="too many to put in"):
                opened(tmp_path, lines, "t,v", time="t", missing="forward")


def test_a_series_begins_with_its_first_whole_row(tmp_path: Path) -> None:
    lines = ["1,", ",2", "3,3", "4,"]
    source = opened(tmp_path, lines, columns=["v", "w"], missing="forward")
    assert source.part("train").read.tolist() == [[3, 3], [4, 3]]


def test_a_row_that_cannot_be_parted_had_a_place_in_time(tmp_path: Path) -> None:
    lines = ["1,1", "2", "3,3", "4,4"]
    source = opened(tmp_path, lines, columns=["v", "w"], skip_bad=True)
    assert source.part("train").places.tolist() == [0, 2, 3]


@pytest.mark.parametrize("horizon", [1, [1, 3]])
def test_a_window_without_any_known_target_is_evaluated(tmp_path: Path, horizon: Any) -> None:
    gaps = {*range(20, 40), *range(90, 104)}
    rows = [f"{'' if t in gaps else t % 7},{t % 5}" for t in range(120)]
    (tmp_path / "s.csv").write_text("\n".join(["v,w", *rows]) + "\n")
    data = {"type": "series", "path": "s.csv", "columns": ["v", "w"], "missing": "mask"}
    spec = {
        "data": {**data, "horizon": horizon, "split": [0.7, 0.3, 0]},
        "model": {
            "layers": [{"type": "gru", "units": 3}, {"type": "affine"}],
            "loss": {"type": "mse"},
        },
        "train": {"epochs": 1, "streams": 1, "window": 4, "optimizer": {"type": "sgd", "lr": 0.1}},
    }
    (tmp_path / "s.json").write_text(json.dumps(spec))
    done("run", tmp_path / "s.json", "--out", tmp_path / "run")
    for split in ("train", "valid"):
        asked = ("eval", tmp_path / "run", "--split", split, "--json", "--window")
        small, whole = (json.loads(done(*asked, size).out)["metrics"] for size in (4, 500))
        assert small == pytest.approx(whole, rel=1e-5)
