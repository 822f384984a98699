"""ONNX files, of PyTorch's exporters and of rnnkit, give what they give there."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, told
from importing import SEQUENCE_TOKENS, WORDS, ids, language_spec, layers, sequence_spec, valid_ids

import rnnkit

onnx = pytest.importorskip("onnx", reason="ONNX is not installed (pip install rnnkit[onnx])")
torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")

from exchange.incoming.torch_language_model import LanguageModel, perplexity  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
needs_script = pytest.mark.skipif(
    importlib.util.find_spec("onnxscript") is None, reason="onnxscript is not installed"
)
EXPORTS = [
    ("lstm", False),
    ("gru", False),
    ("rnn", False),  # the newer exporter unrolls it, step by step
    pytest.param("lstm", True, marks=needs_script),
    pytest.param("gru", True, marks=needs_script),
]


def exported(theirs: Any, path: Path, dynamo: bool) -> Path:
    """Write a model with PyTorch's exporter; the newer one keeps the weights in a second file."""
    given = (torch.zeros((5, 3), dtype=torch.long),)
    with np.errstate(all="ignore"):
        torch.onnx.export(theirs.eval(), given, path, dynamo=dynamo, verbose=False)
    return path


@pytest.mark.parametrize(("kind", "dynamo"), EXPORTS)
def test_both_exporters_of_pytorch(kind: str, dynamo: bool, tmp_path: Path) -> None:
    theirs = LanguageModel(kind, WORDS, 2)
    file = exported(theirs, tmp_path / "model.onnx", dynamo)
    spec, out = language_spec(tmp_path, layers(kind, 2)), tmp_path / "m.h5"
    done("import", file, "--spec", spec, "--out", out)
    asked = ("eval", out, "--split", "valid", "--data-root", tmp_path, "--json")
    found = json.loads(done(*asked).out)["metrics"]["perplexity"]
    assert found == pytest.approx(perplexity(theirs, valid_ids(spec)), rel=1e-5)
    assert done("sample", out, "--length", 10).out


def test_both_directions(tmp_path: Path) -> None:
    theirs = LanguageModel("gru", SEQUENCE_TOKENS, 2, both=True)
    file = exported(theirs, tmp_path / "model.onnx", False)
    model = rnnkit.import_weights(file, sequence_spec(tmp_path, layers("gru", 2, both=True)))
    xs = ids(model)
    with torch.no_grad():
        expected = theirs(torch.tensor(xs)).numpy()
    assert np.abs(model.forward(xs)[0] - expected).max() < 1e-5


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "gru_reset_before", "layer_norm"])
def test_what_rnnkit_exported_comes_back_equal(kind: str, tmp_path: Path) -> None:
    stack = layers("rnn" if kind == "layer_norm" else kind)
    if kind == "layer_norm":
        stack.insert(2, {"type": kind})  # whose epsilon ONNX rounds to float32
    spec, out = language_spec(tmp_path, stack), tmp_path / "m.h5"
    model = rnnkit.build(spec)
    model.store.flat[:] = np.random.default_rng(2).uniform(-0.6, 0.6, model.store.flat.shape)
    model.save(out)
    done("export", out, "--to", "onnx", "--out", tmp_path / "out")
    again = rnnkit.import_weights(tmp_path / "out" / "model.onnx", spec)
    assert np.array_equal(again.store.flat, model.store.flat)


def test_a_setting_is_compared_where_the_names_are_our_own(tmp_path: Path) -> None:
    stack = layers("rnn")
    stack.insert(2, {"type": "layer_norm", "epsilon": 0.01})
    rnnkit.build(language_spec(tmp_path, stack)).export("onnx", tmp_path / "out")
    stack[2]["epsilon"] = 0.1
    spec, out = language_spec(tmp_path, stack), tmp_path / "m.h5"
    ran = command("import", tmp_path / "out" / "model.onnx", "--spec", spec, "--out", out)
    told(ran, 6, "2.layer_norm has epsilon 0.1, ", " of the file 0.0099999997")
    assert not out.exists()


def test_unknown_operators_are_told_at_once(tmp_path: Path) -> None:
    file = exported(LanguageModel("lstm", WORDS), tmp_path / "model.onnx", False)
    model = onnx.load(file)
    (cell,) = (node for node in model.graph.node if node.op_type == "LSTM")
    cell.attribute.append(onnx.helper.make_attribute("clip", 2.0))
    end = model.graph.node[-1]
    result, end.output[0] = end.output[0], "logits"
    model.graph.node.append(onnx.helper.make_node("Erf", ["logits"], ["bent"], name="bend"))
    model.graph.node.append(onnx.helper.make_node("Mish", ["bent"], [result], name="again"))
    onnx.save(model, file)
    spec, out = language_spec(tmp_path, layers("lstm")), tmp_path / "m.h5"
    ran = command("import", file, "--spec", spec, "--out", out)
    told(ran, 6, "operator LSTM (/rnn/LSTM): clip 2.0, which no layer here has")
    told(ran, 6, "operator Erf (bend): rnnkit has no such layer")
    told(ran, 6, "operator Mish (again): rnnkit has no such layer")
    assert not out.exists()
