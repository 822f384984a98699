"""Forecasts of many steps: the recursion by hand, known columns, intervals, groups, refusals."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, threads_used

import rnnkit
from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.contracts.forecast_inputs import ForecastRequest, Outlook, Past
from rnnkit.errors import DataError
from rnnkit.inference import forecast as module
from rnnkit.inference.forecast import Intervals, forecast_rows, outlook_of_file
from rnnkit.inference.model import Model, load

ROWS = 120
VALUES = np.random.default_rng(1).normal(0, 0.3, (ROWS, 2)).round(3) + np.array(
    [[100 + 5 * math.sin(t / 3), t % 7] for t in range(ROWS)]
)
ADAM = {"type": "adam", "lr": 0.02}
GRU = [{"type": "gru", "units": 5}, {"type": "affine"}]


def csv_of(folder: Path, rows: list[str], head: str = "v,w", name: str = "d.csv") -> Path:
    (folder / name).write_text("\n".join([head, *rows]) + "\n")
    return folder / name


def plain(rows: np.ndarray) -> list[str]:
    return [",".join(map(repr, row)) for row in rows.tolist()]


def run_of(folder: Path, rows: list[str], head: str = "v,w", **fields: Any) -> Path:
    csv_of(folder, rows, head)
    spec = {
        "data": {"type": "series", "path": "d.csv", "columns": ["v", "w"], **fields},
        "model": {"layers": GRU, "loss": {"type": "mse"}},
        "train": {
            "epochs": 4,
            "streams": 2,
            "window": 8,
            "optimizer": {"type": "adam", "lr": 0.02},
        },
    }
    (folder / "s.json").write_text(json.dumps(spec))
    done("run", folder / "s.json", "--out", folder / "run")
    return folder / "run"


def by_hand(model: Model, known: np.ndarray, steps: int, ahead: np.ndarray | None = None) -> Any:
    """Return the forecasts of `v` and `w`, or of `v` alone with `w` as it is known to go on."""
    state, found = model.start(), []
    for row in known:
        y, state = model.step(row, state)
    for step in range(steps):
        found.append(y)
        row = y if ahead is None else np.array([y[0], ahead[step]])
        y, state = model.step(row, state)
    return np.array(found)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("both"), plain(VALUES))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads v and w and forecasts v."""
    return run_of(tmp_path_factory.mktemp("one"), plain(VALUES), targets=["v"])


def column(records: list[dict[str, Any]], name: str = "v") -> list[float]:
    return [record[name] for record in records]


def test_a_model_reads_its_own_forecasts(both: Path) -> None:
    found = rnnkit.forecast(load(both), 12, paths=0)
    wanted = by_hand(load(both), VALUES, 12)
    assert np.allclose([[r["v"], r["w"]] for r in found], wanted, rtol=1e-6)
    assert [(r["line"], r["step"]) for r in found] == [(ROWS + 1 + k, k) for k in range(1, 13)]
    assert list(found[0]) == ["line", "step", "v", "w"]


def test_a_file_goes_on_from_its_end(both: Path, tmp_path: Path) -> None:
    file = csv_of(tmp_path, plain(VALUES[:40]))
    found = rnnkit.forecast(load(both), 5, file, paths=0)
    assert np.allclose(column(found), by_hand(load(both), VALUES[:40], 5)[:, 0], rtol=1e-6)
    first = rnnkit.forecast(load(both), 5, paths=0, past=40)
    assert found == first


def test_a_past_beyond_the_rows_is_refused(both: Path, tmp_path: Path) -> None:
    file = csv_of(tmp_path, [*plain(VALUES[:40]), ","])
    assert rnnkit.forecast(load(both), 2, file, past=40)
    ran = command("forecast", both, file, "--past", 41)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        f"{file} [DATA_TOO_SHORT] the first 41 rows are to be known, and there are 40 with a value "
        "to forecast (give a past of at most 40, or none)\n"
    )


def test_a_past_beyond_some_series_is_told(tmp_path: Path) -> None:
    rows = [*(f"{v},{w},a" for v, w in VALUES.tolist()), *(f"{v},1,b" for v in VALUES[:40, 0])]
    run = run_of(tmp_path, rows, "v,w,g", targets=["v"], group="g", scale_by_group=False)
    ran = done("forecast", run, "--past", 50, "--steps", 1, "--paths", 0)
    said = "1 of 2 series have fewer than 50 known rows, and are forecast from their own end\n"
    assert ran.err.endswith(said) and len(ran.out.splitlines()) == 2
    assert "known rows" not in done("forecast", run, "--past", 40, "--steps", 1, "--paths", 0).err


def test_columns_that_are_known_are_read_from_the_file(one: Path, tmp_path: Path) -> None:
    ahead = [3.5, 0.25, 6.0]
    rows = [*plain(VALUES[:50]), *(f",{value}" for value in ahead)]
    found = rnnkit.forecast(load(one), 4, csv_of(tmp_path, rows), paths=0)
    wanted = by_hand(load(one), VALUES[:50], 4, np.array([*ahead, 0]))
    assert np.allclose(column(found), wanted[:, 0], rtol=1e-6)
    kept = rnnkit.forecast(load(one), 4, past=50, paths=0)
    wanted = by_hand(load(one), VALUES[:50], 4, VALUES[50:54, 1])
    assert np.allclose(column(kept), wanted[:, 0], rtol=1e-6)


def test_what_goes_on_untold_is_refused(one: Path, tmp_path: Path) -> None:
    file = csv_of(tmp_path, [*plain(VALUES[:50]), ",1", ","])
    assert len(rnnkit.forecast(load(one), 2, file, paths=0)) == 2
    ran = command("forecast", one, file, "--steps", 3)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        f"{file} [DATA_AHEAD] w: is read and not forecast, and its value is not known in row 2 "
        "after the last (give a file that goes on with rows in which w is known and v is empty, or "
        "--steps 2)\n"
    )


def test_the_nearest_horizon_that_is_known_and_else_the_farthest(tmp_path: Path) -> None:
    run = run_of(tmp_path, plain(VALUES), targets=["v", "w"], horizon=[1, 3])
    model, heads = load(run), []
    state = model.start()
    for row in VALUES:
        y, state = model.step(row, state)
        heads.append(y.reshape(2, 2))
    wanted = [heads[-1][0], heads[-2][1], heads[-1][1]]
    for step in range(2):
        y, state = model.step(wanted[step], state)
        wanted.append(y.reshape(2, 2)[1])
    found = rnnkit.forecast(model, 5, paths=0)
    assert np.allclose([[r["v"], r["w"]] for r in found], wanted, rtol=1e-6)


def test_a_far_horizon_needs_rows_before_the_last(tmp_path: Path) -> None:
    run = run_of(tmp_path, plain(VALUES), horizon=4)
    found = rnnkit.forecast(load(run), 6, paths=0)
    ys, _ = load(run).forward(VALUES[:, None])
    assert np.allclose([[r["v"], r["w"]] for r in found[:4]], ys[-4:, 0], rtol=1e-6)
    ran = command("forecast", run, "--past", 3, "--paths", 0)
    assert ran.code == 5
    assert (
        "[DATA_TOO_SHORT] 3 known rows, but a horizon of 4 steps needs 4 (give more rows)"
        in ran.err
    )


def test_the_first_interval_is_that_of_the_errors(both: Path, tmp_path: Path) -> None:
    model = load(both)
    file = csv_of(tmp_path, plain(VALUES[:60] + 0.01))
    outlook = outlook_of_file(model, file, Path("."), ForecastRequest(1))
    (found,) = forecast_rows(model, outlook, 1, Intervals(0.5, 20000)).records
    values = model.forward((VALUES[:60] + 0.01)[:, None])[0][:, 0]
    errors = VALUES[1:60] + 0.01 - values[:-1]
    low, high = np.quantile(errors, [0.25, 0.75], axis=0) + values[-1]
    width = high - low
    assert np.allclose([found["v_low"], found["w_low"]], low, atol=0.1 * width.min())
    assert np.allclose([found["v_high"], found["w_high"]], high, atol=0.1 * width.min())


def test_errors_of_rows_that_were_trained_on_are_left_out(both: Path, tmp_path: Path) -> None:
    model = load(both)
    outlook = outlook_of_file(model, None, both.parent, ForecastRequest(1))
    assert outlook.series[0].unseen == 96
    copied = csv_of(tmp_path, plain(VALUES))
    assert outlook_of_file(model, copied, Path("."), ForecastRequest(1)).series[0].unseen == 96
    other = csv_of(tmp_path, plain(VALUES[:80]))
    assert outlook_of_file(model, other, Path("."), ForecastRequest(1)).series[0].unseen == 0
    told = forecast_rows(model, outlook, 1).note
    assert "intervals" not in told
    seen = outlook._replace(series=[outlook.series[0]._replace(unseen=115)])
    assert (
        "intervals are drawn from rows that were trained on" in forecast_rows(model, seen, 1).note
    )


def test_intervals_grow_and_the_seed_decides(both: Path) -> None:
    model = load(both)
    found, again = rnnkit.forecast(model, 8), rnnkit.forecast(model, 8)
    assert found == again != rnnkit.forecast(model, 8, seed=2)
    # A product of one row and one of many may round otherwise.
    assert column(found) == pytest.approx(column(rnnkit.forecast(model, 8, paths=0)), rel=1e-6)
    for record in found:
        assert record["v_low"] < record["v_high"] and record["w_low"] < record["w_high"]
    wide = rnnkit.forecast(model, 8, level=0.98)
    for a, b in zip(wide, found, strict=True):
        assert a["v_high"] - a["v_low"] > b["v_high"] - b["v_low"]


def test_forecasts_outside_their_intervals_are_told(
    both: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The model stays where it was trained, and the rows rise: what came lies above."""
    rising = VALUES[:60] + [[0, 0.5 * t] for t in range(60)]
    file = csv_of(tmp_path, plain(rising))
    ran = done("forecast", both, file, "--steps", 3, "--json")
    found = json.loads(ran.out)["records"]
    outside = [r["step"] for r in found if not r["w_low"] <= r["w"] <= r["w_high"]]
    assert outside and all(r["v_low"] <= r["v"] <= r["v_high"] for r in found)
    said = f"{len(outside)} of 6 forecasts lie outside their intervals, the first that of w at step"
    assert f"{said} {outside[0]}: intervals hold what came on known rows, also where" in ran.err
    assert "outside" not in done("forecast", both, file, "--steps", 3, "--paths", 0).err
    rnnkit.forecast(load(both), 3, file)
    load(both).forecast(3, rising)
    assert caplog.text.count(said) == 2
    caplog.clear()
    rnnkit.forecast(load(both), 1)
    assert not caplog.text


def test_dates_and_groups_go_on(tmp_path: Path) -> None:
    rows = []
    for t in range(40):
        for shop, at in (("a", 10), ("b", 50)):
            rows.append(f"{shop},2024-02-{t % 29 + 1:02},{at + t % 5},{t % 3}" if t < 29 else None)
    rows = [row for row in rows if row]
    run = run_of(tmp_path, rows, "shop,day,v,w", time="day", group="shop")
    found = list(
        csv.DictReader(io.StringIO(done("forecast", run, "--steps", 3, "--format", "csv").out))
    )
    assert [(r["shop"], r["day"], r["line"]) for r in found] == [
        (shop, f"2024-03-0{day}", "") for shop in "ab" for day in (1, 2, 3)
    ]
    values = np.array([float(r["v"]) for r in found]).reshape(2, 3)
    assert values[0].max() < 35 < values[1].min()


def test_a_gap_in_the_rows_to_come_is_a_step(one: Path, tmp_path: Path) -> None:
    head, days = "day,v,w", [f"2024-01-{day:02}" for day in range(1, 32)]
    past = [f"{day},{v},{w}" for day, (v, w) in zip(days, VALUES.tolist(), strict=False)]
    run = run_of(tmp_path, past, head, targets=["v"], time="day")
    file = csv_of(tmp_path, [*past, "2024-02-01,,4", "2024-02-03,,5"], head, "f.csv")
    assert len(rnnkit.forecast(load(run), 2, file, paths=0)) == 2
    ran = command("forecast", run, file, "--steps", 3)
    assert (
        "[DATA_AHEAD] w: is read and not forecast, and its value is not known in row 2 after"
        in ran.err
    )
    whole = [*past, "2024-02-01,,4", "2024-02-02,,1", "2024-02-03,,5"]
    found = rnnkit.forecast(load(run), 4, csv_of(tmp_path, whole, head, "f.csv"), paths=0)
    assert [(r["line"], r["day"]) for r in found] == [
        (33, "2024-02-01"),
        (34, "2024-02-02"),
        (35, "2024-02-03"),
        (36, "2024-02-04"),
    ]


def test_missing_values_among_the_known_rows(both: Path, tmp_path: Path) -> None:
    rows = plain(VALUES[:30])
    rows[9] = "," + rows[9].split(",")[1]
    file = csv_of(tmp_path, rows)
    ran = command("forecast", both, file, "--steps", 2)
    assert ran.code == 5 and ran.err.startswith(f"{file}:11 [DATA_FIELD] v: the value is missing ")
    for how in ("drop", "forward", "interpolate", "mask"):
        (tmp_path / how).mkdir()
        run = run_of(tmp_path / how, plain(VALUES), missing=how)
        known = np.delete(VALUES[:30], 9, axis=0) if how == "drop" else VALUES[:30].copy()
        if how != "drop":
            known[9, 0] = known[8, 0]
        found = rnnkit.forecast(load(run), 2, csv_of(tmp_path, rows, name="f.csv"), paths=0)
        assert np.allclose(column(found), by_hand(load(run), known, 2)[:, 0], rtol=1e-6), how


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([], [], "[DATA_TOO_SHORT] there is no row in it (give it some)"),
        ([",", ",", ","], [], "[DATA_TOO_SHORT] there is no known row to go on from"),
        (
            plain(VALUES[:10]),
            [],
            "[DATA_TOO_SHORT] 9 forecasts of known rows can be compared with what came, an "
            "interval takes 10 (give more rows, or no paths)",
        ),
        (["1,x"], [], "[DATA_FIELD] w: expected a number"),
    ],
)
def test_what_no_forecast_goes_on_from(
    rows: list[str], options: list[str], said: str, both: Path, tmp_path: Path
) -> None:
    ran = command("forecast", both, csv_of(tmp_path, rows), *options)
    assert (ran.code, ran.out) == (5, "") and said in ran.err


def test_ten_forecasts_that_can_be_compared_give_an_interval(both: Path, tmp_path: Path) -> None:
    (found,) = rnnkit.forecast(load(both), 1, csv_of(tmp_path, plain(VALUES[:11])))
    assert found["v_low"] < found["v_high"]
    outlook = outlook_of_file(load(both), None, both.parent, ForecastRequest(1))
    (series,) = outlook.series
    # The last row has nothing to be compared with: of 11 unseen ones ten have.
    last = len(series.wanted) - 11
    for unseen, told in ((last, False), (last + 1, True)):
        given = outlook._replace(series=[series._replace(unseen=unseen)])
        assert ("may be too narrow" in forecast_rows(load(both), given, 1).note) == told


def test_a_value_that_is_too_large_on_the_scale(both: Path) -> None:
    narrow = Scaler(offset=(0.0, 0.0), factor=(1e-3, 1.0))
    data = load(both).spec.data.model_copy(update={"inputs_scaler": narrow})
    with pytest.raises(DataError, match=r"d\.csv:3 \[DATA_NAN\] v: 3e\+37 is no finite number on"):
        data.outlook(b"v,w\n1,2\n3e37,1\n", "d.csv", ForecastRequest(1))


def test_other_models_are_refused(tiny_run: Path, both: Path) -> None:
    ran = command("forecast", tiny_run, tiny_run.parent / "text.txt")
    assert ran.code == 6
    assert "[CKPT_NO_FORECAST] data of the type 'text' is no series; use rnnkit sample" in ran.err
    assert "data of the type 'text' is no series" in command("forecast", tiny_run).err
    assert (
        "reads no text, so it has no vocabulary; use rnnkit forecast" in command("sample", both).err
    )
    spec = rnnkit.load_spec(both.parent / "s.json", 'data={"type": "synthetic", "task": "sine"}')
    with pytest.raises(rnnkit.CheckpointError, match="the data is no file to go on"):
        rnnkit.forecast(rnnkit.build(spec), 2)
    ran = command("forecast", both, both / "none.csv")
    assert ran.code == 5 and "none.csv [DATA_NOT_FOUND] no such file" in ran.err
    for wrong, said in (
        ({"steps": 0}, "steps: expected at least 1, received 0"),
        ({"past": 0}, "past: expected at least 1, received 0"),
        ({"level": 1.0}, "level: expected a number between 0 and 1, received 1.0"),
        ({"level": None}, "level: expected a number between 0 and 1, received None"),
        ({"paths": -1}, "paths: expected at least 0, received -1"),
        ({"seed": -1}, "seed: expected at least 0, received -1"),
    ):
        for asked in (partial(rnnkit.forecast, load(both)), load(both).forecast):
            with pytest.raises(ValueError, match=re.escape(said)):
                asked(**{"steps": 1, **wrong})


def test_csv_json_and_out(both: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.csv"
    assert done("forecast", both, "--steps", 2, "--out", out).out == ""
    head, *rows = csv.reader(io.StringIO(out.read_text()))
    assert head == ["line", "step", "v", "v_low", "v_high", "w", "w_low", "w_high"]
    shown = json.loads(done("forecast", both, "--steps", 2, "--json").out)
    assert shown["count"] == len(rows) == 2
    assert [[str(value) for value in record.values()] for record in shown["records"]] == rows


def test_the_command_draws_what_python_draws(both: Path) -> None:
    ways = {"level": 0.5, "paths": 30, "seed": 3}
    options = [word for name, value in ways.items() for word in (f"--{name}", value)]
    shown = json.loads(done("forecast", both, "--steps", 2, *options, "--json").out)
    assert shown["records"] == rnnkit.forecast(load(both), 2, **ways)


def test_threads(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = threads_used(monkeypatch, module, "forecast_rows")
    for threads in (1, 2):
        done("forecast", both, "--steps", 1, "--threads", threads)
    assert used == [1, 2]


def test_stdin_and_the_data_root(
    both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = done("forecast", both, "--steps", 2).out
    rows = (both.parent / "d.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows)))
    assert done("forecast", both, "-", "--steps", 2).out == wanted
    (tmp_path / "d.csv").write_bytes(rows[: rows.index(b"\n", 900) + 1])
    options = "--steps", 2, "--paths", 0
    moved = done("forecast", both, *options, "--data-root", tmp_path).out
    assert moved == done("forecast", both, tmp_path / "d.csv", *options).out != wanted


@pytest.mark.parametrize(
    ("unseen", "used", "told"), [(0, 19, False), (9, 10, False), (10, 19, True)]
)
def test_the_errors_of_ten_unseen_rows_are_enough(unseen: int, used: int, told: bool) -> None:
    rows = np.arange(20.0)[:, None]
    past = Past(rows, rows, unseen, rows[:0], lambda k: {})
    outlook = Outlook("d.csv", [past], (1,), ("v",), ("v",))
    errors, trained_on = module._errors(outlook, past, np.zeros((20, 1, 1)))
    assert errors[:, 0, 0].tolist() == list(range(20 - used, 20))
    assert trained_on == told


def test_a_value_that_was_put_in_is_no_error_of_the_model(both: Path) -> None:
    data = load(both).spec.data.model_copy(update={"missing": "mask"})
    (past,) = data.outlook(b"v,w\n1,2\n,3\n4,5\n", "d.csv", ForecastRequest(1)).series
    assert past.inputs.tolist() == [[1, 2], [1, 3], [4, 5]]
    assert np.isnan(past.wanted).tolist() == [[False, False], [True, False], [False, False]]


def test_a_step_that_no_row_tells_of_has_a_time_and_no_line(both: Path) -> None:
    update = {"missing": "forward", "time": "day"}
    data = load(both).spec.data.model_copy(update=update)
    days = b"day,v,w\n2024-01-01,1,2\n2024-01-02,1,2\n2024-01-04,4,5\n"
    (found,) = data.questions(days, "d.csv", None).records
    stamps = [found.stamp(row, 1) for row in (0, 1, 3)] if found.stamp else []
    assert [(stamp["line"], stamp["day"]) for stamp in stamps] == [
        (3, "2024-01-02"),
        (None, "2024-01-03"),
        (5, "2024-01-05"),
    ]


@pytest.mark.parametrize(
    ("files", "newest"),
    [
        ({"path": "a.csv", "split": (0.7, 0.2, 0.1)}, ("a.csv", 0.7)),
        ({"train": "a.csv"}, ("a.csv", 1.0)),
        ({"train": "a.csv", "valid": "b.csv"}, ("b.csv", 0.0)),
        ({"train": "a.csv", "valid": "b.csv", "test": "c.csv"}, ("c.csv", 0.0)),
    ],
)
def test_the_newest_file(files: dict[str, Any], newest: tuple[str, float]) -> None:
    name, seen = newest
    assert Series(columns=("v",), **files).newest(Path("at")) == (Path("at") / name, seen)
