"""Columns that tell the time of a row, and the series that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.datasets.series.clock import Clock, Step, found_step, later, places_on
from rnnkit.builtin.datasets.series.series import Series
from rnnkit.contracts.dataset import Layout
from rnnkit.errors import DataError

DAYS = [f"2024-01-{day:02}" for day in range(1, 32)]


def series(**fields: Any) -> Series:
    given = {"type": "series", "path": "s.csv", "columns": ["v"], "scale": "none", **fields}
    return Series.model_validate_json(json.dumps(given))


def write(folder: Path, lines: list[str], head: str = "date,v") -> Path:
    (folder / "s.csv").write_text("\n".join([head, *lines]) + "\n")
    return folder


def daily(days: list[str] = DAYS) -> list[str]:
    return [f"{day},{i}" for i, day in enumerate(days)]


def problem(folder: Path, block: Series) -> str:
    with pytest.raises(DataError) as caught:
        block.open(folder)
    return str(caught.value)


def words(folder: Path, block: Series) -> str:
    return block.open(folder).in_words(Layout(1, 4))


def test_the_times_of_a_split_are_those_of_its_rows(tmp_path: Path) -> None:
    source = series(time="date", split=[0.5, 0.25, 0.25]).open(write(tmp_path, daily()))
    assert source.step == Step(unit="seconds", count=86400)
    assert "a row every day" in source.in_words(Layout(1, 4))
    times = np.concatenate([part.times for part in source.parts.values() if part.times is not None])
    assert (times == np.datetime64("2024-01-01", "s").astype(int) + 86400 * np.arange(31)).all()
    assert source.block.model_dump()["step"] == {"unit": "seconds", "count": 86400}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (daily()[::-1], "s.csv:3 [DATA_TIME] date: the time comes before that of line 2 (sort the"),
        (
            [*daily(), daily()[-1]],
            "s.csv:33 [DATA_TIME] date: the time is that of line 32 (sort the rows by time, and "
            'name the column that tells series apart as "group")',
        ),
        (
            [*daily()[:3], "04/01/2024,3"],
            "s.csv:5 [DATA_TIME] date: expected a date such as 2024-01-31 or 2024-01-31 18:00, or "
            'a number, received "04/01/2024"',
        ),
        (["1,1", "2,2", "x,3"], "s.csv:4 [DATA_TIME] date: expected a number, as above, received"),
        (
            ["2024-01-01T00:00Z,1", "2024-01-01T01:00,2"],
            's.csv:3 [DATA_TIME] date: "2024-01-01T01:00" and a time before it differ in having an '
            "offset (give all of them one, or none)",
        ),
        (
            ["2024-01-01,1", ",2"],
            "s.csv:3 [DATA_TIME] date: the time is missing (fill it in, or take the row out)",
        ),
    ],
)
def test_a_time_that_does_not_increase_is_refused(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    assert problem(write(tmp_path, lines), series(time="date")).startswith(said)


def test_a_gap_is_named(tmp_path: Path) -> None:
    rows = daily(DAYS[:9] + DAYS[12:20] + DAYS[21:])
    found = words(write(tmp_path, rows), series(time="date"))
    assert "a row every day, but for 2 gaps, the first of 3 steps before s.csv:11" in found
    uneven = [f"{0.1 * k**2},1" for k in range(20)]
    found = words(write(tmp_path, uneven), series(time="date"))
    assert "s.csv: the time between rows differs, and each row is taken as a step" in found


@pytest.mark.parametrize(
    ("times", "step", "said", "following"),
    # fmt: off
    [
        (
            ["2024-01-01", "2024-01-02", "2024-01-04"],
            Step(unit="seconds", count=86400),
            "1 day",
            "2024-01-06",
        ),  # noqa: E501
        (["20240101", "20240102"], Step(unit="seconds", count=86400), "1 day", "20240104"),
        (
            ["2024-01-01 00:00", "2024-01-01 06:00"],
            Step(unit="seconds", count=21600),
            "6 hours",
            "2024-01-01 18:00",
        ),  # noqa: E501
        (
            ["2024-01-01T00:00:00Z", "2024-01-01T00:00:30Z"],
            Step(unit="seconds", count=30),
            "30 seconds",
            "2024-01-01T00:01:30Z",
        ),  # noqa: E501
        (["2023-11", "2023-12", "2024-01"], Step(unit="months"), "1 month", "2024-03"),
        (["2023-11-30", "2023-12-31", "2024-01-31"], Step(unit="months"), "1 month", "2024-03-31"),
        (["2023-12-31", "2024-01-31", "2024-02-29"], Step(unit="months"), "1 month", "2024-04-30"),
        (
            ["2023-01-01", "2023-04-01", "2023-07-01"],
            Step(unit="months", count=3),
            "3 months",
            "2024-01-01",
        ),  # noqa: E501
        (["2021-01-01", "2022-01-01"], Step(unit="months", count=12), "12 months", "2024-01-01"),
        (["0.1", "0.2", "0.3", "0.5"], Step(unit="numbers", count=0.1), "0.1", "0.7"),
        (["1", "2", "3", "7"], Step(unit="numbers"), "1", "9"),
        (
            ["2024-01-01", "2024-01-08", "2024-01-15"],
            Step(unit="seconds", count=604800),
            "7 days",
            "2024-01-29",
        ),  # noqa: E501
        (["0", "1", "2", "2.0005", "3"], Step(unit="rows"), "1 row", "3 +2"),
        (
            ["2024-01-04", "2024-01-05", "2024-01-08"],
            Step(unit="seconds", count=86400),
            "1 day",
            "2024-01-10",
        ),  # noqa: E501
        (
            ["2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10", "2024-01-15"],
            Step(unit="weekdays"),
            "1 weekday",
            "2024-01-17",
        ),  # noqa: E501
        (
            ["2024-01-05", "2024-01-06", "2024-01-09", "2024-01-10", "2024-01-15"],
            Step(unit="seconds", count=86400),
            "1 day",
            "2024-01-17",
        ),
        (["0", "0.3", "1"], Step(unit="rows"), "1 row", "1 +2"),
        (
            ["2024-01-31 00:00", "2024-02-29 06:00", "2024-03-31 00:00"],
            Step(unit="rows"),
            "1 row",
            "2024-03-31 00:00 +2",
        ),
    ],
    # fmt: on
)
def test_the_step_between_rows(times: list[str], step: Step, said: str, following: str) -> None:
    clock = Clock("t")
    read = np.array([clock.read(text) for text in times])
    found = found_step([read], bool(clock.dates))
    assert found == (step if step.unit != "numbers" else Step(unit="numbers", count=found.count))
    assert found.count == pytest.approx(step.count) and found.in_words() == said
    places = places_on(read, found)
    assert places is not None and later(times[-1], found, 2) == following


def test_a_step_is_that_of_every_group() -> None:
    even, odd = np.arange(5.0), np.array([0, 1, 2, 2.5])
    assert found_step([even], False) == Step(unit="numbers")
    assert found_step([even, odd], False) == Step(unit="rows")


@pytest.mark.parametrize(
    ("times", "following"),
    # fmt: off
    [
        (["2024-W15", "2024-W16"], "2024-W18"),
        (["2024W52", "2025W01"], "2025W03"),
        (["2024-W16-1", "2024-W16-2"], "2024-W16-4"),
        (["2024-01-31T23:59:59.500", "2024-01-31T23:59:59.750"], "2024-02-01T00:00:00.250"),
        (["2024-01-31 00:00:00.000", "2024-01-31 00:00:01.000"], "2024-01-31 00:00:03.000"),
        (["2024-01-31T00:00:00.00000", "2024-01-31T00:00:01.00000"], "2024-01-31T00:00:03.000000"),
        (["2024-01-31T18:00+02:00", "2024-01-31T19:00+02:00"], "2024-01-31T21:00+02:00"),
        (["20240131T1800", "20240131T1900"], "20240131T2100"),
        (["20240131 18:00", "20240131 19:00"], "20240131 21:00"),
        (["1700000000000000000", "1700003600000000000"], "1700010800000000000"),
        (["1700000000.1", "1700000000.2"], "1700000000.4"),
        (["11.8", "11.9"], "12.1"),
        (["1.80", "1.90"], "2.10"),
        (["1", "1.25"], "1.75"),
        (["10", "20"], "40"),
    ],
    # fmt: on
)
def test_times_go_on_in_the_form_of_the_file(times: list[str], following: str) -> None:
    clock = Clock("t")
    read = np.array([clock.read(text) for text in times])
    assert later(times[-1], found_step([read], bool(clock.dates)), 2) == following


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("2024-02", "2024-02-01 06:00"),
        ("2024-W05", "2024-01-29 06:00"),
        ("2024-W05-2", "2024-01-30 06:00"),
        ("2024-02-03", "2024-02-03 06:00"),
    ],
)
def test_a_form_without_hours_has_them_where_they_are_needed(text: str, following: str) -> None:
    assert later(text, Step(unit="seconds", count=3600), 6) == following


def test_weekdays_leave_no_gap_at_a_weekend() -> None:
    days = np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]")
    days = np.delete(days[np.is_busday(days)], 12)  # a holiday
    times = days.astype("datetime64[s]").astype(float)
    step = found_step([times], dates=True)
    assert step == Step(unit="weekdays")
    places = places_on(times, step)
    assert places is not None and np.flatnonzero(np.diff(places) > 1).tolist() == [11]
    assert later("2024-02-09", step, 1) == "2024-02-12"


def test_where_each_row_is_a_step_its_time_is_the_one_that_is_written(tmp_path: Path) -> None:
    folder = write(tmp_path, ["2024-01-01,1", "2024-01-02 06:00,2", "2024-02-04,4"])
    block = series(time="date", split=[1, 0, 0]).open(folder).block
    (found,) = block.questions((folder / "s.csv").read_bytes(), "d.csv", None).records
    assert found.stamp and found.stamp(0, 1) == {
        **{"line": 3, "date": "2024-01-02 06:00"},
        **{"from_line": 2, "from_date": "2024-01-01"},
    }


def test_a_file_with_another_step_than_that_of_training_has_a_step_for_each_row(
    tmp_path: Path,
) -> None:
    hours = [f"2024-01-01T{hour:02},{hour}" for hour in range(24)]
    source = series(time="date", step={"unit": "seconds", "count": 86400}).open(
        write(tmp_path, hours)
    )
    assert source.note == (
        "s.csv: the step between rows is 1 hour, not 1 day as in training; each row is taken as a "
        "step"
    )
    assert source.part("train").places.tolist() == list(range(19))


def shops(tmp_path: Path) -> Path:
    """Three shops in turn, each with levels of its own."""
    lines = [f"{day},{k},{100 * k + i}" for i, day in enumerate(DAYS[:20]) for k in range(3)]
    return write(tmp_path, lines, "date,shop,v")


def test_each_group_is_a_series_of_its_own(tmp_path: Path) -> None:
    source = series(group="shop", time="date", horizon=2).open(shops(tmp_path))
    assert source.part("train").groups == ("0", "1", "2")
    assert [len(part.read) for part in source.parts.values()] == [48, 6, 6]
    assert source.parts["valid"].read[:, 0].tolist() == [16, 17, 116, 117, 216, 217]
    assert source.size("train") - 1 == 3 * (16 - 2)
    (batch,) = source.batches("train", Layout(1, 99, "never", tail=True), None)
    assert (batch.targets - batch.inputs == 2).all()
    assert np.flatnonzero(batch.resets[:, 0]).tolist() == [0, 14, 28]
    streams = list(source.batches("train", Layout(2, 5, "epoch", tail=True), None))
    resets = np.concatenate([each.resets for each in streams])
    assert np.argwhere(resets).tolist() == [[0, 0], [0, 1], [7, 1], [14, 0]]
    assert "3 groups in 1 streams" in source.in_words(Layout(1, 4))


def test_the_naive_forecasts_stay_within_a_group(tmp_path: Path) -> None:
    source = series(group="shop", season=3).open(shops(tmp_path))
    naive = source.meaning().naive
    assert naive is not None
    found = naive("train", 45)
    assert found.scale.tolist() == [3]
    assert found.errors["persistence"].tolist() == [1]
    # Of each group's fifteen targets the first two have no season before them.
    assert found.errors["seasonal"] == pytest.approx([(13 * 3 + 2 * 1) / 15])


def test_a_time_may_not_increase_from_one_group_to_another(tmp_path: Path) -> None:
    folder = shops(tmp_path)
    message = problem(folder, series(time="date"))
    assert message.startswith("s.csv:3 [DATA_TIME] date: the time is that of line 2")
    (folder / "s.csv").write_text((folder / "s.csv").read_text() + "2023-01-01,1,5\n")
    message = problem(folder, series(time="date", group="shop"))
    assert "s.csv:62 [DATA_TIME] date: the time comes before that of line 60 of '1'" in message


def test_a_stored_step_reads_one_row(tmp_path: Path) -> None:
    block = series(time="date", group="shop")
    fitted = block.fitted(block.open(shops(tmp_path)))
    data = b"date,shop,v\n2024-02-28,1,5\n2024-03-02,1,6\n2024-03-02,new,6\n"
    first, second = fitted.questions(data, "q.csv", None).records
    assert first.stamp and (first.group, second.group) == ("1", "new")
    assert first.stamp(0, 1) == {
        "line": 3,
        "shop": "1",
        "date": "2024-03-02",
        "from_line": 2,
        "from_date": "2024-02-28",
    }
    later = [first.stamp(row, steps) for row, steps in ((1, 1), (0, 3))]
    assert [stamp["date"] for stamp in later] == ["2024-03-03", "2024-03-04"]
    assert [stamp["line"] for stamp in later] == [None, None]
    assert [stamp["from_date"] for stamp in later] == ["2024-03-02", "2024-02-28"]


def test_one_series_is_carried_on_for_ever_where_it_is_never_reset(tmp_path: Path) -> None:
    source = series(time="date").open(write(tmp_path, daily()))
    for reset, places in (("never", []), ("epoch", [0]), ("window", [0, 5, 10, 15, 20])):
        layout = Layout(1, 5, reset, tail=True)  # type: ignore[arg-type]
        found = np.concatenate([batch.resets for batch in source.batches("train", layout, None)])
        assert np.flatnonzero(found[:, 0]).tolist() == places


def test_two_rows_on_one_place_are_on_no_step() -> None:
    step = Step(unit="numbers")
    assert places_on(np.array([0, 1, 2.0005, 4]), step).tolist() == [0, 1, 2, 4]  # type: ignore[union-attr]
    assert places_on(np.array([0, 1, 2, 2.0005]), step) is None
    assert places_on(np.array([0, 1, 2.1]), step) is None
