"""A layer that breaks its contract is named on every road, not only before the first step."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers import command, done, plain_spec, told, write_spec
from stubs import install

from rnnkit import MSE, Context, EquationCell, Layer, PluginError, Signal, load
from rnnkit.compute.equations import tanh
from rnnkit.contracts.checked_layer import run_layer, scanned
from rnnkit.contracts.layer import signal_of
from rnnkit.network.network import Network
from rnnkit.types import Array, Params, State

STUB = """
from typing import Literal

import numpy as np

from rnnkit import GatedCell, Layer, StepCell


class Mixed(GatedCell):
    type: Literal["stub"] = "stub"

    def mix(self, params, zx, zh, state, ctx):
        h = np.tanh(zx + zh)

        def backward(dstate, grads):
            dz = dstate[0] * (1 - h * h)
            return {slope} if ctx.step > 4 else (dz, dz, (np.zeros_like(h),))

        return {found} if {when} else ((h,), backward)


class Stepped(StepCell):
    type: Literal["stub"] = "stub"

    def step(self, params, x, state, ctx):
        h = np.tanh(x[:, :1] + state[0])

        def backward(dy, dstate, grads):
            dh = (dy + dstate[0]) * (1 - h * h)
            dx = np.zeros_like(x)
            dx[:, 0] = dh.sum(axis=1)
            return {slope} if ctx.step > 4 else (dx, (dh,))

        return {found} if {when} else (h, (h.copy(),), backward)


class Whole(Layer):
    type: Literal["stub"] = "stub"
    units: int

    def output(self, inputs):
        return inputs

    def forward(self, params, xs, state, ctx):
        def backward(dys, dstate, grads):
            return {slope} if ctx.step > 4 else (dys.copy(), ())

        return {found} if {when} else (xs.copy(), (), backward)
"""

UNASKED = "not ctx.train and not ctx.step"
"""A model that is asked, not the first window of a run, where it is run outside training too."""
LATE = "ctx.step > 4"
RIGHT = {
    "Mixed": "(dz, dz, (np.zeros_like(h),))",
    "Stepped": "(dx, (dh,))",
    "Whole": "(dys.copy(), ())",
}


def spec_with(
    folder: Path, site: Path, target: str, found: str, when: str, slope: str = ""
) -> Path:
    """Write a spec with a stub that gives something else at some times."""
    slope = slope or RIGHT[target]
    module = STUB.replace("{found}", found).replace("{when}", when).replace("{slope}", slope)
    install(site, module, target=target)
    spec = plain_spec(epochs=2)
    spec["data"]["split"] = [1, 0, 0]
    spec["model"]["layers"][1] = {"type": "stub", "units": 4}
    return write_spec(folder, spec)


ROADS: dict[str, tuple[object, ...]] = {
    "sample": ("--length", 3),
    "score": ("text.txt",),
    "eval": ("--split", "train"),
    "predict": ("text.txt",),
    "neurons": ("text.txt",),
}

BROKEN = {
    "nothing": ("Mixed", "None", "mix: expected (state, backward), received None"),
    "state of None": ("Mixed", "(None, backward)", "expected a tuple of 1 array, received None"),
    "an array": ("Mixed", "(h, backward)", "expected a tuple of 1 array, received float32 of ("),
    "no arrays": (
        "Mixed",
        "((), backward)",
        "expected a tuple of 1 array, received an empty tuple",
    ),
    "two arrays": (
        "Mixed",
        "((h, h), backward)",
        "a tuple of 1 array, received a tuple of 2 (tell ",
    ),
    "a list": ("Mixed", "((h.tolist(),), backward)", "the state[0]: expected float32 of shape ("),
    "float64": ("Mixed", "((h.astype(float),), backward)", ", 4), received float64 of ("),
    "narrow": (
        "Mixed",
        "((h[:, :2],), backward)",
        "mix, the state[0]: expected float32 of shape (",
    ),
    "no state of a step": (
        "Stepped",
        "(h, backward)",
        "step: expected (y, state, backward), received a tuple of 2 (tell its author)",
    ),
    "a step of None": (
        "Stepped",
        "(h, None, backward)",
        "step, the state: expected a tuple of 1 array, received None (tell its author)",
    ),
    "an output of None": (
        "Stepped",
        "(None, (h.copy(),), backward)",
        "step, the output: expected float32 of shape (",
    ),
    "a layer's nothing": (
        "Whole",
        "None",
        "forward: expected (ys, state, backward), received None (tell its author)",
    ),
    "a layer's list": (
        "Whole",
        "(xs.tolist(), (), backward)",
        "the output: expected float32 of shape (",
    ),
    "no way back": ("Mixed", "((h,), None)", "mix, backward: expected a function, received None"),
    "a layer's width": (
        "Whole",
        "(xs[..., :2].copy(), (), backward)",
        "the output: expected float32 of shape (",
    ),
    "a layer's order": (
        "Whole",
        "(np.asfortranarray(np.repeat(xs, 2, 1))[:, ::2], (), backward)",
        "the output is not C-contiguous (np.ascontiguousarray makes it so)",
    ),
    "a state that nobody declared": (
        "Whole",
        "(xs.copy(), (xs[-1].copy(),), backward)",
        "the state: expected a tuple of 0 arrays, received a tuple of 1 (tell its author)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_every_question_to_a_model_names_the_plugin(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    target, found, said = BROKEN[case]
    spec = spec_with(tmp_path, site, target, found, UNASKED)
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", 3)
    monkeypatch.chdir(tmp_path)
    name = "layer 1.stub, stub of rnnkit-odd 1.0 (rnnkit_odd:"
    for road, options in ROADS.items():
        if (road, target) != ("neurons", "Whole"):  # which has no hidden units to look at
            told(command(road, run, *options), 4, f"[PLUGIN_CONTRACT] {name}{target}): ", said)
    model = load(run)
    for ask in (lambda: model.forward(np.zeros((3, 1), int)), lambda: model.step(0, model.start())):
        with pytest.raises(PluginError, match=re.escape(said)):
            ask()


@pytest.mark.parametrize(
    ("target", "found", "slope", "said"),
    [
        ("Mixed", "None", "", "mix: expected (state, backward), received None (tell its author)"),
        ("Mixed", "0", "None", "backward of mix: expected (dzx, dzh, dstate), received None"),
        (
            "Mixed",
            "0",
            "(dz, None, ())",
            "backward of mix, dzh: expected float32 of shape (3, 4), ",
        ),
        (
            "Stepped",
            "0",
            "(dx, None)",
            "backward of step, dstate: expected a tuple of 1 array, rec",
        ),
        (
            "Stepped",
            "0",
            "dx",
            "backward of step: expected (dx, dstate), received float32 of (3, 4)",
        ),
        (
            "Whole",
            "0",
            "(None, ())",
            "the gradient of the inputs: expected float32 of shape (4, 3, 4), received None",
        ),
        ("Whole", "0", "None", "backward: expected (dxs, dstate), received None (tell its author)"),
    ],
)
def test_a_step_of_training_that_breaks_the_contract_later_names_the_plugin(
    tmp_path: Path, site: Path, target: str, found: str, slope: str, said: str
) -> None:
    when = LATE if not slope else "False"
    spec = spec_with(tmp_path, site, target, found, when, slope)
    ran = command("run", spec, "--out", tmp_path / "run")
    name = f"layer 1.stub, stub of rnnkit-odd 1.0 (rnnkit_odd:{target})"
    told(ran, 4, f"[PLUGIN_CONTRACT] {name}: ", said)
    done("show", tmp_path / "run")


def test_a_layer_inside_another_is_named_where_it_stands(tmp_path: Path, site: Path) -> None:
    path = spec_with(tmp_path, site, "Mixed", "(None, backward)", UNASKED)
    for outer in ("residual", "bidirectional"):
        spec = json.loads(path.read_text())
        spec["model"]["layers"][1] = {"type": outer, "layer": {"type": "stub", "units": 4}}
        spec["data"] = {
            "type": "sequences",
            "path": "tags.jsonl",
            "inputs": {"kind": "tokens", "key": "x"},
            "targets": {"kind": "class", "key": "y", "each": True},
        }
        rows = [{"x": list("abcab"), "y": list("abcab")}, {"x": ["c"], "y": ["c"]}] * 4
        (tmp_path / "tags.jsonl").write_text("\n".join(map(json.dumps, rows)))
        path.write_text(json.dumps(spec))
        run = tmp_path / outer
        done("run", path, "--out", run, "--max-steps", 1)
        layer = f"1.{outer}.{'layer' if outer == 'residual' else 'forward'}"
        told(
            command("predict", run, tmp_path / "tags.jsonl"),
            4,
            f"[PLUGIN_CONTRACT] layer {layer}, stub of rnnkit-odd 1.0 (rnnkit_odd:Mixed): ",
            "mix, the state: expected a tuple of 1 array, received None (tell its author)",
        )


def test_a_class_that_is_not_installed_is_named_by_its_own_name() -> None:
    class Nothing(Layer):
        type: Literal["nothing"] = "nothing"

        def output(self, inputs: Signal) -> Signal:
            return inputs

        def forward(self, params: Params, xs: Array, state: State, ctx: Context) -> Any:
            return None

    with pytest.raises(PluginError) as raised:
        scanned(Nothing(), {}, np.zeros((2, 1, 3), np.float32), (), None, Context())
    name = "test_a_class_that_is_not_installed_is_named_by_its_own_name.<locals>.Nothing"
    said = "forward: expected (ys, state, backward), received None (tell its author)"
    assert str(raised.value) == f"[PLUGIN_CONTRACT] layer, {name}: {said}"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("xs", "run: expected (ys, state), received float32 of (2, 1, 3)"),
        ("(xs, state, None)", "run: expected (ys, state), received a tuple of 3"),
        ("(xs[:1], state)", "the output: expected float32 of shape (2, 1, 3), received float32"),
        ("(xs, [])", "the state: expected a tuple of 0 arrays, received list"),
    ],
)
def test_a_run_that_breaks_the_contract_names_the_plugin(found: str, said: str) -> None:
    class Passing(Layer):
        type: Literal["passing"] = "passing"

        def output(self, inputs: Signal) -> Signal:
            return inputs

        def run(
            self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
        ) -> Any:
            return eval(found)

    with pytest.raises(PluginError, match=re.escape(f"Passing: {said}")):
        run_layer(Passing(), {}, np.zeros((2, 1, 3), np.float32), (), None, Context(path="own"))


LOSS = """
from typing import Literal

import numpy as np

from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy


class Stub(SoftmaxCrossEntropy):
    type: Literal["stub"] = "stub"

    def forward(self, ys, targets, weights, ctx):
        total, weight, backward = super().forward(ys, targets, weights, ctx)
        return {forward}

    def probabilities(self, ys):
        found = super().probabilities(ys)
        return {probabilities}

    def decisions(self, ys, targets):
        chosen, wanted = super().decisions(ys, targets)
        return {decisions}
"""
LOSS_RIGHT = {
    "forward": "total, weight, backward",
    "probabilities": "found",
    "decisions": "chosen, wanted",
}
LOSSES = {
    "no sums": ("eval", "forward", "None", "forward: expected (total, weight, backward), received"),
    "no total": ("eval", "forward", "(None, 1.0, len)", "the total: expected a number, received "),
    "a weight of many": ("eval", "forward", "(0.0, weights, len)", "the weight: expected a numbe"),
    "a list of p": ("sample", "probabilities", "found.tolist()", "probabilities: expected float64"),
    "p of all": (
        "predict",
        "probabilities",
        "found.sum()",
        "probabilities: expected float64 of sh",
    ),
    "one decision": ("eval", "decisions", "chosen", "decisions: expected (chosen, wanted), receiv"),
    "a decision of None": (
        "eval",
        "decisions",
        "(None, wanted)",
        "chosen: expected ids, integers of sh",
    ),
    "fewer steps": ("eval", "decisions", "(chosen, wanted[:1])", "decisions, wanted: expected ids"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_every_question_to_a_loss_names_the_plugin(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    road, method, broken, said = LOSSES[case]
    # The first window of a run has three streams, so that only an evaluation meets this.
    evaluated = f"{broken} if ys.shape[1] == 1 else ({LOSS_RIGHT[method]})"
    wrong = evaluated if method == "forward" else broken
    install(site, LOSS.format(**LOSS_RIGHT | {method: wrong}), group="rnnkit.losses")
    spec = plain_spec(every={"log": 5, "save": 5})
    spec["data"]["split"] = [1, 0, 0]
    spec["evaluate"] = {"streams": 1, "metrics": ["exact_match"]}
    spec["model"]["loss"] = {"type": "stub"}
    monkeypatch.chdir(tmp_path)
    ran = command("run", write_spec(tmp_path, spec), "--out", "run", "--max-steps", 1)
    if ran.code == 0:
        ran = command(road, "run", *ROADS[road])
    told(ran, 4, "[PLUGIN_CONTRACT] loss, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): ", said)


class Started(EquationCell):
    """A cell of two states, which begins with those of another one."""

    type: Literal["started"] = "started"
    gates = ("a",)
    states = ("h", "c")

    arrays: int = 1
    rows: int = 3
    dtype: str = "float32"

    def initial_state(self, inputs: Signal, batch: int, dtype: Any) -> State:
        return tuple(np.zeros((self.rows, self.units), self.dtype) for _ in range(self.arrays))

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> tuple[Any, Any]:
        return tanh(x.a + r.a) * s.c, s.h


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "initial state: expected a tuple of 2 arrays, received a tuple of 1"),
        ({"arrays": 3}, "initial state: expected a tuple of 2 arrays, received a tuple of 3"),
        ({"arrays": 2, "rows": 1}, r"state[0]: expected float32 of shape (3, 5), received float32"),
        ({"arrays": 2, "dtype": "float64"}, r"expected float32 of shape (3, 5), received float64"),
    ],
)
def test_an_initial_state_of_another_form_is_refused(fields: Any, message: str) -> None:
    cell = Started(units=5, **fields)
    network = Network.sized([cell], MSE(), Signal(2), Signal(5))
    with pytest.raises(PluginError, match=re.escape(message)):
        network.initial_states(3, np.dtype(np.float32))


@pytest.mark.parametrize("at", ["the state", "the initial state"])
def test_loops_of_a_cell_write_to_no_states_but_its_own(at: str) -> None:
    cell, signal = Started(units=5, arrays=1), Signal(2)
    params = {name: np.zeros(spec.shape, np.float32) for name, spec in cell.params(signal).items()}
    resets = np.ones((4, 3), bool) if at == "the initial state" else None
    state = tuple(np.zeros((3, 5), np.float32) for _ in range(1 if resets is None else 2))
    xs = np.zeros((4, 3, 2), np.float32)
    with pytest.raises(ValueError, match=f"{at}: expected a tuple of 2, received one of 1"):
        cell.scan(params, xs, state, resets, Context())


def test_a_window_of_two_axes_is_of_ids() -> None:
    assert signal_of(np.zeros((4, 2), np.int32)) == Signal(None, ids=True)
    assert signal_of(np.zeros((4, 2, 3))) == Signal(3)
