"""rnnkit-cells as its users get it: a pip package that rnnkit does not know of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from drawn_equations import by_graph, by_loops, drawing
from plugin_packages import PLUGINS, command, installed, own_tests

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import parse_block

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


# Compiling a cell takes half a minute: of the others the loops run in Python, and all train below.
@pytest.mark.parametrize(
    "options", [["numpy"], ["", "-k", "qrnn or linear_recurrence"]], ids=["numpy", "compiled"]
)
def test_its_own_tests_pass(cells: Path, options: list[str]) -> None:
    kernels, *chosen = options
    said = own_tests("rnnkit-cells", cells, *chosen, RNNKIT_KERNELS=kernels)
    assert " passed" in said and "skipped" not in said


VARIANTS: tuple[dict[str, Any], ...] = (
    *({"type": kind} for kind in sorted(CELLS)),
    {"type": "slstm", "exponential_forget": True},
    {"type": "ind_rnn", "activation": "tanh"},
    {"type": "mogrifier_lstm", "rounds": 2},
)


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
@pytest.mark.parametrize("block", VARIANTS, ids=str)
def test_the_loops_that_are_compiled_of_a_cell_give_what_its_graph_gives(
    block: dict[str, Any], cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(cells))
    context = {"catalog": Registry()}
    cell = cast("EquationCell", parse_block("rnnkit.layers", {**block, "units": 3}, context))
    window = drawing(cell, 1)
    found, wanted = by_loops(cell, window), by_graph(cell, window)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-11, err_msg=name)


def test_all_its_layers_are_listed(cells: Path) -> None:
    listed = json.loads(command(["rnnkit.cli", "plugins", "--json"], cells).stdout)["plugins"]
    own = {each["type"] for each in listed if each["distribution"] == "rnnkit-cells"}
    assert own == CELLS | {"last_inputs"}


@pytest.mark.parametrize("spec", sorted((PACKAGE / "specs").glob("*.json")), ids=lambda p: p.stem)
def test_its_specs_take_its_cells(spec: Path, cells: Path) -> None:
    types = [layer["type"] for layer in json.loads(spec.read_text())["model"]["layers"]]
    where = f"model.layers[{types.index('lstm')}].type"
    command(["rnnkit.cli", "check", str(spec), "-s", f"{where}=min_gru"], cells)


def trained_in_parts(types: list[str], cells: Path, folder: Path) -> Path:
    """Train a stack of some layers, whole and stopped in between; return the whole run."""
    widths = {"last_inputs": {"width": 3}}
    stack = [{"type": of, **widths.get(of, {"units": 8})} for of in ["embedding", *types]]
    spec = json.loads((PACKAGE / "specs" / "char.json").read_text())
    spec["data"] |= {"path": str(folder / "text.txt"), "limit": 3000}
    spec["model"]["layers"] = [*stack, {"type": "affine"}]
    path, whole, parts = folder / "all.json", folder / "whole", folder / "parts"
    (folder / "text.txt").write_text("to be, or not to be: that is the question. " * 70)
    path.write_text(json.dumps(spec))
    run = ["rnnkit.cli", "run", str(path), *SHORT]
    command([*run, "--out", str(whole)], cells)
    command([*run, "--out", str(parts), "--max-steps", "7"], cells)
    command(["rnnkit.cli", "resume", str(parts)], cells)
    for name in ("metrics.jsonl", "best.h5"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    return whole


def test_a_stack_of_them_runs_stops_resumes_and_is_measured(cells: Path, tmp_path: Path) -> None:
    run = trained_in_parts(sorted(CELLS), cells, tmp_path)
    ask = ["rnnkit.cli", "eval", str(run), "--json"]
    compiled, plain = (
        json.loads(command(ask, cells, RNNKIT_KERNELS=of).stdout)["metrics"] for of in ("", "numpy")
    )
    assert compiled == pytest.approx(plain, rel=1e-4)


def test_a_stack_that_remembers_its_inputs_samples_too(cells: Path, tmp_path: Path) -> None:
    run = trained_in_parts(["last_inputs", "qrnn"], cells, tmp_path)
    sample = ["rnnkit.cli", "sample", str(run), "--prompt", "to", "--length", "60", "--seed", "1"]
    compiled, plain = (command(sample, cells, RNNKIT_KERNELS=of).stdout for of in ("", "numpy"))
    assert compiled == plain
    assert len(set(compiled)) > 5


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with the package installed in it."""
    return installed(PACKAGE, tmp_path_factory.mktemp("cells"))
