"""A run on data from memory: its checkpoint, its resume, and what the shell says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit
from rnnkit.cli import run_command

WAVE = np.round(np.sin(np.arange(120) / 4) * 10 + 30, 3)
SPEC: dict[str, Any] = {
    "model": {
        "layers": [{"type": "gru", "units": 5}, {"type": "affine"}],
        "loss": {"type": "mse"},
    },
    "train": {
        "epochs": 3,
        "streams": 2,
        "window": 8,
        "optimizer": {"type": "adam", "lr": 0.01},
    },
}


def wave(values: Any = WAVE) -> rnnkit.Arrays:
    return rnnkit.Arrays({"sales": values}, split=(0.6, 0.2, 0.2))


def test_a_run_is_that_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sales\n" + "".join(f"{value}\n" for value in WAVE.tolist()))
    data = {"type": "series", "path": "a.csv", "columns": ["sales"], "split": [0.6, 0.2, 0.2]}
    of_file = rnnkit.train({**SPEC, "data": data}, tmp_path / "file", tmp_path)
    held = rnnkit.train(SPEC, tmp_path / "held", data=wave())
    assert np.array_equal(of_file.store.flat, held.store.flat)
    assert held.evaluate("test") == of_file.evaluate("test")
    assert held.spec.data.of.columns == ("sales",)
    stored = json.loads((tmp_path / "held" / "spec.json").read_text())["data"]
    assert (stored["type"], stored["of"]["type"], stored["of"]["columns"]) == (
        "arrays",
        "series",
        ["sales"],
    )
    assert stored["of"]["inputs_scaler"]


def test_a_resume_asks_for_the_same_values(tmp_path: Path) -> None:
    rnnkit.train(SPEC, tmp_path / "whole", data=wave())
    rnnkit.train(SPEC, tmp_path / "run", data=wave(), max_steps=5)
    changed = WAVE.copy()
    changed[3] += 0.5
    with pytest.raises(rnnkit.DataError, match="the data is not what the run was trained on"):
        rnnkit.train(SPEC, tmp_path / "run", data=wave(changed))
    with pytest.raises(rnnkit.RefusedError, match='data.of.type: "series" -> "text" cannot change'):
        rnnkit.train(
            {
                **SPEC,
                "model": {
                    "layers": [{"type": "one_hot"}, {"type": "affine"}],
                    "loss": {"type": "softmax_cross_entropy"},
                },
            },
            tmp_path / "run",
            data=rnnkit.Arrays(text="ab" * 90),
        )
    rnnkit.train({**SPEC, "data": wave()}, tmp_path / "run")
    for name in ("best.h5", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rnnkit.train(SPEC, "run", data=wave(), max_steps=5)
    for command in (["resume", "run"], ["eval", "run"], ["forecast", "run", "--steps", "2"]):
        assert run_command(command) == 5
        assert "the data came from memory and is in no file: give the same values" in (
            capsys.readouterr().err
        )
    (tmp_path / "a.csv").write_text("sales\n" + "".join(f"{value}\n" for value in WAVE.tolist()))
    for command in (
        ["eval", "run", "--data", "a.csv"],
        ["forecast", "run", "a.csv", "--steps", "2"],
        ["predict", "run", "a.csv"],
        ["show", "run"],
    ):
        assert run_command(command) == 0, capsys.readouterr().err


def test_a_spec_from_a_file_takes_values(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    model = rnnkit.train(tmp_path / "spec.json", tmp_path / "run", data=wave(), max_steps=2)
    built = rnnkit.build(tmp_path / "spec.json", data=wave())
    assert model.spec.data.type == built.spec.data.type == "arrays"
    spec = rnnkit.train({**SPEC, "data": wave()}, tmp_path / "again", max_steps=2).spec
    other = rnnkit.train(spec, tmp_path / "other", data=wave(WAVE * 2), max_steps=2)
    assert other.spec.data.of.inputs_scaler != model.spec.data.of.inputs_scaler


def test_what_goes_with_no_layer_is_a_sentence(tmp_path: Path) -> None:
    embedded = {"layers": [{"type": "embedding", "units": 4}], "loss": {"type": "mse"}}
    with pytest.raises(rnnkit.SpecError) as caught:
        rnnkit.train({**SPEC, "model": embedded}, tmp_path / "run", data=wave())
    assert str(caught.value).startswith(
        "spec [SPEC_SHAPE] model.layers[0]: reads token ids, but receives values of width 1"
    )
    with pytest.raises(rnnkit.SpecError) as caught:
        rnnkit.train({**SPEC, "trian": 1, "model": object()}, tmp_path / "run", data=wave())
    assert "model: expected a value that JSON has, received <object" in str(caught.value)
    with pytest.raises(rnnkit.SpecError) as caught:
        rnnkit.train({**SPEC, "name": 10**5000}, tmp_path / "run", data=wave())
    received = "a value with an integer of more than 4,300 digits"
    assert f"name: expected a value that JSON has, received {received}" in str(caught.value)
    with pytest.raises(TypeError, match="data: expected rnnkit.Arrays, received a ndarray"):
        rnnkit.train(SPEC, tmp_path / "run", data=WAVE)
    assert not (tmp_path / "run").exists()


def test_a_spec_file_holds_no_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"type": "arrays", "of": {"type": "series", "path": "x", "columns": ["x"]}}
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "data": data}))
    assert run_command(["run", "spec.json", "--out", "run"]) == 5
    assert "[DATA_MEMORY] the data came from memory" in capsys.readouterr().err
    data = {"type": "arrays", "of": {"type": "synthetic", "task": "sine"}}
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "data": data}))
    assert run_command(["check", "spec.json"]) == 3
    assert "'synthetic' is none" in capsys.readouterr().err


def test_text_pairs_and_tokens_train_and_are_asked(tmp_path: Path) -> None:
    layers = [{"type": "one_hot"}, {"type": "rnn", "units": 6}, {"type": "affine"}]
    model = {"layers": layers, "loss": {"type": "softmax_cross_entropy"}}
    spec = {**SPEC, "model": model}
    spec["train"] = {**SPEC["train"], "every": {"sample": 10}}
    text = rnnkit.train(spec, tmp_path / "text", data=rnnkit.Arrays(text="abcab " * 60))
    assert set(text.sample(length=20)) <= set("abc ")
    ids = rnnkit.Arrays(tokens=np.arange(300) % 4, vocabulary=["a", "b", "c", "d"])
    tokens = rnnkit.train(spec, tmp_path / "ids", data=ids)
    assert set(tokens.sample(length=20).split()) <= set("abcd")
    sides = {"layers": [{"type": "one_hot"}, {"type": "gru", "units": 4}]}
    decoder = {"layers": [*sides["layers"], {"type": "affine"}]}
    pair = {"encoder": sides, "decoder": decoder, "loss": {"type": "softmax_cross_entropy"}}
    pairs = rnnkit.Arrays(
        pairs=[(f"{a}+{b}", str(a + b)) for a in range(5) for b in range(5)], split=(1, 0, 0)
    )
    rnnkit.train({**spec, "model": pair}, tmp_path / "pairs", data=pairs)
    assert (tmp_path / "pairs" / "samples.jsonl").read_text()
    assert run_command(["decode", str(tmp_path / "pairs"), "1+1"]) == 0
