"""What a run says at its end: the command that asks such a model, and a forecast that is naive."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done

from rnnkit.contracts.dataset import Split
from rnnkit.inference.model import Model

AFFINE = {"type": "affine"}
RNN = [{"type": "rnn", "units": 4}, AFFINE]
TEXTS = [{"type": "embedding", "units": 4}, *RNN]
LABELS = {"type": "softmax_cross_entropy"}


def run(
    folder: Path, data: dict[str, Any], model: dict[str, Any], streams: int = 2, out: str = "r"
) -> Any:
    optimizer = {"type": "adam", "lr": 0.01}
    train = {"epochs": 1, "streams": streams, "window": 8, "optimizer": optimizer}
    (folder / "s.json").write_text(json.dumps({"data": data, "model": model, "train": train}))
    found = json.loads(done("run", "s.json", "--out", out, "--json").out)
    assert json.loads(done("show", f"./{out}", "--json").out)["next"] == found["next"]
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pasted(line: str) -> str:
    name, *words = shlex.split(line)
    assert name == "rnnkit"
    return done(*words).out


def test_a_classifier_predicts_its_own_kind_of_file(here: Path) -> None:
    rows = [{"text": word * 3, "label": word} for word in "ab" * 20]
    (here / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {
        "type": "sequences",
        "path": "d.jsonl",
        "inputs": {"kind": "text", "key": "text", "tokenizer": {"type": "char"}},
        "targets": {"kind": "class", "key": "label"},
    }
    found = run(here, data, {"layers": TEXTS, "loss": LABELS})
    assert found["next"] == "rnnkit predict r d.jsonl"
    assert len(pasted(found["next"]).splitlines()) == 40


def test_windows_and_splits_without_a_target_that_is_known(here: Path) -> None:
    known = [{"x": i, "y": None if i % 3 else f"{i % 2}"} for i in range(60)]
    (here / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in known))
    unknown = [{"x": i, "y": None} for i in range(5)]
    (here / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in unknown))
    data = {
        "type": "sequences",
        "train": "d.jsonl",
        "valid": "t.jsonl",
        "test": "t.jsonl",
        "inputs": {"kind": "numbers", "key": "x"},
        "targets": {"kind": "class", "key": "y"},
    }
    found = run(here, data, {"layers": RNN, "loss": LABELS}, streams=1)
    assert found["best"] is None
    assert found["test"]["loss"] is found["test"]["accuracy"] is None
    assert found["remarks"] == [
        "no target of test is known and weighs more than 0, so nothing is measured"
    ]
    assert all(found["test"][name] is None for name in ("precision", "recall", "f1"))
    for gate, said in (("above", "loss is nan, above 9.0"), ("below", "f1 is nan, below 0.0")):
        name = said.split()[0]
        failed = command("eval", "r", f"--fail-{gate}", f"{name}={said.split()[-1]}")
        assert failed.code == 9 and said in failed.err


def test_a_decoder_decodes_a_source(here: Path) -> None:
    data = {
        "type": "pairs",
        "source": "addition",
        "count": 40,
        "tokenizer": {"type": "char"},
        "reverse": True,
    }
    stack = {"layers": TEXTS[:-1]}
    model = {"encoder": stack, "decoder": {"layers": TEXTS}, "loss": LABELS}
    found = run(here, data, model)
    verb, source = shlex.split(found["next"])[1::2]
    assert verb == "decode" and "+" in source and source.replace("+", "").isdigit()
    pasted(found["next"])


@pytest.mark.parametrize(
    ("sources", "words"),
    [(["-", "-0", "--help"], ["decode", "r", "--", "-0"]), (["-"], ["eval", "r"])],
)
def test_a_source_that_looks_like_an_option(
    sources: list[str], words: list[str], here: Path
) -> None:
    (here / "d.tsv").write_text("".join(f"{source}\tab\n" for source in sources))
    data = {
        "type": "pairs",
        "train": "d.tsv",
        "valid": "d.tsv",
        "test": "d.tsv",
        "tokenizer": {"type": "char"},
    }
    model = {"encoder": {"layers": TEXTS[:-1]}, "decoder": {"layers": TEXTS}, "loss": LABELS}
    found = run(here, data, model, streams=1)
    assert shlex.split(found["next"])[1:] == words
    pasted(found["next"])


def test_a_loss_that_gives_no_distribution_is_sampled_greedily(here: Path) -> None:
    (here / "d.txt").write_text("to be or not to be " * 40)
    data = {"type": "text", "path": "d.txt", "tokenizer": {"type": "char"}}
    found = run(here, data, {"layers": TEXTS, "loss": {"type": "mse"}})
    assert found["next"] == "rnnkit sample r --greedy"
    pasted(found["next"])


def test_a_folder_that_looks_like_an_option(here: Path) -> None:
    (here / "d.txt").write_text("to be or not to be " * 40)
    data = {"type": "text", "path": "d.txt", "tokenizer": {"type": "char"}}
    found = run(here, data, {"layers": TEXTS, "loss": LABELS}, out="-r")
    assert found["next"] == "rnnkit sample ./-r"
    pasted(found["next"])


def test_data_without_a_file_is_evaluated(here: Path) -> None:
    found = run(here, {"type": "synthetic", "task": "iris"}, {"layers": RNN, "loss": LABELS})
    assert found["next"] == "rnnkit eval r"


def test_a_forecast_that_is_no_better_than_the_naive_one(here: Path) -> None:
    steps = np.random.default_rng(1).normal(size=300).cumsum()
    (here / "d.csv").write_text("v\n" + "".join(f"{value:.4f}\n" for value in steps))
    data = {"type": "series", "path": "d.csv", "columns": ["v"]}
    found = run(here, data, {"layers": RNN, "loss": {"type": "mse"}})
    assert found["next"] == "rnnkit forecast r --steps 30"
    assert len(pasted(found["next"]).splitlines()) == 30
    (remark,) = found["remarks"]
    assert remark.startswith("no better than a naive forecast: mase ")
    assert remark.endswith(f", persistence has {found['test']['mase_persistence']:.4g}")
    assert remark in done("eval", "r").out
    assert json.loads(done("eval", "r", "--json").out)["remarks"] == [remark]


def test_without_a_test_split_the_validation_split_tells_it(here: Path) -> None:
    steps = np.random.default_rng(1).normal(size=300).cumsum()
    (here / "d.csv").write_text("v\n" + "".join(f"{value:.4f}\n" for value in steps))
    data = {"type": "series", "path": "d.csv", "columns": ["v"], "split": [0.8, 0.2, 0]}
    found = run(here, data, {"layers": RNN, "loss": {"type": "mse"}})
    assert found["test"] is None
    (remark,) = found["remarks"]
    assert remark.startswith("no better than a naive forecast: mase ")
    assert remark in done("eval", "r", "--split", "valid").out
    said = done("run", "s.json", "--out", "again").out.splitlines()
    assert f"valid  {remark}" in said and not [line for line in said if line.startswith("test")]


@pytest.mark.parametrize(
    ("source", "split", "every", "asked"),
    [
        ("series", [0.8, 0.1, 0.1], {}, ["test"]),
        ("series", [0.8, 0.2, 0], {}, ["valid"]),
        ("series", [0.8, 0.2, 0], {"evaluate": None}, []),
        ("series", [1, 0, 0], {}, []),
        ("text", [0.8, 0.1, 0.1], {}, ["test"]),
        ("text", [0.8, 0.2, 0], {}, []),
    ],
)
def test_a_split_is_measured_at_the_end_where_it_tells_something(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    split: list[float],
    every: dict[str, None],
    asked: list[str],
) -> None:
    """The test split, or a forecast's validation split, for a forecast may be a naive one."""
    measured: list[str] = []
    measure = Model.measure

    def counted(model: Model, split: Split, *given: Any) -> Any:
        measured.append(split)
        return measure(model, split, *given)

    monkeypatch.setattr(Model, "measure", counted)
    (here / "d.txt").write_text("to be or not to be " * 40)
    (here / "d.csv").write_text("v\n" + "".join(f"{i % 7}\n" for i in range(300)))
    data: dict[str, Any] = {"type": "text", "path": "d.txt", "tokenizer": {"type": "char"}}
    model: dict[str, Any] = {"layers": TEXTS, "loss": LABELS}
    if source == "series":
        data = {"type": "series", "path": "d.csv", "columns": ["v"]}
        model = {"layers": RNN, "loss": {"type": "mse"}}
    train = {"epochs": 1, "streams": 2, "window": 8, "optimizer": {"type": "sgd", "lr": 0.01}}
    spec = {"data": {**data, "split": split}, "model": model, "train": {**train, "every": every}}
    (here / "s.json").write_text(json.dumps(spec))
    done("run", "s.json", "--out", "r")
    assert measured == asked


def test_a_series_with_columns_that_it_does_not_forecast(here: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5}\n" for i in range(200))
    (here / "d.csv").write_text(f"a,b\n{rows}")
    data = {"type": "series", "path": "d.csv", "columns": ["a", "b"], "targets": ["a"]}
    found = run(here, {**data, "horizon": 3}, {"layers": RNN, "loss": {"type": "mse"}})
    assert found["next"] == "rnnkit forecast r --steps 3"
    assert len(pasted(found["next"]).splitlines()) == 3
