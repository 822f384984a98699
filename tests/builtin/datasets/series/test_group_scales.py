"""Groups of a series, each on a scale of its own: in batches, metrics, predictions, forecasts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.contracts.dataset import Layout
from rnnkit.core.context import Context
from rnnkit.errors import DataError
from rnnkit.inference.model import load
from rnnkit.spec.model import Spec

SHOPS = {"small": (10.0, 1.0), "large": (1e6, 1e5)}
ROWS = 120


def value(shop: str, t: int) -> float:
    mean, factor = SHOPS[shop]
    return mean + factor * float(np.sin(t / 3))


def write_shops(file: Path, shops: tuple[str, ...] = (*SHOPS,), rows: int = ROWS) -> Path:
    lines = [f"{shop},{value(shop, t)!r}" for t in range(rows) for shop in shops]
    file.write_text("shop,sales\n" + "\n".join(lines) + "\n")
    return file


def shops(**fields: Any) -> Series:
    block = {"type": "series", "columns": ["sales"], "group": "shop", "scale_by_group": True}
    return Series.model_validate_json(json.dumps({"path": "d.csv", **block, **fields}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    write_shops(folder / "d.csv")
    spec = {
        "spec_version": 1,
        "data": json.loads(shops(horizon=[1, 2]).model_dump_json(exclude_none=True)),
        "model": {
            "layers": [{"type": "gru", "units": 6}, {"type": "affine"}],
            "loss": {"type": "mse"},
        },
        "train": {
            "epochs": 2,
            "streams": 2,
            "window": 10,
            "optimizer": {"type": "adam", "lr": 0.01},
        },
        "evaluate": {"streams": 1},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    done("run", folder / "spec.json", "--out", folder / "run")
    return folder / "run"


def spec_of(run: Path) -> Spec:
    return load(run).spec


def test_each_split_is_finite_on_the_scale_of_its_group(tmp_path: Path) -> None:
    file = write_shops(tmp_path / "d.csv")
    *rows, last = file.read_text().splitlines()
    shop = last.split(",")[0]
    file.write_text("\n".join([*rows, f"{shop},3e38"]) + "\n")
    scalers = {
        each: {
            side: {"offset": [0], "factor": [0.5 if each == shop else 2]}
            for side in ("inputs", "targets")
        }
        for each in SHOPS
    }
    with pytest.raises(DataError) as caught:
        shops(group_scalers=scalers).open(tmp_path)
    assert str(caught.value) == (
        "the test split [DATA_NAN] sales: 3e+38 is no finite number on the scale of the training "
        "part (take the row out, or fill in a number)"
    )


def test_each_group_is_on_its_own_scale(tmp_path: Path) -> None:
    write_shops(tmp_path / "d.csv")
    source = shops(horizon=[1, 3]).open(tmp_path)
    (batch,) = source.batches("train", Layout(2, 93, tail=True), None)
    assert batch.units and batch.units.offset.shape == batch.targets.shape == (93, 2, 2)
    for stream, shop in enumerate(SHOPS):
        assert abs(batch.inputs[:, stream].mean()) < 0.05
        known = np.array([[value(shop, t + h) for h in (1, 3)] for t in range(93)])
        assert np.allclose(batch.units.unscaled(batch.targets)[:, stream], known, rtol=1e-6)
    part = batch.streams(slice(1, 2)).steps(slice(5, 9))
    assert part.units and np.array_equal(part.units.factor, batch.units.factor[5:9, 1:])


def test_the_scales_are_those_of_the_training_part_and_stored(run: Path) -> None:
    data = spec_of(run).data
    assert isinstance(data, Series) and data.group_scalers and not data.inputs_scaler
    for shop in SHOPS:
        train = [value(shop, t) for t in range(round(ROWS * 0.8))]
        scaler = data.group_scalers[shop].targets
        assert scaler.offset == pytest.approx([np.mean(train)])
        assert scaler.factor == pytest.approx([np.std(train)])
    again = json.loads(data.model_dump_json())
    assert Series.model_validate_json(json.dumps(again)) == data


def outputs(run: Path, shop: str, rows: int) -> np.ndarray:
    """Return what the model gives (N, 2) for the first rows of a shop, in its units."""
    model = load(run)
    data = model.spec.data
    assert isinstance(data, Series) and data.group_scalers
    scales = data.group_scalers[shop]
    known = np.array([[value(shop, t)] for t in range(rows)])
    network, ctx = model.network, Context()
    states = network.initial_states(1, ctx.dtype)
    xs = scales.inputs.scaled(known)[:, None]
    ys = network.scan(model.store.values, xs, states, None, ctx)[0][:, 0]
    return ys.astype(np.float64) * scales.targets.factor[0] + scales.targets.offset[0]


def test_predictions_are_in_the_units_of_each_group(run: Path, tmp_path: Path) -> None:
    file = write_shops(tmp_path / "d.csv", rows=12)
    lines = [json.loads(line) for line in done("predict", run, file).out.splitlines()]
    for shop in SHOPS:
        found = [line["sales"] for line in lines if line["shop"] == shop]
        assert np.array(found).reshape(-1, 2) == pytest.approx(outputs(run, shop, 12), rel=1e-5)


def test_forecasts_are_in_the_units_of_each_group(run: Path, tmp_path: Path) -> None:
    file = write_shops(tmp_path / "d.csv", rows=40)
    ran = done("forecast", run, file, "--steps", 5, "--paths", 0)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    for shop, (mean, factor) in SHOPS.items():
        found = [line["sales"] for line in lines if line["shop"] == shop]
        assert found[:2] == pytest.approx(outputs(run, shop, 40)[-1].tolist(), rel=1e-5)
        assert len(found) == 5 and np.abs(np.array(found) - mean).max() < 3 * factor


def test_metrics_are_in_the_units_of_each_group(run: Path, tmp_path: Path) -> None:
    for shop in SHOPS:
        file = write_shops(tmp_path / "d.csv", (shop,), 50)
        shown = json.loads(done("eval", run, "--data", file, "--json").out)
        given, rows = outputs(run, shop, 48), np.arange(48)[:, None] + [1, 2]
        wanted = np.vectorize(lambda t, shop=shop: value(shop, t))(rows)
        assert shown["metrics"]["mae"] == pytest.approx(np.abs(given - wanted).mean(), rel=1e-4)


def test_a_group_that_training_did_not_see(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("shop,sales\nnew,1\nnew,2\n")
    said = "[DATA_GROUP] the group 'new' has no row in the training part, which tells its scale"
    for line in (("predict", run, file), ("forecast", run, file), ("eval", run, "--data", file)):
        ran = command(*line)
        assert ran.code == 5 and said in ran.err, line
    write_shops(tmp_path / "train.csv", ("small",))
    write_shops(tmp_path / "test.csv")
    with pytest.raises(DataError, match="the test split .* the group 'large' has no row"):
        shops(path=None, train="train.csv", test="test.csv").open(tmp_path)


def test_values_alone_tell_no_group(run: Path) -> None:
    with pytest.raises(DataError, match="each group has a scale of its own, and values alone"):
        load(run).forward(np.ones((3, 1, 1)))


def test_groups_of_one_name_in_several_files_share_a_scale(tmp_path: Path) -> None:
    write_shops(tmp_path / "a.csv", ("small",), 30)
    write_shops(tmp_path / "b.csv", ("small",), 60)
    source = shops(path=["a.csv", "b.csv"], split=[1, 0, 0]).open(tmp_path)
    values = [value("small", t) for rows in (30, 60) for t in range(rows)]
    assert isinstance(source.block, Series) and source.block.group_scalers
    assert source.block.group_scalers["small"].inputs.offset == pytest.approx([np.mean(values)])


def test_scales_of_groups_need_groups() -> None:
    with pytest.raises(ValueError, match='"scale_by_group" needs the column that tells the group'):
        shops(group=None)
    narrow = {"offset": [0, 0], "factor": [1, 1]}
    with pytest.raises(ValueError, match="a scaler needs 1 offsets and factors"):
        shops(group_scalers={"small": {"inputs": narrow, "targets": narrow}})


def test_groups_are_no_one_stream(run: Path, tmp_path: Path) -> None:
    file, states = write_shops(tmp_path / "new.csv", rows=6), tmp_path / "states"
    ran = command("predict", run, file, "--state-out", states)
    assert (ran.code, ran.out, states.exists()) == (6, "", False)
    assert "[STATE_GROUPS] each group is a series with a state of its own, and a state" in ran.err
    assert "leave out --state-in and --state-out, or give a model of one series" in ran.err
