"""Every spec of model_specs/ is valid, runs, and learns; the quick ones to their stated result."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rnnkit.cli import run_command

FOLDER = Path(__file__).parents[2] / "model_specs"
SPECS = sorted(FOLDER.glob("*.json"))
SHORT = ["-s", "data.limit=9000", "-s", "train.streams=8", "-s", "train.window=16"]
PLUGINS = {"char_mgu": "shown by test_plugin_mgu, with the plugin it needs"}


def trained(spec: Path, out: Path, *options: str) -> list[dict[str, Any]]:
    assert run_command(["run", str(spec), "--out", str(out), *options]) == 0
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("spec", SPECS, ids=lambda p: p.stem)
def test_is_described(spec: Path) -> None:
    assert f"`{spec.name}`" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("spec", [s for s in SPECS if s.stem not in PLUGINS], ids=lambda p: p.stem)
def test_is_valid(spec: Path) -> None:
    assert run_command(["check", str(spec)]) == 0


@pytest.mark.parametrize("name", ["char_lstm", "char_gru"])
def test_characters_are_learned(name: str, tmp_path: Path) -> None:
    lines = trained(FOLDER / f"{name}.json", tmp_path / "run", *SHORT, "-s", "train.epochs=3")
    evaluated = [line["valid_loss"] for line in lines if "valid_loss" in line]
    assert evaluated[-1] < evaluated[0] < math.log(103)


def test_hello_is_learned_by_heart(tmp_path: Path) -> None:
    lines = trained(FOLDER / "char_rnn_hello.json", tmp_path / "run")
    assert lines[-1]["valid_accuracy"] == 1.0


def test_squared_errors_learn_it_too_but_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = {}
    for loss in ("mse", "softmax_cross_entropy"):
        options = ["-s", f"model.loss.type={loss}", "-s", "train.epochs=200"]
        options += ["-s", "train.every.evaluate=1"]
        lines = trained(FOLDER / "char_rnn_mse.json", tmp_path / loss, *options)
        accuracy = {line["step"]: line["valid_accuracy"] for line in lines if "valid_loss" in line}
        learned[loss] = min(step for step, share in accuracy.items() if share > 0.5)
        capsys.readouterr()
        sample = ["sample", str(tmp_path / loss), "--prompt", "^", "--greedy", "--stop", "$"]
        assert run_command(sample) == 0
        assert capsys.readouterr().out.strip() == "^" + (FOLDER / "hello.txt").read_text().strip()
    assert learned["softmax_cross_entropy"] < learned["mse"]


def test_simple_rnnlm_reaches_its_perplexity(ptb: Path, tmp_path: Path) -> None:
    spec = FOLDER / "ptb_simple_rnnlm.json"
    lines = trained(spec, tmp_path / "run", "--data-root", str(ptb))
    assert lines[-1]["train_perplexity"] < 6.5


@pytest.mark.parametrize("name", ["ptb_lstm", "ptb_lstm_tied"])
def test_words_are_learned(name: str, ptb: Path, tmp_path: Path) -> None:
    spec, root = FOLDER / f"{name}.json", ["--data-root", str(ptb)]
    lines = trained(spec, tmp_path / "run", *root, *SHORT, "-s", "train.epochs=2")
    evaluated = [line["valid_loss"] for line in lines if "valid_loss" in line]
    assert evaluated[-1] < evaluated[0] < math.log(10000)
