"""rnnkit gradients: of a spec, of a checkpoint, of other cells, and of data that is not there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import command, done, plain_spec, small_spec, write_spec

from rnnkit.analysis.plots import svg
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.embedding import Embedding
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.cli.gradients import started
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network


def shown(*arguments: object) -> dict[str, Any]:
    return json.loads(done("gradients", *arguments, "--json").out)


def test_a_spec_is_drawn_with_a_sentence_for_each_layer(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec())
    ran = done("gradients", path)
    lines = ran.out.splitlines()
    assert lines[0] == "norm of dL/dh (L2, mean over streams) (log scale)"
    assert lines[-2].startswith("1.lstm: ") and lines[-1].startswith("3.residual.layer: ")
    assert any("distance (steps before the last target)" in line for line in lines)
    assert ran.err == ""
    layers = shown(path)["layers"]
    assert [layer["sentence"] for layer in layers] == lines[-2:]
    assert [len(layer["norms"]) for layer in layers] == [4, 4]  # train.window


def test_steps_look_further_back_than_a_window(tmp_path: Path) -> None:
    path = write_spec(tmp_path, plain_spec())
    near, far = shown(path)["layers"][0], shown(path, "--steps", 9)["layers"][0]
    assert (len(near["norms"]), len(far["norms"])) == (4, 10)


def test_the_data_decides_and_random_inputs_only_where_asked(tmp_path: Path) -> None:
    path = write_spec(tmp_path, plain_spec())
    found = {
        key: shown(path, *options)
        for key, options in {
            "train": [],
            "valid": ["--split", "valid"],
            "random": ["--random"],
            "seeded": ["--random", "--seed", 9],
        }.items()
    }
    assert [v["inputs"] for v in found.values()] == ["train", "valid", "random", "random"]
    norms = [v["layers"][0]["norms"] for v in found.values()]
    assert len({tuple(n) for n in norms}) == 4
    assert shown(path, "--random", "--seed", 9) == found["seeded"]


def test_without_its_data_a_spec_is_measured_on_random_inputs(tmp_path: Path) -> None:
    path = write_spec(tmp_path, plain_spec())
    (tmp_path / "text.txt").unlink()
    ran = done("gradients", path, "--json")
    assert json.loads(ran.out)["inputs"] == "random"
    assert ran.err == (
        f"{tmp_path}/text.txt [DATA_NOT_FOUND] no such file; check the path: "
        "random inputs take the place of the data\n"
    )


def test_a_checkpoint_is_measured_as_it_was_trained(tiny_run: Path) -> None:
    trained = shown(tiny_run)
    assert [layer["name"] for layer in trained["layers"]] == ["1.lstm", "3.residual.layer"]
    assert shown(tiny_run / "best.h5")["layers"] == trained["layers"]
    fresh = shown(tiny_run / "spec.json", "--data-root", tiny_run.parent)
    assert fresh["layers"][0]["norms"] != trained["layers"][0]["norms"]
    scaled = shown(tiny_run, "--scale", "0.1,2")["layers"]
    assert [layer["name"] for layer in scaled] == [
        f"{name}, scale {scale}"
        for scale in ("0.1", "2")
        for name in ("1.lstm", "3.residual.layer")
    ]


def test_cells_side_by_side(tmp_path: Path, tiny_run: Path) -> None:
    value = plain_spec()
    value["model"]["layers"][1]["name"] = "memory"
    path = write_spec(tmp_path, value)
    layers = shown(path, "--cells", "rnn,lstm,gru")["layers"]
    assert [layer["name"] for layer in layers] == ["memory, rnn", "memory, lstm", "memory, gru"]
    assert len({tuple(layer["norms"]) for layer in layers}) == 3
    whole = shown(path)
    own = whole["layers"][0]
    assert whole["out"] is None and whole["model"] == str(path)
    assert layers[0]["norms"] == own["norms"]
    ran = done("gradients", tiny_run, "--cells", "lstm", "--json")
    said = "--cells compares untrained cells: the weights of the checkpoint are not used\n"
    assert ran.err == said


@pytest.mark.skipif(
    not svg.has_matplotlib(), reason="matplotlib is not installed (pip install 'rnnkit[plot]')"
)
def test_a_file_and_the_sentences(tmp_path: Path) -> None:
    path, out = write_spec(tmp_path, plain_spec()), tmp_path / "flow.svg"
    ran = done("gradients", path, "--out", out)
    assert ran.out.startswith("1.rnn: ") and ran.err == f"wrote {out}\n"
    assert "norm of dL/dh (L2, mean over streams)" in out.read_text()
    ran = done("gradients", path, "--out", tmp_path / "again.svg", "--json")
    assert json.loads(ran.out)["out"] == str(tmp_path / "again.svg")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{run}", "-s", "train.epochs=2"], 2, "-s changes a spec, but a checkpoint was given"),
        (["{run}", "--cells", "lstn"], 2, "there is no cell 'lstn' (did you mean 'lstm'? there"),
        (["{run}", "--cells", "affine"], 2, "there is no cell 'affine' (there are gru, "),
        (["{run}", "--cells", ""], 2, "there is no cell ''"),
        (["{run}", "--scale", "1,x"], 2, "expected numbers above 0 such as 0.5,1,1.5, received"),
        (["{run}", "--scale", "nan"], 2, "received 'nan'"),
        (["{run}", "--scale", "1,0"], 2, "expected numbers above 0 such as 0.5,1,1.5, received"),
        (["{run}", "--scale", "1000000"], 2, "received '1000000'"),
        (["{run}", "--steps", "0"], 2, "0 is not in the range"),
        (["{run}", "--steps", "5000"], 5, "[DATA_TOO_SHORT]"),
        (["{run}/none.json"], 3, "/none.json [SPEC_NOT_FOUND] no such file"),
        (["{run}/none.h5"], 6, "/none.h5 [CKPT_NOT_FOUND] no such file"),
        (["{run}/metrics.jsonl"], 3, "metrics.jsonl:"),
    ],
)
def test_what_cannot_be_measured(
    tiny_run: Path, arguments: list[str], code: int, said: str
) -> None:
    ran = command("gradients", *(a.format(run=tiny_run) for a in arguments))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err and "Traceback" not in ran.err


def test_a_model_without_a_cell(tmp_path: Path) -> None:
    value = plain_spec()
    del value["model"]["layers"][1]
    path = write_spec(tmp_path, value)
    ran = command("gradients", path)
    assert ran.code == 3 and ran.err == (
        f"{path} [SPEC_NO_CELL] has no layer with a state: no gradient flows through time "
        "(add one, as lstm)\n"
    )


def test_a_missing_split(word_run: Path) -> None:
    ran = command("gradients", word_run, "--split", "test")
    assert ran.code == 5 and "has no test split (it has train, valid; give --split)" in ran.err


def test_the_norms_of_a_trained_model_are_finite_numbers(tiny_run: Path) -> None:
    for layer in shown(tiny_run)["layers"]:
        assert np.isfinite(layer["norms"]).all() and min(layer["norms"]) > 0


def test_a_checkpoint_is_known_by_its_start(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copyfile(tiny_run / "best.h5", tmp_path / "model")
    ran = done("gradients", tmp_path / "model", "--random", "--json")
    known = done("gradients", tiny_run / "best.h5", "--random", "--json")
    assert json.loads(ran.out)["layers"] == json.loads(known.out)["layers"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    for name, said in (("fifo", "[SPEC_NOT_REGULAR]"), ("fifo.h5", "[CKPT_NOT_REGULAR]")):
        os.mkfifo(tmp_path / name)
        ran = command("gradients", tmp_path / name)
        assert f"{tmp_path}/{name} {said} expected a regular file, received a FIFO" in ran.err


def test_what_a_start_leaves_is_drawn_by_the_seed() -> None:
    signal = Signal(5, ids=True)
    layers = [Embedding(units=3), Affine()]
    network = Network.sized(layers, SoftmaxCrossEntropy(), signal, signal)
    initial: Any = SimpleNamespace(begun=object(), write=lambda store: None)
    found, wanted = started(network, initial, 3), network.store(np.dtype(np.float32))
    wanted.initialize(3)
    assert found is not None and found.keys() == wanted.stored().keys()
    for name, array in wanted.stored().items():
        np.testing.assert_array_equal(found[name], array)
    assert started(network, SimpleNamespace(begun=None), 3) is None  # type: ignore[arg-type]
