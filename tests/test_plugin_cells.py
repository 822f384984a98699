"""rnnkit-cells as its users get it: a pip package that rnnkit does not know of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_packages import PLUGINS, command, installed, own_tests

PACKAGE = PLUGINS / "rnnkit-cells"
CELLS = {
    "coupled_lstm",
    "ind_rnn",
    "linear_recurrence",
    "min_gru",
    "min_lstm",
    "mogrifier_lstm",
    "peephole_lstm",
    "qrnn",
    "slstm",
}
SHORT = ["-s", "train.streams=8", "-s", "train.window=16", "-s", "train.epochs=2"]


@pytest.mark.parametrize("kernels", ["", "numpy"])
def test_its_own_tests_pass(cells: Path, kernels: str) -> None:
    said = own_tests("rnnkit-cells", cells, RNNKIT_KERNELS=kernels)
    assert " passed" in said and "skipped" not in said


def test_all_its_layers_are_listed(cells: Path) -> None:
    listed = json.loads(command(["rnnkit.cli", "plugins", "--json"], cells).stdout)["plugins"]
    own = {each["type"] for each in listed if each["distribution"] == "rnnkit-cells"}
    assert own == CELLS | {"last_inputs"}


@pytest.mark.parametrize("spec", sorted((PACKAGE / "specs").glob("*.json")), ids=lambda p: p.stem)
def test_its_specs_take_its_cells(spec: Path, cells: Path) -> None:
    types = [layer["type"] for layer in json.loads(spec.read_text())["model"]["layers"]]
    where = f"model.layers[{types.index('lstm')}].type"
    command(["rnnkit.cli", "check", str(spec), "-s", f"{where}=min_gru"], cells)


@pytest.mark.parametrize("types", [sorted(CELLS), ["last_inputs", "qrnn"]], ids=["cells", "qrnn"])
def test_a_stack_of_them_runs_stops_resumes_and_samples(
    types: list[str], cells: Path, tmp_path: Path
) -> None:
    widths = {"last_inputs": {"width": 3}}
    stack = [{"type": of, **widths.get(of, {"units": 8})} for of in ["embedding", *types]]
    spec = json.loads((PACKAGE / "specs" / "char.json").read_text())
    spec["data"] |= {"path": str(tmp_path / "text.txt"), "limit": 3000}
    spec["model"]["layers"] = [*stack, {"type": "affine"}]
    path, whole, parts = tmp_path / "all.json", tmp_path / "whole", tmp_path / "parts"
    (tmp_path / "text.txt").write_text("to be, or not to be: that is the question. " * 70)
    path.write_text(json.dumps(spec))
    run = ["rnnkit.cli", "run", str(path), *SHORT]
    command([*run, "--out", str(whole)], cells)
    command([*run, "--out", str(parts), "--max-steps", "7"], cells)
    command(["rnnkit.cli", "resume", str(parts)], cells)
    for name in ("metrics.jsonl", "best.h5"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    sample = ["rnnkit.cli", "sample", str(whole), "--prompt", "to", "--length", "60", "--seed", "1"]
    compiled, plain = (command(sample, cells, RNNKIT_KERNELS=of).stdout for of in ("", "numpy"))
    assert compiled == plain
    assert len(set(compiled)) > 5


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with the package installed in it."""
    return installed(PACKAGE, tmp_path_factory.mktemp("cells"))
