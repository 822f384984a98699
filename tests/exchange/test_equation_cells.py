"""Cells by their equations go to ONNX and C as their graph says, a plugin's too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from equation_models import CELLS, KNOWN, offer_equation_cells
from exchange_cases import (
    AFFINE,
    EMBEDDING,
    NORM,
    PLUGINS,
    cell,
    found_out,
    of_pairs,
    of_sequences,
    of_series,
    of_text,
)

from rnnkit import CheckpointError
from rnnkit.core.context import Context
from rnnkit.exchange import c_equations, c_expressions, onnx_scan
from rnnkit.exchange.c_proof import compiled_source
from rnnkit.exchange.export import export
from rnnkit.exchange.onnx_proof import as_input, session
from rnnkit.exchange.onnx_stack import states_in, states_out
from rnnkit.exchange.pieces import pieces_of
from rnnkit.exchange.proof import Runner, states_apart, window
from rnnkit.exchange.to_c import c_name
from rnnkit.inference.model import Model

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
TARGETS = ["onnx", pytest.param("c", marks=needs_gcc)]
TYPES = [str(kind.model_fields["type"].default) for kind in CELLS]


@pytest.fixture(autouse=True)
def _offered(tmp_path: Path, monkeypatch: Any, without_kernels: None) -> None:
    """Offer them, and compile none: that is not asked here."""
    offer_equation_cells(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")


def exported(model: Model, to: str, folder: Path, verify: bool = True) -> Iterator[Runner]:
    """Yield what runs an export."""
    export(model, to, folder, verify=verify)
    if to == "c":
        name = c_name(model)
        with compiled_source(folder / f"{name}.c", name, model.network) as (run, _):
            yield run
        return
    graph, pieces = session(folder / "model.onnx"), pieces_of(model.network, model.store.values)

    def run_graph(xs: Any, states: Any) -> Any:
        found = graph({"inputs": as_input(xs), **states_in(pieces, states)})
        return found["outputs"], states_out(pieces, found)

    yield run_graph


def check_windows(
    reference: Model, run: Runner, names: dict[str, str], windows: tuple[int, ...]
) -> None:
    """Compare windows of so many steps, each from the states that the one before left there."""
    random, network = np.random.default_rng(5), reference.network
    states = network.initial_states(3, np.dtype(np.float32))
    theirs = {names.get(name, name): arrays for name, arrays in states.items()}
    for steps in windows:
        xs = window(network, random, steps, 3)
        ys, states, _ = network.scan(reference.store.values, xs, states, None, Context())
        found, theirs = run(xs, theirs)
        assert np.abs(ys - found).max() <= 1e-6 * max(1, np.abs(ys).max())
        renamed = {names.get(name, name): arrays for name, arrays in states.items()}
        assert states_apart(renamed, theirs) <= 1e-6


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_cell_is_the_same_there(kind: str, to: str, tmp_path: Path) -> None:
    layers = [cell(kind), {"type": "residual", "layer": cell(kind)}, NORM, AFFINE]
    model = of_series(tmp_path, layers)
    for run in exported(model, to, tmp_path / "out"):
        check_windows(model, run, {}, (11, 6))


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("kind", KNOWN)
def test_a_known_cell_by_its_equations_gives_what_ours_gives(
    kind: str, to: str, tmp_path: Path
) -> None:
    ours = of_text(tmp_path, [EMBEDDING, cell(kind), cell(kind, units=7), AFFINE])
    other = f"eq_{kind}"
    model = of_text(tmp_path, [EMBEDDING, cell(other), cell(other, units=7), AFFINE])
    ours.store.flat[:] *= 2
    names = {name: name.replace(kind, other) for name, _ in ours.network.named}
    for name, renamed in names.items():
        for key, array in ours.store.values[name].items():
            model.store.values[renamed][key][:] = array
    # Weights as large let a difference of rounding grow: the windows are short.
    for run in exported(model, to, tmp_path / "out", verify=False):
        check_windows(ours, run, names, (3, 2))


@pytest.mark.parametrize(
    ("kind", "arrays", "loops"),
    [("eq_lstm", ["z[4 * H]"], 1), ("eq_gru", ["z[3 * H]", "p1[3 * H]"], 1)]
    + [("eq_gru_reset_before", ["z[3 * H]", "a1[H]"], 2), ("eq_min_gru", ["z[2 * H]"], 1)],
)
def test_a_step_in_c_has_no_more_arrays_and_loops_than_by_hand(
    kind: str, arrays: list[str], loops: int, tmp_path: Path
) -> None:
    export(of_series(tmp_path, [cell(kind), AFFINE]), "c", tmp_path / "out", verify=False)
    source = (tmp_path / "out" / "small.c").read_text()
    step = source.split(f"static void small_0_{kind}(")[1].split("\n}\n")[0]
    assert re.findall(r"\n    float (.*?)(?: = \{0\})?;", step) == arrays
    assert step.count("for (") == loops


def test_sequences_of_other_lengths_are_each_as_alone(tmp_path: Path) -> None:
    both = {"type": "bidirectional", "layer": cell("eq_every")}
    layers = [EMBEDDING, both, cell("eq_slstm"), AFFINE]
    proof = export(of_sequences(tmp_path, layers), "onnx", tmp_path / "out")
    assert proof is not None and proof.compared == "3 windows and 3 ragged sequences"
    assert proof.largest < 1e-6


def test_encoder_and_decoder_are_the_same_there(tmp_path: Path) -> None:
    encoder, decoder = [EMBEDDING, cell("eq_lstm")], [EMBEDDING, cell("eq_lstm"), AFFINE]
    proof = export(of_pairs(tmp_path, encoder, decoder), "onnx", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-6


def test_two_gates_exchanged_are_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    whole = onnx_scan._Scan._blocks
    monkeypatch.setattr(
        onnx_scan._Scan, "_blocks", lambda self, nodes, value: whole(self, nodes[::-1], value)
    )
    found_out("onnx", [EMBEDDING, cell("eq_gru"), AFFINE], tmp_path)


@needs_gcc
def test_two_gates_exchanged_in_c_are_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    right = c_equations._StepBody._new_states

    def exchanged(self: Any) -> list[str]:
        first, second, *_ = (node for node, place in self.places.items() if place.array == "z")
        self.places[first], self.places[second] = self.places[second], self.places[first]
        return right(self)

    monkeypatch.setattr(c_equations._StepBody, "_new_states", exchanged)
    found_out("c", [EMBEDDING, cell("eq_gru"), AFFINE], tmp_path)


@pytest.mark.parametrize("to", TARGETS)
def test_another_function_is_found_out(to: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(onnx_scan.OPERATORS, "sigmoid", "Tanh")
    monkeypatch.setitem(c_expressions.FUNCTIONS, "sigmoid", "tanhf")
    found_out(to, [EMBEDDING, cell("eq_lstm"), AFFINE], tmp_path)


def test_what_computes_something_else_than_its_equations_is_no_cell_by_them(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as error:
        export(of_text(tmp_path, [EMBEDDING, cell("eq_other"), AFFINE]), "onnx", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        f"layer 1.eq_other: the type 'eq_other' is a plugin's{PLUGINS}"
    ]


@pytest.mark.parametrize("to", ["onnx", "c"])
def test_a_state_that_begins_elsewhere_is_refused(to: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="EXPORT_UNKNOWN") as error:
        export(of_text(tmp_path, [EMBEDDING, cell("eq_late"), AFFINE]), to, tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        "layer 1.eq_late: its state does not begin with zeros, as the exported model's does "
        "(write the equations so that it does)"
    ]


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_other_targets_say_which_take_it(to: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="EXPORT_UNKNOWN") as error:
        export(of_text(tmp_path, [EMBEDDING, cell("eq_gru"), AFFINE]), to, tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        f"layer 1.eq_gru: the type 'eq_gru' is a plugin's{PLUGINS}"
    ]
