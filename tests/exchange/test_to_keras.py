"""A .keras file gives what rnnkit gives, in Keras, for every layer and state."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_cases import (
    AFFINE,
    EMBEDDING,
    GRU,
    LSTM,
    PLUGINS,
    STACKS,
    cell,
    found_out,
    of_pairs,
    of_sequences,
    of_series,
    of_text,
)

from rnnkit import CheckpointError, PluginError, ThresholdError
from rnnkit.exchange import keras_layers
from rnnkit.exchange.export import export
from rnnkit.exchange.other_process import asked
from rnnkit.exchange.to_keras import BACKENDS, environment

if not importlib.util.find_spec("keras") or not any(map(importlib.util.find_spec, BACKENDS)):
    pytest.skip(
        "Keras or a backend of it is not installed: pip install rnnkit[keras]",
        allow_module_level=True,
    )

CASES = STACKS | {
    "tied, no bias": [*STACKS["tied"][:2], {**STACKS["tied"][2], "bias": False}],
    "residual": [
        EMBEDDING,
        {"type": "residual", "layer": {"type": "residual", "layer": cell("rnn")}},
        {"type": "residual", "layer": {"type": "affine", "units": 6}},
        AFFINE,
    ],
}
BOTH = {
    "lstm, then gru": [
        EMBEDDING,
        {"type": "bidirectional", "layer": LSTM},
        {"type": "bidirectional", "layer": GRU},
        LSTM,
        AFFINE,
    ],
    "gru_reset_before": [
        EMBEDDING,
        {"type": "bidirectional", "layer": cell("gru_reset_before")},
        AFFINE,
    ],
}


@pytest.mark.parametrize("layers", CASES.values(), ids=CASES)
def test_every_stack_is_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_text(tmp_path, layers), "keras", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5
    assert proof.compared == "4 windows" and proof.program.startswith("keras 3.")
    files = {path.name for path in (tmp_path / "out").rglob("*")}
    assert files == {"model.json", "model.keras", "proof.json"}


@pytest.mark.parametrize("layers", BOTH.values(), ids=BOTH)
def test_both_directions_are_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_sequences(tmp_path, layers), "keras", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5


def test_values_of_any_size_are_the_same_there(tmp_path: Path) -> None:
    model = of_series(tmp_path, [LSTM, {"type": "layer_norm"}, GRU, AFFINE])
    export(model, "keras", tmp_path / "out")
    xs = 50 * np.random.default_rng(0).standard_normal((20, 3, 2)).astype(np.float32)
    scales = json.loads((tmp_path / "out" / "model.json").read_text())["scales"]
    expected, _ = model.forward(xs * scales["inputs"]["factor"] + scales["inputs"]["offset"])
    zeros = np.zeros((3, 6), np.float32)
    with asked("keras", tmp_path / "out", environment()) as ask:
        states = {"lstm_h": zeros, "lstm_c": zeros, "gru_h": zeros}
        found = ask({"inputs": np.swapaxes(xs, 0, 1), **states})
    assert set(found) == {"outputs", "lstm_h", "lstm_c", "gru_h"}
    found = found["outputs"] * scales["outputs"]["factor"] + scales["outputs"]["offset"]
    np.testing.assert_allclose(np.swapaxes(found, 0, 1), expected, rtol=1e-5)


def test_the_file_tells_layers_and_what_the_ids_mean(tmp_path: Path) -> None:
    model = of_text(tmp_path, STACKS["tied"])
    export(model, "keras", tmp_path / "out", verify=False)
    with zipfile.ZipFile(tmp_path / "out" / "model.keras") as archive:
        facts = json.loads(archive.read("rnnkit.json"))
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    assert facts["verified"] is False
    assert facts["vocabulary"]["tokens"] == list(model.vocabulary.tokens)
    assert [(each["class_name"], each["name"]) for each in layers] == [
        ("InputLayer", "inputs"),
        ("ReversibleEmbedding", "embedding"),
        ("InputLayer", "lstm_h"),
        ("InputLayer", "lstm_c"),
        ("LSTM", "lstm"),
        ("EinsumDense", "dense"),
    ]


def test_gates_in_our_order_are_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(keras_layers.CELLS, "lstm", ("LSTM", (0, 1, 2, 3), {}))
    found_out("keras", STACKS["lstm"], tmp_path)


def test_the_other_form_of_gru_is_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    written = keras_layers.cell_in_keras

    def other(piece: Any) -> Any:
        kind, config, (kernel, recurrent, bias) = written(piece)
        bias = np.stack([bias, np.zeros_like(bias)])
        return kind, {**config, "reset_after": True}, [kernel, recurrent, bias]

    monkeypatch.setattr(keras_layers, "cell_in_keras", other)
    found_out("keras", STACKS["gru_reset_before"], tmp_path)


def test_what_keras_refuses_keeps_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(keras_layers.CELLS, "lstm", ("LSTM", (0, 1, 3, 2), {"units": 0}))
    with pytest.raises(ThresholdError, match="EXPORT_FAILS") as error:
        export(of_text(tmp_path, STACKS["lstm"]), "keras", tmp_path / "out")
    assert "the process of its own for keras-build failed: " in str(error.value)
    assert not (tmp_path / "out").exists()


def test_without_keras_the_pip_line_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    from importlib import metadata

    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    model = of_text(tmp_path, STACKS["lstm"])
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError) as error:
        export(model, "keras", tmp_path / "out")
    assert str(error.value) == (
        "rnnkit [PACKAGE_MISSING] needs the package keras, with a backend: none of torch, jax, "
        "tensorflow is installed (pip install 'rnnkit[keras]')"
    )
    monkeypatch.setattr(metadata, "version", none)
    with pytest.raises(PluginError) as error:
        export(model, "keras", tmp_path / "out")
    assert str(error.value) == (
        "rnnkit [PACKAGE_MISSING] needs the package keras, which is not installed "
        "(pip install 'rnnkit[keras]')"
    )
    assert not (tmp_path / "out").exists()


def test_what_has_no_layer_is_refused_all_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    both = {"type": "bidirectional", "layer": {"type": "residual", "layer": GRU}}
    model = of_sequences(tmp_path, [EMBEDDING, both, LSTM, AFFINE])
    monkeypatch.setattr(type(model.network.layers[2]), "__module__", "strange.cells")
    with pytest.raises(CheckpointError, match="EXPORT_UNKNOWN") as error:
        export(model, "keras", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        "layer 1.bidirectional: Keras runs recurrent layers in both directions, but not 'residual'",
        f"layer 2.lstm: the type 'lstm' is a plugin's{PLUGINS}",
    ]
    pair = of_pairs(tmp_path, [EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE])
    with pytest.raises(CheckpointError, match="an encoder and a decoder are not written"):
        export(pair, "keras", tmp_path / "out")
