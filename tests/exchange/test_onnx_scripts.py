"""The scripts beside model.onnx run without rnnkit, and say what rnnkit says."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_cases import AFFINE, LSTM, STACKS, of_sequences, of_series, of_text, randomized
from helpers import plain_spec

import rnnkit
from rnnkit import ThresholdError
from rnnkit.exchange import onnx_scripts
from rnnkit.exchange.export import export
from rnnkit.exchange.exported import exported
from rnnkit.inference.model import Model

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")


def asked(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-I", str(script), *arguments]
    done = subprocess.run(line, capture_output=True, timeout=60)  # line ends as they are
    return subprocess.CompletedProcess(
        line, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def of_tokens(folder: Path, tokenizer: dict[str, Any], content: str) -> Model:
    spec = plain_spec()
    spec["data"]["tokenizer"] = tokenizer
    (folder / "text.txt").write_text(content, newline="")
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return randomized(rnnkit.build(rnnkit.load_spec(path), folder))


@pytest.mark.parametrize(
    ("tokenizer", "content", "prompt"),
    [
        ({"type": "char"}, 'a"b\\c??/é\u2028\n' * 20, 'é"\\'),
        ({"type": "char", "verbatim": True}, "ab\r\n" * 20, "a\r\nb"),
        ({"type": "char", "unknown": "<unk>"}, "abcd\n" * 20, "azb"),
        ({"type": "byte"}, "some bytes é\n" * 9, "so\u00e9"),
        ({"type": "word"}, "one two  three\nfour <unk> five\n" * 9, "one nine\nfour"),
        ({"type": "char"}, "a" * 99, "a"),
    ],
    ids=["char", "verbatim", "unknown", "byte", "word", "one token"],
)
def test_a_greedy_text_is_rnnkits(
    tokenizer: dict[str, Any], content: str, prompt: str, tmp_path: Path
) -> None:
    model = of_tokens(tmp_path, tokenizer, content)
    found = model.export("onnx", tmp_path / "out")
    assert "sample.py" in found.files and found.proof and "tokens of sample.py" in str(found)
    line = asked(tmp_path / "out" / "sample.py", "--prompt", prompt, "--length", "9", "--greedy")
    ids = model.encode(prompt)
    added = [int(step[0]) for step in islice(model.stream(prompt, 1, _greedy()), 9)]
    text = model.spec.data.text_tokenizer().decode([*ids.tolist(), *added], model.vocabulary)
    assert line.stdout == text + "\n", line.stderr


def _greedy() -> rnnkit.Sampling:
    return rnnkit.Sampling(greedy=True)


def test_a_text_is_drawn_by_a_seed_and_what_is_unknown_is_told(tmp_path: Path) -> None:
    export(of_text(tmp_path, STACKS["lstm"]), "onnx", tmp_path / "out")
    script = tmp_path / "out" / "sample.py"
    first, again, other = (asked(script, "--seed", seed).stdout for seed in "778")
    assert first == again != other and len(first) == 201
    wrong = asked(script, "--prompt", "abZ")
    assert wrong.returncode == 1 and wrong.stderr == "the vocabulary lacks 'Z'\n"


def test_forecasts_are_in_the_units_of_the_data(tmp_path: Path) -> None:
    model = of_series(tmp_path, [LSTM, AFFINE])
    proof = export(model, "onnx", tmp_path / "out")
    assert proof and "2 horizons of forecast.py" in proof.compared
    ran = asked(tmp_path / "out" / "forecast.py", str(tmp_path / "sales.csv"))
    found = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert [row["horizon"] for row in found] == ["1", "3"]
    rows = [row.split(",") for row in (tmp_path / "sales.csv").read_text().split()[1:]]
    ys, _ = model.forward(np.array(rows, np.float64)[:, None])
    there = [float(row["sales"]) for row in found]
    np.testing.assert_allclose(there, ys[-1, 0], rtol=1e-5)
    (tmp_path / "bad.csv").write_text("sales,day\n1,2\n3,\n")
    assert asked(tmp_path / "out" / "forecast.py", str(tmp_path / "bad.csv")).returncode == 1


def test_a_script_that_says_something_else_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_scripts, "SCRIPTS", tmp_path)
    (tmp_path / "sample.py").write_text("print('something else')\n")
    model = of_text(tmp_path, STACKS["gru"])
    with pytest.raises(ThresholdError, match="EXPORT_DIFFERS"):
        export(model, "onnx", tmp_path / "out")
    (tmp_path / "sample.py").write_text("raise SystemExit('no luck')\n")
    with pytest.raises(ThresholdError, match="fails: no luck"):
        export(model, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_plugins_tokenizer_has_no_script_which_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = of_text(tmp_path, STACKS["gru"])
    monkeypatch.setattr(type(model.spec.data.text_tokenizer()), "__module__", "strange.tokens")
    found = exported(model, "onnx", tmp_path / "out")
    assert found.note == "no sample.py: the tokenizer 'char' is a plugin's"
    assert found.note in str(found) and "sample.py" not in found.files


def test_labels_have_no_script_and_nothing_to_say(tmp_path: Path) -> None:
    found = exported(of_sequences(tmp_path), "onnx", tmp_path / "out")
    assert found.note == "" and not [name for name in found.files if name.endswith(".py")]
