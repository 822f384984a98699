"""What is written for PyTorch gives there what rnnkit gives, and needs no rnnkit."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
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

from rnnkit import CheckpointError, PluginError, ThresholdError, load
from rnnkit.exchange import torch_layers
from rnnkit.exchange.export import export
from rnnkit.inference.model import Model

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install rnnkit[torch]")
library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

WRAPPED = {
    "residual": [
        EMBEDDING,
        {"type": "residual", "layer": {"type": "residual", "layer": cell("rnn")}},
        {"type": "dropout", "rate": 0.25, "locked": True},
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
    "rnn": [EMBEDDING, {"type": "bidirectional", "layer": cell("rnn", activation="relu")}, AFFINE],
}


@pytest.mark.parametrize("layers", (STACKS | WRAPPED).values(), ids=STACKS | WRAPPED)
def test_every_stack_is_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_text(tmp_path, layers), "torch", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5
    assert proof.compared == "4 windows" and proof.program == f"torch {torch.__version__}"
    files = {path.name for path in (tmp_path / "out").rglob("*")}
    assert files == {"model.json", "model.py", "model.safetensors", "proof.json"}


@pytest.mark.parametrize("layers", BOTH.values(), ids=BOTH)
def test_both_directions_are_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_sequences(tmp_path, layers), "torch", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5


def written(folder: Path) -> Any:
    """Return the module that was written."""
    spec = importlib.util.spec_from_file_location("written", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_names_are_those_of_pytorch(tmp_path: Path) -> None:
    export(of_text(tmp_path, STACKS["lstm"]), "torch", tmp_path / "out", verify=False)
    names = [f"{k}_l0" for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    cells = [f"lstm_{at}.{name}" for at in (1, 2) for name in names]
    found = library.load_file(tmp_path / "out" / "model.safetensors")
    assert found.keys() == {"embedding.weight", *cells, "linear.weight", "linear.bias"}
    source = (tmp_path / "out" / "model.py").read_text()
    assert "self.lstm_2 = nn.LSTM(6, 7)\n" in source and "rnnkit import" not in source
    assert "It has not been compared with rnnkit (--no-verify)." in source
    # As torch.nn makes them, whatever our own class lists.
    assert found.keys() == written(tmp_path / "out").Model().state_dict().keys()


def test_tied_layers_share_one_table(tmp_path: Path) -> None:
    export(of_text(tmp_path, STACKS["tied"]), "torch", tmp_path / "out")
    assert "linear.weight" not in library.load_file(tmp_path / "out" / "model.safetensors")
    model = written(tmp_path / "out").load()
    assert model.linear.weight is model.embedding.weight and not model.training


@pytest.mark.parametrize("kind", ["lstm", "gru_reset_before", "normed", "lstm, then gru"])
def test_the_source_is_as_people_write_it(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff is not installed")
    model = of_sequences(tmp_path, BOTH[kind]) if kind in BOTH else of_text(tmp_path, STACKS[kind])
    export(model, "torch", tmp_path / "out", verify=False)
    for asked in (["check", "--select", "E,F,I,UP,B"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *asked, "--line-length", "100", "model.py"]
        ran = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("run", ["tiny_run", "word_run", "byte_run"])
def test_a_text_is_written_there_as_here(
    run: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = load(request.getfixturevalue(run))
    export(model, "torch", tmp_path / "out", verify=False)
    module = written(tmp_path / "out")
    prompt = model.sample("", 12)
    ids = module.encode(prompt)
    assert module.decode(ids).split() == prompt.split()
    # So cold that the likeliest token is drawn.
    found = module.sample(module.load(), prompt, 20, temperature=1e-6)
    expected = model.sample(prompt, 20, greedy=True)
    assert expected.removeprefix(prompt).split() == found.split()
    assert _shown(tmp_path / "out", prompt).startswith(prompt)


def _shown(folder: Path, *arguments: str) -> str:
    """Return what `python model.py` prints, where there is no rnnkit."""
    start = "import runpy, sys; sys.modules['rnnkit'] = None; runpy.run_path(sys.argv.pop(1), "
    command = [sys.executable, "-B", "-c", f"{start}run_name='__main__')", folder / "model.py"]
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_values_are_in_the_units_of_the_data(tmp_path: Path) -> None:
    model = of_series(tmp_path, [LSTM, {"type": "layer_norm"}, GRU, AFFINE])
    proof = export(model, "torch", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5
    module, raw = written(tmp_path / "out"), _raw(model)
    expected, _ = model.forward(raw)
    found, _ = module.predict(module.load(), torch.from_numpy(raw))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    first, states = module.predict(module.load(), torch.from_numpy(raw[:7]))
    rest, _ = module.predict(module.load(), torch.from_numpy(raw[7:]), states)
    np.testing.assert_allclose(torch.cat([first, rest]).numpy(), expected, rtol=1e-5)
    lines = _shown(tmp_path / "out").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["after five steps", "after one more"]


def _raw(model: Model) -> Any:
    scales = json.loads(json.dumps(model.spec.data.scales()))["inputs"]
    xs = 50 * np.random.default_rng(0).standard_normal((20, 3, 2))
    return (xs * scales["factor"] + scales["offset"]).astype(np.float32)


def test_classes_of_sequences_are_shown(tmp_path: Path) -> None:
    export(of_sequences(tmp_path), "torch", tmp_path / "out", verify=False)
    assert _shown(tmp_path / "out").startswith("after five steps: [")


def test_gates_in_our_order_are_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(torch_layers.NATIVE, "lstm", ("nn.LSTM", (0, 1, 2, 3)))
    found_out("torch", STACKS["lstm"], tmp_path)


def test_the_other_form_of_gru_is_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(torch_layers.NATIVE, "gru_reset_before", ("nn.GRU", (0, 1, 2)))
    monkeypatch.setitem(torch_layers.MODULES, "gru_reset_before", torch_layers.MODULES["gru"])
    found_out("torch", STACKS["gru_reset_before"], tmp_path)


def test_a_source_that_does_not_run_keeps_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(torch_layers.NATIVE, "lstm", ("nn.LSTN", (0, 1, 3, 2)))
    with pytest.raises(ThresholdError, match="EXPORT_FAILS") as error:
        export(of_text(tmp_path, STACKS["lstm"]), "torch", tmp_path / "out")
    (problem,) = error.value.problems
    assert problem.message.startswith(
        "the process of its own for torch failed: "
        "AttributeError: module 'torch.nn' has no attribute 'LSTN'"
    )
    assert problem.message.endswith("; nothing was kept") and not (tmp_path / "out").exists()


def test_without_pytorch_the_pip_line_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    from importlib import metadata

    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    with pytest.raises(PluginError) as error:
        export(of_text(tmp_path, STACKS["lstm"]), "torch", tmp_path / "out")
    assert str(error.value) == (
        "rnnkit [PACKAGE_MISSING] needs the package torch, which is not installed "
        "(pip install 'rnnkit[torch]')"
    )
    assert not (tmp_path / "out").exists()


def test_without_safetensors_the_extra_has_pytorch_too(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(PluginError) as error:
        export(of_text(tmp_path, STACKS["lstm"]), "torch", tmp_path / "out")
    assert "needs the package safetensors, " in str(error.value)
    assert str(error.value).endswith("(pip install 'rnnkit[torch]')")


def test_what_has_no_module_is_refused_all_at_once(tmp_path: Path, monkeypatch: Any) -> None:
    both = {"type": "bidirectional", "layer": cell("gru_reset_before")}
    model = of_sequences(tmp_path, [EMBEDDING, both, GRU, AFFINE])
    monkeypatch.setattr(type(model.network.layers[2]), "__module__", "strange.cells")
    with pytest.raises(CheckpointError, match="EXPORT_UNKNOWN") as error:
        export(model, "torch", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        "layer 1.bidirectional: PyTorch runs rnn, lstm and gru in both directions, but not "
        "'gru_reset_before'",
        f"layer 2.gru: the type 'gru' is a plugin's{PLUGINS}",
    ]
    pair = of_pairs(tmp_path, [EMBEDDING, LSTM], [EMBEDDING, LSTM, AFFINE])
    with pytest.raises(CheckpointError, match="an encoder and a decoder are not written"):
        export(pair, "torch", tmp_path / "out")
