"""Forecasts: one for each row, in the units of the data, and on from where yesterday ended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done

import rnnkit
from rnnkit.core.context import Context
from rnnkit.inference import predict as module
from rnnkit.inference.model import load

ROWS = 400


def series() -> np.ndarray:
    t = np.arange(ROWS)
    noise = np.random.default_rng(1).normal(0, 1, (ROWS, 2))
    return np.stack([1000 + 50 * np.sin(t / 5), 3 + 0.1 * np.cos(t / 9)], 1) + noise * [5, 0.01]


def write_csv(path: Path, rows: np.ndarray, head: str = "load,price") -> Path:
    path.write_text("\n".join([head, *(",".join(map(repr, row)) for row in rows.tolist())]) + "\n")
    return path


def run_of(folder: Path, name: str, data: dict[str, Any]) -> Path:
    spec = {
        "spec_version": 1,
        "data": data,
        "model": {
            "layers": [{"type": "gru", "units": 6}, {"type": "affine"}],
            "loss": {"type": "mse"},
        },
        "train": {
            "epochs": 3,
            "streams": 4,
            "window": 10,
            "optimizer": {"type": "adam", "lr": 0.02},
        },
    }
    (folder / f"{name}.json").write_text(json.dumps(spec))
    done("run", folder / f"{name}.json", "--out", folder / name)
    return folder / name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_csv(folder / "d.csv", series())
    columns = {"columns": ["load", "price"], "targets": ["load"], "horizon": 2}
    return run_of(folder, "run", {"type": "series", "path": "d.csv", **columns})


def forecasts(run: Path, file: Path, *options: object) -> list[float]:
    lines = done("predict", run, file, *options).out.splitlines()
    return [json.loads(line)["load"] for line in lines]


def test_a_forecast_for_each_row_in_the_units_of_the_data(run: Path, tmp_path: Path) -> None:
    rows, model = series()[:300], load(run)
    file = write_csv(tmp_path / "d.csv", rows)
    data = model.spec.data
    xs = data.inputs_scaler.scaled(rows)[:, None]
    ys = model.network.scan(model.store.values, xs, model.start(), None, Context())[0]
    wanted = data.targets_scaler.unscaled(ys[:, 0].astype(np.float64))[:, 0]
    assert model.forward(np.array(rows)[:, None])[0][:, 0, 0] == pytest.approx(wanted, rel=1e-6)
    assert forecasts(run, file) == pytest.approx(wanted, rel=1e-6)
    assert 900 < np.mean(wanted) < 1100
    shown = done("predict", run, file, "--format", "csv").out.splitlines()
    assert shown[0] == "line,from_line,load"
    assert [s.split(",")[:2] for s in (*shown[1:3], shown[-1])] == [
        ["4", "2"],
        ["5", "3"],
        ["303", "301"],
    ]
    assert len(shown) == 301


def test_a_column_of_targets_alone_is_not_needed(run: Path, tmp_path: Path) -> None:
    more = np.hstack([series()[:9], np.ones((9, 1))])
    file = write_csv(tmp_path / "d.csv", more, "load,price,weather")
    assert forecasts(run, file) == forecasts(run, write_csv(tmp_path / "e.csv", series()[:9]))


def test_windows_decide_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_csv(tmp_path / "d.csv", series())
    whole = forecasts(run, file)
    monkeypatch.setattr("rnnkit.inference.generate.WINDOW", 7)
    assert forecasts(run, file) == pytest.approx(whole, rel=1e-6)
    assert module.WINDOW == 256


@pytest.mark.parametrize("cut", [1, 128, 399])
def test_tomorrow_goes_on_from_today(cut: int, run: Path, tmp_path: Path) -> None:
    rows, state = series(), tmp_path / "state"
    today = write_csv(tmp_path / "1.csv", rows[:cut])
    tomorrow = write_csv(tmp_path / "2.csv", rows[cut:])
    whole = forecasts(run, write_csv(tmp_path / "d.csv", rows))
    found = forecasts(run, today, "--state-out", state)
    found += forecasts(run, tomorrow, "--state-in", state)
    assert found == pytest.approx(whole, rel=1e-6)
    assert forecasts(run, tomorrow)[0] != pytest.approx(whole[cut], rel=1e-6)


def test_halves_of_whole_windows_are_the_whole_bit_by_bit(run: Path, tmp_path: Path) -> None:
    rows, state = series(), tmp_path / "state"
    first = done("predict", run, write_csv(tmp_path / "1.csv", rows[:256]), "--state-out", state)
    more = ("--state-in", state, "--state-out", state)
    second = done("predict", run, write_csv(tmp_path / "2.csv", rows[256:]), *more)
    end = tmp_path / "end"
    whole = done("predict", run, write_csv(tmp_path / "d.csv", rows), "--state-out", end)
    values = [json.loads(s)["load"] for s in (first.out + second.out).splitlines()]
    assert values == [json.loads(s)["load"] for s in whole.out.splitlines()]
    assert state.read_bytes() == end.read_bytes()


def test_bad_rows(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("load,price\n1000,3\n1001,nan\n1002\n1003,3\n")
    ran = command("predict", run, file)
    assert (ran.code, ran.out) == (5, "")
    assert f'{file}:3 [DATA_EMPTY] price: "nan" is a missing value' in ran.err
    assert f"{file}:4 [DATA_CSV] expected 2 columns as in the header, received 1" in ran.err
    ran = done("predict", run, file, "--skip-bad")
    assert [json.loads(line)["from_line"] for line in ran.out.splitlines()] == [2, 5]
    assert "2 bad rows skipped" in ran.err
    file.write_text("load,price\n")
    assert done("predict", run, file).out == ""


def test_a_value_that_is_too_large_on_the_scale(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("load,price\n1000,3\n1001,3e38\n1003,3\n")
    ran = command("predict", run, file)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        f"{file}:3 [DATA_NAN] price: 3e+38 is no finite number on the scale of the training part "
        "(take the row out, or fill in a number)\n"
    )
    ran = done("predict", run, file, "--skip-bad")
    assert [json.loads(line)["from_line"] for line in ran.out.splitlines()] == [2, 4]


def test_an_answer_that_is_not_finite_ends_a_stream(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        for begun, ys, after in windows(*arguments):
            ys[5] = np.nan
            yield begun, ys, after

    windows = module.windows
    monkeypatch.setattr(module, "windows", broken)
    file = write_csv(tmp_path / "d.csv", series()[:20])
    ran = command("predict", run, file)
    assert (ran.code, ran.out) == (5, "")
    said = f"{file}:7 [DATA_NAN] the model's answer is no finite number, nor could a later one be ("
    assert ran.err.startswith(said)


def test_a_wave_is_a_series(tmp_path: Path) -> None:
    data = {"type": "synthetic", "task": "sine", "train": 300, "valid": 80, "test": 80}
    run = run_of(tmp_path, "sine", data)
    file = write_csv(tmp_path / "d.csv", np.sin(np.arange(40) / 3)[:, None], "sine")
    lines = [json.loads(s) for s in done("predict", run, file).out.splitlines()]
    assert [line["from_line"] for line in lines] == list(range(2, 42))
    assert [line["line"] for line in lines] == list(range(3, 43))
    assert all(-3 < line["sine"] < 3 for line in lines)


@pytest.mark.parametrize(
    ("task", "row", "steps"),
    [("echo", {"inputs": [1, 2, 3, 0, 1]}, 5), ("addition", {"inputs": "57+5"}, 0)],
)
def test_tasks_that_are_made_up(task: str, row: dict[str, Any], steps: int, tmp_path: Path) -> None:
    spec = {
        "spec_version": 1,
        "data": {"type": "synthetic", "task": task, "train": 40, "valid": 8, "test": 8},
        "model": {
            "layers": [{"type": "one_hot"}, {"type": "gru", "units": 6}, {"type": "affine"}],
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {"epochs": 1, "streams": 8, "optimizer": {"type": "adam", "lr": 0.02}},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done("run", tmp_path / "spec.json", "--out", tmp_path / "run")
    (tmp_path / "d.jsonl").write_text(json.dumps(row) + "\n")
    found = json.loads(done("predict", tmp_path / "run", tmp_path / "d.jsonl").out)
    assert len(found["label"]) == steps if steps else 0 <= int(found["label"]) < 199
    (tmp_path / "d.jsonl").write_text('{"inputs": [99]}\n{"inputs": []}\n')
    ran = command("predict", tmp_path / "run", tmp_path / "d.jsonl")
    assert ran.code == 5 and "d.jsonl:1 [DATA_" in ran.err and "d.jsonl:2 [DATA_" in ran.err


def test_a_forecast_can_be_joined_with_the_file(run: Path, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "d.csv", series()[:4])
    lines = done("predict", run, file, "--keep", "load", "--keep", "price").out.splitlines()
    cells = [line.split(",") for line in file.read_text().splitlines()]
    for row, found in enumerate(map(json.loads, lines)):
        assert (found["from_line"], found["line"]) == (row + 2, row + 4)
        given = (found["given_load"], found["price"])
        assert given == (tuple(cells[row + 3]) if row < 2 else (None, None))


def test_each_horizon_of_a_row_is_a_record(tmp_path: Path) -> None:
    rows = np.array([[math.sin(day), day % 5] for day in range(60)]).round(3)
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    lines = [f"{day},{a},{b}" for day, (a, b) in zip(days, rows.tolist(), strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["day,a,b", *lines]) + "\n")
    data = {
        "type": "series",
        "path": "d.csv",
        "columns": ["a", "b"],
        "time": "day",
        "horizon": [1, 3],
        "split": [1, 0, 0],
    }
    run = run_of(tmp_path, "run", data)
    found = [json.loads(line) for line in done("predict", run, tmp_path / "d.csv").out.splitlines()]
    assert list(found[0]) == ["line", "day", "from_line", "from_day", "horizon", "a", "b"]
    assert [(r["horizon"], r["from_day"][5:], r["day"]) for r in (*found[:2], *found[-2:])] == [
        (1, "01-01", "2024-01-02"),
        (3, "01-01", "2024-01-04"),
        (1, "02-29", "2024-03-01"),
        (3, "02-29", "2024-03-03"),
    ]
    values = load(run).forward(rows[:, None])[0].reshape(60, 2, 2)
    told = np.array([[r["a"], r["b"]] for r in found]).reshape(60, 2, 2)
    assert np.allclose(told, values, rtol=1e-6)


def test_a_step_that_no_row_tells_of_has_no_record(tmp_path: Path) -> None:
    """The model reads it, filled, and answers for the rows of the file alone."""
    rows = [f"{t},{t}.5" for t in range(1, 61)]
    (tmp_path / "d.csv").write_text("\n".join(["t,v", *rows]) + "\n")
    data = {"type": "series", "path": "d.csv", "columns": ["v"], "time": "t", "missing": "forward"}
    run = run_of(tmp_path, "gaps", {**data, "split": [1, 0, 0]})
    (tmp_path / "q.csv").write_text("\n".join(["t,v", *rows[:2], *rows[4:7]]) + "\n")
    found = [json.loads(line) for line in done("predict", run, tmp_path / "q.csv").out.splitlines()]
    assert [record["from_line"] for record in found] == [2, 3, 4, 5, 6]
    assert [record["from_t"] for record in found] == ["1", "2", "5", "6", "7"]


def test_what_is_filled_is_told_in_python_as_by_the_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_csv(tmp_path / "all.csv", series())
    data = {"type": "series", "path": str(file), "missing": "forward"}
    data["columns"] = ["load", "price"]
    run = run_of(tmp_path, "filled", data)
    write_csv(file, series()[:20])
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:5], ",3.1", *lines[6:]]) + "\n")
    (said,) = done("predict", run, file).err.splitlines()
    assert "filled" in said
    model = load(run)
    rnnkit.predict(model, file)
    frame = [[float(v) if v else math.nan for v in line.split(",")] for line in lines[1:]]
    frame[4][0] = math.nan
    model.predict({"load": [r[0] for r in frame], "price": [r[1] for r in frame]})
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 2 and logged[0] == said and "filled" in logged[1]
