"""A script beside model.onnx that needs onnxruntime and NumPy alone, run before it is kept."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.returned import is_own
from rnnkit.core.context import Context
from rnnkit.errors import ThresholdError, printable
from rnnkit.exchange.proof import Proof, difference
from rnnkit.exchange.trained import Trained
from rnnkit.network.states import copied
from rnnkit.types import Array

SCRIPTS = Path(__file__).with_name("scripts")
LENGTH = 60
"""Tokens of the continuation that is compared."""

NEAR = 1e-4
"""Two logits as near as this may change places there; the continuation ends before them."""

SECONDS = 120


def script_of(model: Trained) -> str:
    """Return the name of the script that asks a model; "" where there is none."""
    data, tokenizer = model.spec.data, model.spec.data.text_tokenizer()
    if data.predicts_next and tokenizer is not None:
        return "sample" if is_own(tokenizer) and model.network.token_scores.are_outputs else ""
    return "forecast" if data.series_columns() else ""


def no_script(model: Trained) -> str:
    """Return why a model of a kind that has a script gets none; "" where there is no reason."""
    tokenizer = model.spec.data.text_tokenizer()
    if tokenizer is None or script_of(model) or not model.spec.data.predicts_next:
        return ""
    if not is_own(tokenizer):
        return f"no sample.py: the tokenizer {tokenizer.type!r} is a plugin's"
    return f"no sample.py: the outputs of the loss {model.network.loss.type} are no logits"


def write_script(model: Trained, folder: Path) -> None:
    """Copy the script into the folder, if the model has one."""
    if name := script_of(model):
        shutil.copyfile(SCRIPTS / f"{name}.py", folder / f"{name}.py")


def prove_script(model: Trained, folder: Path, program: str) -> Proof | None:
    """Run the script in a process of its own; raises ThresholdError where it says otherwise."""
    name = script_of(model)
    if not name:
        return None
    proof = {"sample": _prove_sample, "forecast": _prove_forecast}[name](model, folder, program)
    proof.check()
    return proof


def _run(file: Path, *arguments: str) -> str:
    line = [sys.executable, "-I", str(file), *arguments]
    done = subprocess.run(line, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = printable(done.stderr.decode(errors="replace").strip()[-400:], 400)
        raise ThresholdError.of("EXPORT_DIFFERS", f"fails: {said}; nothing was kept", file.name)
    return done.stdout.decode(errors="surrogateescape")


def _prove_sample(model: Trained, folder: Path, program: str) -> Proof:
    """Compare a greedy continuation with the likeliest tokens of rnnkit."""
    tokenizer, vocabulary = model.spec.data.text_tokenizer(), model.vocabulary
    assert tokenizer and vocabulary
    some = np.random.default_rng(3).integers(0, vocabulary.size, 5).tolist()
    prompt = checked_tokenizer.decode(tokenizer, some, vocabulary).replace("\0", "")
    data = prompt.encode(errors="surrogateescape")
    before = checked_tokenizer.encode(tokenizer, data, vocabulary).astype(np.int32)
    if not len(before):  # nothing but zeros, which no command line takes
        return Proof(program, "no prompt for sample.py", 0.0)
    added = _likeliest(model, before)
    expected = checked_tokenizer.decode(tokenizer, [*before.tolist(), *added], vocabulary)
    asked = f"--prompt={prompt}", f"--length={len(added)}", "--greedy"
    same = _run(folder / "sample.py", *asked) == f"{expected}\n"
    return Proof(program, f"{len(added)} tokens of sample.py", 0.0 if same else float("inf"))


def _likeliest(model: Trained, ids: Array) -> list[int]:
    """Return the likeliest tokens after a prompt, up to one that another is as likely as."""
    network, found = model.network, list[int]()
    states = network.initial_states(1, np.dtype(np.float32))
    while len(found) < LENGTH:
        ys, after, _ = network.scan(model.store.values, ids[:, None], states, None, Context())
        states, logits = copied(after), ys[-1, 0]
        largest = np.sort(logits)[-2:]
        if len(logits) > 1 and largest[1] - largest[0] <= NEAR * max(1, np.abs(logits).max()):
            break
        found.append(int(logits.argmax()))
        ids = np.array(found[-1:], np.int32)
    return found


def _prove_forecast(model: Trained, folder: Path, program: str) -> Proof:
    """Compare the forecasts after a made-up table with rnnkit's, on the model's scale."""
    network, data = model.network, model.spec.data
    series, scales = data.series_columns(), data.scales()
    raw = np.random.default_rng(4).standard_normal((20, network.inputs.known()))
    if scales:
        raw = raw * scales["inputs"]["factor"] + scales["inputs"]["offset"]
    table = folder / "asked.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([series["columns"], *raw.tolist()])
    found = list(csv.DictReader(io.StringIO(_run(folder / "forecast.py", str(table)))))
    table.unlink()
    there = np.array([[float(row[key]) for key in series["targets"]] for row in found]).ravel()
    states = network.initial_states(1, np.dtype(np.float32))
    xs = data.to_scale(raw).astype(np.float32)[:, None]
    ys, _, _ = network.scan(model.store.values, xs, states, None, Context())
    if scales:
        offset, factor = (np.array(scales["outputs"][key]) for key in ("offset", "factor"))
        there = (there - offset) / factor
    return Proof(program, f"{len(found)} horizons of forecast.py", difference(ys[-1, 0], there))
