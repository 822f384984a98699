"""ONNX graphs give what rnnkit gives, in ONNX Runtime, for every layer and state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_cases import (
    AFFINE,
    EMBEDDING,
    GRU,
    LSTM,
    NORM,
    PLUGINS,
    STACKS,
    found_out,
    of_pairs,
    of_sequences,
    of_series,
    of_text,
)

from rnnkit import CheckpointError
from rnnkit.exchange import onnx_layers
from rnnkit.exchange.export import export

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

DOT = {"type": "attention"}
ADDITIVE = {"type": "attention", "score": "additive", "units": 3}
BACK = {"type": "bidirectional", "layer": {"type": "lstm", "units": 6}}

PAIRS: dict[str, tuple[list[Any], list[Any], dict[str, Any]]] = {
    "all": ([EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE], {}),
    "output, peek": (
        [EMBEDDING, LSTM],
        [EMBEDDING, LSTM, AFFINE],
        {"bridge": "output", "peek": True},
    ),
    "two layers": ([EMBEDDING, LSTM, GRU], [EMBEDDING, LSTM, GRU, AFFINE], {}),
    "dot": ([EMBEDDING, GRU], [EMBEDDING, GRU, DOT, AFFINE], {}),
    "additive, both ways": ([EMBEDDING, BACK], [EMBEDDING, LSTM, ADDITIVE, AFFINE], {}),
}


@pytest.mark.parametrize("layers", STACKS.values(), ids=STACKS)
def test_every_stack_is_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_text(tmp_path, layers), "onnx", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5
    assert proof.compared.startswith("4 windows and ")


def test_values_of_any_size_are_the_same_there(tmp_path: Path) -> None:
    model = of_series(tmp_path, [LSTM, {"type": "layer_norm"}, GRU, AFFINE])
    export(model, "onnx", tmp_path / "out")
    graph = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    random = np.random.default_rng(0)
    xs = 50 * random.standard_normal((20, 3, 2)).astype(np.float32)
    scales = json.loads(graph.get_modelmeta().custom_metadata_map["rnnkit"])["scales"]
    states = {
        each.name: np.zeros((3, each.shape[1]), np.float32) for each in graph.get_inputs()[1:]
    }
    raw = xs * scales["inputs"]["factor"] + scales["inputs"]["offset"]
    expected, _ = model.forward(raw)
    (found, *_) = graph.run(None, {"inputs": xs, **states})
    found = found * scales["outputs"]["factor"] + scales["outputs"]["offset"]
    assert found.shape == (20, 3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_ragged_sequences_are_each_as_alone(tmp_path: Path) -> None:
    proof = export(of_sequences(tmp_path), "onnx", tmp_path / "out")
    assert proof is not None and proof.compared == "3 windows and 3 ragged sequences"
    assert {path.name for path in (tmp_path / "out").glob("*.onnx")} == {
        "model.onnx",
        "ragged.onnx",
    }


@pytest.mark.parametrize("case", PAIRS.values(), ids=PAIRS)
def test_encoder_and_decoder_are_the_same_there(case: Any, tmp_path: Path) -> None:
    encoder, decoder, model = case
    proof = export(of_pairs(tmp_path, encoder, decoder, **model), "onnx", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5
    reads = {
        each.name
        for each in runtime.InferenceSession(str(tmp_path / "out/decoder.onnx")).get_inputs()
    }
    attends = any(layer["type"] == "attention" for layer in decoder)
    assert ({"memory", "lengths"} <= reads) == attends
    assert ("last" in reads) == bool(model.get("peek"))


def test_gates_in_our_order_are_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(
        onnx_layers.WRITERS,
        "lstm",
        lambda piece, x, wires: onnx_layers._cell("LSTM", piece, x, wires, (0, 1, 2, 3)),
    )
    found_out("onnx", STACKS["lstm"], tmp_path)


def test_the_other_form_of_gru_is_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(onnx_layers.WRITERS, "gru", onnx_layers.WRITERS["gru_reset_before"])
    found_out("onnx", STACKS["gru"], tmp_path)


def test_the_file_tells_names_shapes_and_what_the_ids_mean(tmp_path: Path) -> None:
    model = of_text(tmp_path, STACKS["tied"])
    export(model, "onnx", tmp_path / "out", verify=False)
    graph = onnx.load(tmp_path / "out" / "model.onnx")
    assert [(each.domain, each.version) for each in graph.opset_import] == [("", 17)]
    assert (graph.ir_version, graph.producer_name) == (8, "rnnkit")
    facts = {each.key: each.value for each in graph.metadata_props}
    assert facts["verified"] == "false"
    assert json.loads(facts["rnnkit"])["vocabulary"]["tokens"] == list(model.vocabulary.tokens)
    names = [each.name for each in graph.graph.input]  # their order is a promise
    assert names == ["inputs", "1.lstm/h_in", "1.lstm/c_in"]
    outputs = [each.name for each in graph.graph.output]
    assert outputs == ["outputs", "1.lstm/h_out", "1.lstm/c_out"]
    weights = {each.name for each in graph.graph.initializer}
    assert "tokens/W" in weights and not any("affine/W" in name for name in weights)


def test_a_plugins_layers_are_refused_all_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    model = of_text(tmp_path, [EMBEDDING, LSTM, NORM, AFFINE])
    for kind in {type(model.network.layers[0]), type(model.network.layers[2])}:
        monkeypatch.setattr(kind, "__module__", "strange.cells")
    with pytest.raises(CheckpointError, match="EXPORT_UNKNOWN") as error:
        export(model, "onnx", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        f"layer 0.embedding: the type 'embedding' is a plugin's{PLUGINS}",
        f"layer 2.layer_norm: the type 'layer_norm' is a plugin's{PLUGINS}",
    ]
    assert error.value.exit_code == 6
