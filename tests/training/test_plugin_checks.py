"""Plugins of every kind are tried on the first window, and named where they break a contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers import command, done, newest, plain_spec, steps_kept, told, trained
from helpers import write_spec as write
from stubs import cell, dataset, install, layer
from training_cases import fresh, opened

from rnnkit.builtin.layers.affine import Affine
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block
from rnnkit.core.context import Context
from rnnkit.core.installed import Plugin
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.network.visit import Visit
from rnnkit.training.plugin_checks import try_plugins
from rnnkit.training.plugin_checks.trials import of_layer
from rnnkit.types import Array, Backward, Params, State

LOSS = """
from typing import Literal
import numpy as np
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy


class Stub(SoftmaxCrossEntropy):
    type: Literal["stub"] = "stub"

    def forward(self, ys, targets, weights, ctx):
        total, weight, backward = super().forward(ys, targets, weights, ctx)
        {body}
"""
OPTIMIZER = """
import math
from typing import ClassVar, Literal
import numpy as np
from rnnkit import Optimizer


class Stub(Optimizer):
    type: Literal["stub"] = "stub"
    slots: ClassVar[tuple[str, ...]] = ({slots})

    def update(self, step, lr, params, grads, slots, decayed):
        {body}
"""
SCHEDULE = """
import math
from typing import Literal
import numpy as np
from rnnkit import Schedule


class Stub(Schedule):
    type: Literal["stub"] = "stub"

    def start(self):
        return {state}

    def factor(self, moment, state):
        return {factor}
"""


def spec_of(group: str) -> dict[str, Any]:
    value = plain_spec()
    if group == "losses":
        value["model"]["loss"] = {"type": "stub"}
    elif group == "optimizers":
        value["train"]["optimizer"] = {"type": "stub", "lr": 0.1}
    elif group == "schedules":
        value["train"]["schedule"] = {"type": "stub"}
    elif group == "datasets":
        value["data"]["type"] = "stub"
    else:
        value["model"]["layers"][1] = {"type": "stub", "units": 5}
    return value


BROKEN = {
    "the loss has no backward": (
        "losses",
        LOSS.format(body="return total, weight"),
        "loss, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): ValueError: not enough values",
    ),
    "the loss is an array": (
        "losses",
        LOSS.format(body="return np.ones(2), weight, backward"),
        "the total: expected a finite number, received array([1., 1.])",
    ),
    "the gradient has another shape": (
        "losses",
        LOSS.format(body="return total, weight, lambda: backward()[:1]"),
        "the gradient of the outputs: expected float32 of shape (4, 3, ",
    ),
    "the optimizer binds another array": (
        "optimizers",
        OPTIMIZER.format(slots="", body="params = params - lr * grads"),
        "update left the parameters as they were (write into them: params -= ...)",
    ),
    "a slot that is not declared": (
        "optimizers",
        OPTIMIZER.format(slots="", body="slots['m'] += grads"),
        "optimizer, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): KeyError: 'm'",
    ),
    "a slot that cannot be stored": (
        "optimizers",
        OPTIMIZER.format(slots="'first moment',", body="params -= grads"),
        "slots has the name 'first moment', which no checkpoint can hold (1 to 128 of the letters",
    ),
    "the parameters become NaN": (
        "optimizers",
        OPTIMIZER.format(slots="", body="params /= 0 * grads"),
        "the parameters holds NaN or infinity",
    ),
    "a factor that is no number": (
        "schedules",
        SCHEDULE.format(state="None", factor="None"),
        "factor(): expected a finite number not below 0, received None",
    ),
    "a factor below 0": (
        "schedules",
        SCHEDULE.format(state="None", factor="-1.0"),
        "factor(): expected a finite number not below 0, received -1.0",
    ),
    "a state that JSON changes": (
        "schedules",
        SCHEDULE.format(state="{'best': math.inf}", factor="1.0"),
        "start(): expected what JSON can write and read back as it was (plain numbers, text, "
        "lists, objects), received {'best': inf}",
    ),
    "a cursor of NumPy": (
        "datasets",
        dataset(body="yield batch._replace(next_cursor=np.int64(3))"),
        "next_cursor: expected what JSON can write and read back",
    ),
    "ids outside": (
        "datasets",
        dataset(body="yield batch._replace(inputs=batch.inputs + 1000)"),
        "inputs: expected ids from 0 to 5, received 1000 to 1005",
    ),
    "ids as floats": (
        "datasets",
        dataset(body="yield batch._replace(inputs=batch.inputs * 1.0)"),
        "inputs: expected ids, integers of shape (T, B), received float64 of (4, 3)",
    ),
    "a parameter that cannot be stored": (
        "layers",
        cell().replace(
            "    def mix(",
            "    def extra(self, inputs):\n"
            "        from rnnkit import ParamSpec, Zeros\n"
            "        return {'\u03b2': ParamSpec((3,), Zeros())}\n\n    def mix(",
        ),
        "params() has the name '\u03b2', which no checkpoint can hold",
    ),
    "a gradient that would broadcast": (
        "layers",
        cell().replace("return dz, dz, ", "return dz[:, :1], dz, "),
        "backward of mix, dzx: expected float32 of shape (3, 5), received float32 of (3, 1) (tell",
    ),
    "a parameter that is written over": (
        "layers",
        cell(forward="params['b'][...] = 1"),
        "Stub.mix changed its parameters: b (tell its author",
    ),
    "a parameter that is written over outside training": (
        "layers",
        cell(forward="params['b'][...] += not ctx.train"),
        "Stub.mix, outside training, changed its parameters: b (tell its author",
    ),
    "outputs that are written over": (
        "losses",
        LOSS.format(body="ys += 1; return total, weight, backward"),
        "Stub.forward changed the outputs (tell its author)",
    ),
    "weights that are written over": (
        "losses",
        LOSS.format(body="weights *= 2; return total, weight, backward"),
        "Stub.forward changed the weights (tell its author)",
    ),
    "targets that backward writes over": (
        "losses",
        LOSS.format(body="return total, weight, lambda: (np.copyto(targets, 0), backward())[1]"),
        "backward changed the targets (tell its author)",
    ),
}


@pytest.mark.parametrize(("group", "module", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_before_the_first_step(
    tmp_path: Path, site: Path, group: str, module: str, said: str
) -> None:
    install(site, module, group=f"rnnkit.{group}")
    ran = command("run", write(tmp_path, spec_of(group)), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_CONTRACT] ")
    assert "stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): " in ran.err
    assert said in ran.err
    assert not (tmp_path / "run").exists()


def test_what_writes_inside_a_wrapper_of_ours_is_named(tmp_path: Path, site: Path) -> None:
    install(site, cell(forward="params['Wh'] *= 0.5"))
    value = spec_of("layers")
    value["model"]["layers"][1] = {"type": "residual", "layer": {"type": "stub", "units": 4}}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_CONTRACT] layer 1.residual, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): ")
    told(ran, 4, "Stub.mix changed its parameters: layer.Wh (tell its author")


def test_a_buffer_for_each_shape_is_named_in_a_longer_window_too(
    tmp_path: Path, site: Path
) -> None:
    body = (
        "kept = self.KEPT.setdefault(xs.shape, np.empty_like(xs))\n"
        "np.multiply(xs, 2, out=kept)\n"
        "return kept, (), lambda dys, dstate, grads: (2 * dys, ())"
    )
    kept = "    KEPT: ClassVar[dict] = {}\n\n    def output("
    module = layer(body).replace("import Literal", "import ClassVar, Literal")
    install(site, module.replace("    def output(", kept))
    value = plain_spec(window=12)
    value["model"]["layers"][1] = {"type": "stub"}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    said = "layer 1.stub, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): another window changed the out"
    told(ran, 4, f"[PLUGIN_CONTRACT] {said}")


GOOD = {
    "losses": LOSS.format(body="return np.float32(total), weight, backward"),
    "optimizers": OPTIMIZER.format(
        slots="'m',", body="slots['m'] += grads; params -= lr * slots['m']"
    ),
    "schedules": SCHEDULE.format(state="[1, None]", factor="np.float32(0.5)"),
    "datasets": dataset(body="yield batch"),
}


@pytest.mark.parametrize("group", GOOD)
def test_a_plugin_that_keeps_its_contract_trains_and_goes_on(
    tmp_path: Path, site: Path, group: str
) -> None:
    install(site, GOOD[group], group=f"rnnkit.{group}")
    run = tmp_path / "run"
    began = command("run", write(tmp_path, spec_of(group)), "--out", run, "--max-steps", 2)
    assert began.code == 0, began.err
    resumed = command("resume", run, "--max-steps", 4)
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "inputs=batch.inputs.T, targets=batch.targets.T",
            "inputs (3, 4), targets (3, 4), ",
        ),
        ("resets=batch.resets[:1]", "resets (1, 3): expected (T, 3) of each, and one T"),
        ("weights=batch.weights[:, :2]", "weights (4, 2), resets (4, 3): expected (T, 3) of each"),
    ],
)
def test_a_window_of_another_shape_is_refused(
    tmp_path: Path, site: Path, body: str, said: str
) -> None:
    install(site, dataset(body=f"yield batch._replace({body})"), group="rnnkit.datasets")
    ran = command("run", write(tmp_path, spec_of("datasets")), "--out", tmp_path / "run")
    told(ran, 5, "[DATA_BATCH] a window of the dataset has inputs (")
    assert said in ran.err


def test_a_dataset_without_windows_is_refused(tmp_path: Path, site: Path) -> None:
    module = dataset(body="if layout is None: yield batch")
    install(site, module, group="rnnkit.datasets")
    ran = command("run", write(tmp_path, spec_of("datasets")), "--out", tmp_path / "run")
    told(ran, 5, "[DATA_WINDOWS] the data gave none of the ")


@pytest.mark.parametrize("bad", ["math.nan", "None", "'1'", "np.ones(3)"])
def test_a_factor_that_turns_bad_later_is_refused(tmp_path: Path, site: Path, bad: str) -> None:
    factor = f"{bad} if moment.step else 1.0"
    install(site, SCHEDULE.format(state="None", factor=factor), group="rnnkit.schedules")
    ran = command("run", write(tmp_path, spec_of("schedules")), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_CONTRACT] schedule stub, step 2: expected a finite factor not below 0, ")


@pytest.mark.parametrize("state", ["{1}", "math.nan", "{1: 2}", "10**5000", "'\\ud800'"])
def test_a_state_of_a_schedule_that_json_changes_is_not_saved(
    tmp_path: Path, site: Path, state: str
) -> None:
    observe = (
        f"\n    def observe(self, value, state):\n        return {state} if value > 1.1 else 0\n"
    )
    module = SCHEDULE.format(state="0", factor="1.0") + observe
    install(site, module, group="rnnkit.schedules")
    ran = command("run", write(tmp_path, spec_of("schedules")), "--out", tmp_path / "run")
    told(
        ran,
        4,
        "[PLUGIN_CONTRACT] after step 5 the schedule of stub of rnnkit-odd 1.0 (rnnkit_odd:Stub) "
        "is not what JSON can write and read back as it was; nothing was saved (tell its author)",
    )


def test_a_list_is_a_state_of_a_schedule(tmp_path: Path, site: Path) -> None:
    module = SCHEDULE.format(state="[1, [2.5]]", factor="state[1][0]")
    install(site, module, group="rnnkit.schedules")
    run = trained(tmp_path, spec_of("schedules"), "--max-steps", 2)
    done("resume", run, "--max-steps", 4)
    assert steps_kept(run) == [2, 4] and newest(run).meta.progress.schedule == [1, [2.5]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("version: int = 2", "has the field 'version', which hides what a base class calls so"),
        ("gates: int = 2", "has the field 'gates', which hides what a base class calls so"),
        (
            "def reading(self, inputs): ...",
            "has reading(), which is no longer asked (write resolve())",
        ),
        ("def sized(self, target): ...", "has sized(), which is no longer asked (write resolve())"),
        (
            "def attending(self, memory): ...",
            "has attending(), which is no longer asked (write res",
        ),
        ("version: ClassVar = '2.0'", "has the version '2.0', no whole number from 1"),
        ("type: str", 'declares no type (type: Literal["stub"] = "stub")'),
    ],
)
def test_a_class_that_hides_its_contract_is_refused(
    tmp_path: Path, site: Path, line: str, said: str
) -> None:
    own = '    type: Literal["stub"] = "stub"\n'
    keep = "" if line.startswith("type") else own
    install(site, cell().replace(own, f"{keep}    {line}\n"))
    ran = command("check", write(tmp_path, spec_of("layers")))
    told(ran, 4, "[PLUGIN_API] ")
    assert said in ran.err


def test_a_loss_that_still_counts_is_refused(tmp_path: Path, site: Path) -> None:
    module = LOSS.format(body="return total, weight, backward")
    install(
        site, module + "\n    def counts(self, ys, targets, weights): ...\n", group="rnnkit.losses"
    )
    ran = command("check", write(tmp_path, spec_of("losses")))
    told(ran, 4, "[PLUGIN_API] ")
    assert "has counts(), which is no longer asked (write decisions()) (tell its author)" in ran.err


@pytest.mark.parametrize(
    ("foreign", "run"),
    [
        (None, []),
        ("sgd", []),
        ("text", []),
        ("rnn", ["embedding", "rnn"]),
        ("softmax_cross_entropy", ["embedding", "rnn", "affine"]),
    ],
)
def test_no_layer_is_run_above_the_last_part_of_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: str | None, run: list[str]
) -> None:
    class Odd(Registry):
        def foreign(self, block: Block) -> Plugin | None:
            group, name = block.entry_group, block.type
            return Plugin(group, name, "odd", "1.0", "odd:It") if name == foreign else None

    visits = Network.visits
    seen: list[Visit] = []

    def counted(*given: Any) -> Any:
        for visit in visits(*given):
            seen.append(visit)
            yield visit

    monkeypatch.setattr(Network, "visits", counted)
    spec, source = opened(tmp_path, plain_spec())
    training = fresh(spec, source, np.float32)
    batch = next(source.batches("train", spec.train.layout(), None))
    params = training.store.values
    try_plugins(training.spec, training.network, Odd(), params, training.windows, batch)
    assert [visit.layer.type for visit in seen] == run
    assert all(visit.found for visit in seen)


class Noted(Affine):
    """A product that notes which steps it is told to carry data."""

    notes: ClassVar[list[Array | None]] = []

    def forward(
        self, params: Params, xs: Array, state: State, ctx: Context
    ) -> tuple[Array, State, Backward]:
        self.notes.append(ctx.valid)
        return super().forward(params, xs, state, ctx)


class Reader(Noted):
    """The same, of which the steps are those of a source."""

    reads_memory: ClassVar[bool] = True


@pytest.mark.parametrize(("kind", "told"), [(Noted, False), (Reader, True)])
def test_further_steps_are_not_those_of_the_window(
    kind: type[Noted], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Noted, "notes", [])
    valid, params = np.ones((12, 2), bool), {"W": np.ones((3, 2), np.float32)}
    ctx = Context(train=True, step=1, valid=valid)
    layer, xs = kind(units=2, bias=False), np.ones((12, 2, 3), np.float32)
    visit = Visit("noted", layer, params, xs, (), None, ctx)
    findings = [*of_layer(visit, Signal(3))]
    assert findings and not any(finding.problem() for finding in findings)
    assert kind.notes[0] is valid and len(kind.notes) > 2
    assert all((each is valid) is told for each in kind.notes[1:])
