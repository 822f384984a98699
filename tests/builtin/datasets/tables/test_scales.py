"""Numbers of whole sequences on a scale: by default, fitted on training, undone in what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, lines

from rnnkit.builtin.datasets.shared.scaler import Scaler
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.registry import Registry
from rnnkit.inference.model import load
from rnnkit.spec.model import Spec
from rnnkit.spec.read import parse_spec

NUMBERS = {"kind": "numbers", "key": "x"}
VALUE = {"kind": "numbers", "key": "y"}


def document(loss: str = "mse", inputs: Any = NUMBERS, targets: Any = VALUE) -> dict[str, Any]:
    return {
        "data": {"type": "sequences", "path": "d.jsonl", "inputs": inputs, "targets": targets},
        "model": {
            "layers": [{"type": "lstm", "units": 8}, {"type": "affine"}],
            "loss": {"type": loss},
        },
        "train": {
            "epochs": 40,
            "streams": 8,
            "optimizer": {"type": "adam", "lr": 0.02},
            "every": {"log": 100},
        },
    }


def parsed(value: Any) -> Spec:
    return parse_spec(json.dumps(value).encode(), "spec.json", Registry()).spec


def scales(value: Any) -> tuple[str | None, str | None]:
    data = parsed(value).data
    assert isinstance(data, Sequences)
    return data.inputs.scale, data.targets.scale


def rows(count: int) -> list[dict[str, Any]]:
    """Return sequences near 4,000 whose target, near 3,700, is their last number less 300."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        x = (4000 + 30 * random.normal(size=random.integers(2, 6))).round(2).tolist()
        found.append({"x": x, "y": x[-1] - 300})
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scales")
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(200)))
    (folder / "spec.json").write_text(json.dumps(document()))
    done("run", folder / "spec.json", "--out", folder / "run")
    return folder / "run"


def predicted(run: Path, data: Path) -> list[float]:
    return [json.loads(line)["value"] for line in done("predict", run, data).out.splitlines()]


@pytest.mark.parametrize(
    ("loss", "inputs", "targets", "wanted"),
    [
        ("mse", NUMBERS, VALUE, ("standard", "standard")),
        ("binary_cross_entropy", NUMBERS, VALUE, ("standard", "none")),
        ("mse", {**NUMBERS, "scale": "none"}, {**VALUE, "scale": "minmax"}, ("none", "minmax")),
        (
            "softmax_cross_entropy",
            {**NUMBERS, "unroll": True},
            {"kind": "text", "key": "y"},
            ("none", None),
        ),
    ],
)
def test_the_loss_decides_about_targets(
    loss: str, inputs: Any, targets: Any, wanted: tuple[str, str]
) -> None:
    assert scales(document(loss, inputs, targets)) == wanted


def test_what_was_stored_before_there_was_a_scale_keeps_its_units(run: Path) -> None:
    stored = json.loads((run / "spec.json").read_text())
    assert scales(stored) == ("standard", "standard")
    for side in ("inputs", "targets"):
        del stored["data"][side]["scale"], stored["data"][side]["scaler"]
    assert scales(stored) == ("none", "none")


def test_a_scale_of_what_is_no_number_is_refused() -> None:
    text = json.dumps(document(targets={"kind": "class", "key": "y", "scale": "minmax"}))
    with pytest.raises(Exception, match='"scale" goes with "kind": "numbers", not \'class\''):
        parse_spec(text.encode(), "spec.json", Registry())


def test_numbers_far_from_zero_are_learned(run: Path, tmp_path: Path) -> None:
    last = [line for line in lines(run) if "valid_mae" in line][-1]
    assert last["valid_mae"] < 10  # in the units of the data; their deviation is 30
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(20)))
    errors = np.array(predicted(run, tmp_path / "d.jsonl")) - [row["y"] for row in rows(20)]
    assert np.abs(errors).mean() < 10


def test_metrics_are_in_the_units_of_the_data(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows(20)))
    measured = json.loads(done("eval", run, "--data", data, "--json").out)["metrics"]
    errors = np.array(predicted(run, data)) - [row["y"] for row in rows(20)]
    assert measured["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert measured["rmse"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-4)


def test_python_reads_and_gives_the_units_of_the_data(run: Path, tmp_path: Path) -> None:
    model, (row, *_) = load(run), rows(1)
    (tmp_path / "d.jsonl").write_text(json.dumps(row))
    told = json.loads(done("predict", run, tmp_path / "d.jsonl").out)["value"]
    xs = np.array(row["x"])[:, None, None]
    ys, _ = model.forward(xs)
    assert ys.dtype == np.float64 and ys[-1, 0, 0] == pytest.approx(told, rel=1e-7)
    state = model.start()
    for x in xs[:, 0]:
        y, state = model.step(x, state)
    assert y[0] == pytest.approx(told, rel=1e-6)


def test_the_scale_is_that_of_the_training_part(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"x": [1, 3], "y": 10}\n{"x": [5], "y": 30}\n')
    (tmp_path / "v.jsonl").write_text('{"x": [900], "y": 900}\n')
    value = document()
    value["data"] |= {"path": None, "train": "t.jsonl", "valid": "v.jsonl"}
    source = parsed(value).data.open(tmp_path)
    fitted = source.block
    assert fitted.inputs.scaler.offset == (3,)
    assert (fitted.targets.scaler.offset, fitted.targets.scaler.factor) == ((20,), (10,))
    assert fitted.open(tmp_path).block == fitted


def test_a_value_beyond_the_scale_is_named(run: Path, tmp_path: Path) -> None:
    text = (run / "spec.json").read_text()
    stored = json.loads(text)
    stored["data"]["inputs"]["scaler"] = {"offset": [0.0], "factor": [1e-30]}
    stored["data"]["path"] = str(tmp_path / "d.jsonl")
    (tmp_path / "spec.json").write_text(json.dumps(stored))
    (tmp_path / "d.jsonl").write_text('{"x": [1e10], "y": 1}\n')
    ran = command("check", "--data", tmp_path / "spec.json")
    assert ran.code == 5
    assert "d.jsonl:1 [DATA_NAN] x: 10000000000.0 is no finite number on the scale" in ran.err


def test_the_largest_number_of_float32_is_not_beyond_it() -> None:
    largest = float(np.finfo(np.float32).max)
    values = np.array([[largest], [-largest], [np.nextafter(largest, np.inf)]])
    found = Scaler(offset=(0,), factor=(1,)).beyond(values)
    assert found.ravel().tolist() == [False, False, True]
