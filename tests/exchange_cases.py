"""Untrained models of every kind for other programs, with distinct random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import pair_spec, plain_spec, sequences_data, text

import rnnkit
from rnnkit import ThresholdError
from rnnkit.exchange.export import export
from rnnkit.inference.model import Model

EMBEDDING = {"type": "embedding", "units": 6}
ONE_HOT = {"type": "one_hot"}
AFFINE = {"type": "affine"}
NORM = {"type": "layer_norm"}
DROPOUT = {"type": "dropout", "rate": 0.5}


def cell(kind: str, **settings: Any) -> dict[str, Any]:
    return {"type": kind, "units": 6, **settings}


LSTM, GRU = cell("lstm"), cell("gru")

PLUGINS = " (of those, --to onnx and --to c take every EquationCell)"
"""What a refusal says of the types of plugins."""

STACKS: dict[str, list[Any]] = {
    "rnn tanh": [EMBEDDING, cell("rnn"), AFFINE],
    "rnn relu": [EMBEDDING, cell("rnn", activation="relu"), {"type": "affine", "bias": False}],
    "lstm": [EMBEDDING, LSTM, DROPOUT, cell("lstm", units=7), AFFINE],
    "gru": [ONE_HOT, GRU, AFFINE],
    "gru_reset_before": [EMBEDDING, cell("gru_reset_before"), AFFINE],
    "tied": [{**EMBEDDING, "name": "tokens"}, LSTM, {"type": "affine", "tie": "tokens"}],
    "normed": [EMBEDDING, NORM, {"type": "residual", "layer": LSTM}, NORM, AFFINE],
}
"""Layers of models of characters."""

BOTH_WAYS = [EMBEDDING, {"type": "bidirectional", "layer": GRU}, LSTM, AFFINE]
"""Layers of a model of whole sequences."""


def randomized(model: Model) -> Model:
    """Give every parameter another value, gains and biases too."""
    random = np.random.default_rng(7)
    model.store.flat[:] = random.uniform(-0.6, 0.6, model.store.flat.shape)
    return model


def of_text(folder: Path, layers: list[Any]) -> Model:
    spec = plain_spec()
    spec["model"]["layers"] = layers
    (folder / "text.txt").write_text(text(85))
    return _built(folder, spec)


def of_sequences(folder: Path, layers: list[Any] = BOTH_WAYS) -> Model:
    rows = [{"text": "abc" * n, "label": "xyz"[n % 3]} for n in range(1, 9)]
    spec = plain_spec()
    spec["data"] = sequences_data(folder, rows)
    spec["model"]["layers"] = layers
    return _built(folder, spec)


def of_series(folder: Path, layers: list[Any]) -> Model:
    rows = "".join(f"{200 + 9 * np.sin(t / 5):.3f},{t % 7}\n" for t in range(120))
    (folder / "sales.csv").write_text("sales,day\n" + rows)
    spec = plain_spec(streams=2, window=8)
    spec["data"] = {"type": "series", "path": "sales.csv", "columns": ["sales", "day"]}
    spec["data"] |= {"targets": ["sales"], "horizon": [1, 3]}
    spec["model"] = {"layers": layers, "loss": {"type": "mse"}}
    return _built(folder, spec)


def of_pairs(folder: Path, encoder: list[Any], decoder: list[Any], **model: Any) -> Model:
    spec = pair_spec()
    spec["data"]["count"] = 200
    spec["model"] |= {"encoder": {"layers": encoder}, "decoder": {"layers": decoder}, **model}
    return _built(folder, spec)


def _built(folder: Path, spec: dict[str, Any]) -> Model:
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return randomized(rnnkit.build(rnnkit.load_spec(path), folder))


def found_out(to: str, layers: list[Any], folder: Path, least: float = 0.1) -> None:
    """Check that the proof of a target with a planted fault fails by more than `least`."""
    model = of_text(folder, layers)
    model.store.flat[:] *= 3
    with pytest.raises(ThresholdError, match="EXPORT_DIFFERS") as error:
        export(model, to, folder / "out")
    (problem,) = error.value.problems
    assert float(problem.message.split("largest difference ")[1].split()[0]) > least
    assert error.value.exit_code == 9 and not (folder / "out").exists()
