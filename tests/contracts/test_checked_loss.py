"""What a loss of a plugin gives is looked at in every window, and what it is given stays."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from helpers import command, plain_spec, told, trained
from helpers import write_spec as write
from stubs import install

from rnnkit.contracts.loss import Loss, decided, metrics_of, summed
from rnnkit.core.context import Context
from rnnkit.errors import PluginError
from rnnkit.types import Array

YS = np.zeros((4, 3, 5), np.float32)
TARGETS = np.ones((4, 3), np.int32)
WEIGHTS = np.ones((4, 3), np.float32)


class Odd(Loss):
    """Gives what a test says."""

    type: Literal["odd"] = "odd"
    gives: ClassVar[Callable[..., Any]]

    def forward(self, ys: Array, targets: Array, weights: Array, ctx: Context) -> Any:
        return type(self).gives(ys, targets, weights, ctx)

    def decisions(self, ys: Array, targets: Array, *window: Array | None) -> Any:
        return type(self).gives(ys, targets, *window)

    def metrics(self, mean: float, unit: str) -> Any:
        return type(self).gives(mean)


def odd(gives: Callable[..., Any]) -> Odd:
    Odd.gives = staticmethod(gives)
    return Odd()


SUMS = [
    (lambda *_: (True, 1.0, lambda: YS), "the total: expected a number, received bool"),
    (lambda *_: (1.0, math.nan, lambda: YS), "the weight: expected a finite number not below 0, r"),
    (
        lambda *_: (1.0, -1, lambda: YS),
        "the weight: expected a finite number not below 0, received",
    ),
    (lambda *_: (1.0, math.inf, lambda: YS), "the weight: expected a finite number not below 0, r"),
    (
        lambda *_: (1.0, 1.0, YS),
        "forward, backward: expected a function, received float32 of (4, 3, 5)",
    ),
]


@pytest.mark.parametrize(("gives", "said"), SUMS)
def test_sums_that_are_no_numbers_are_refused(gives: Callable[..., Any], said: str) -> None:
    with pytest.raises(PluginError, match=re.escape(f"loss, Odd: {said}")):
        summed(odd(gives), YS, TARGETS, WEIGHTS, Context())


@pytest.mark.parametrize(
    ("total", "wanted"),
    [(np.float16(0.5), 0.5), (np.longdouble(2), 2.0), (3, 3.0), (10**400, math.inf)],
)
def test_a_number_of_another_type_is_one_of_python(total: Any, wanted: float) -> None:
    sums = odd(lambda *_: (total, 1, lambda: YS))
    found = summed(sums, YS, TARGETS, WEIGHTS, Context())[0]
    assert type(found) is float and found == wanted


@pytest.mark.parametrize("at", range(3))
def test_a_loss_cannot_write_into_what_it_is_given(at: int) -> None:
    def writes(*given: Any) -> Any:
        given[at][...] = 0

    with pytest.raises(ValueError, match="read-only"):
        summed(odd(writes), YS, TARGETS, WEIGHTS, Context())
    with pytest.raises(ValueError, match="read-only"):
        decided(odd(writes), YS, TARGETS, WEIGHTS)
    assert YS.flags.writeable and TARGETS.flags.writeable and WEIGHTS.flags.writeable


@pytest.mark.parametrize("name", ["resets", "valid"])
def test_a_loss_cannot_write_into_what_it_is_told_of_the_window(name: str) -> None:
    ctx = Context(resets=np.zeros((4, 3), bool), valid=np.ones((4, 3), bool))
    with pytest.raises(ValueError, match="read-only"):
        summed(odd(lambda *given: getattr(given[3], name).fill(1)), YS, TARGETS, WEIGHTS, ctx)


DECISIONS = [
    (
        lambda *_: (WEIGHTS, TARGETS),
        "decisions, chosen: expected ids, integers of shape (4, 3), or",
    ),
    (
        lambda *_: (TARGETS, TARGETS == 1),
        "decisions, wanted: expected ids, integers of shape (4, 3)",
    ),
    (lambda *_: (TARGETS.astype(str), TARGETS), "decisions, chosen: expected ids, integers of sha"),
    (
        lambda *_: (TARGETS[..., None], TARGETS),
        "decisions: expected two of one shape, received int32 of (4, 3, 1) and int32 of (4, 3)",
    ),
    (
        lambda *_: (YS > 0, YS[..., :1] > 0),
        "decisions: expected two of one shape, received bool of (4, 3, 5) and bool of (4, 3, 1)",
    ),
]


@pytest.mark.parametrize(("gives", "said"), DECISIONS)
def test_decisions_that_cannot_be_compared_are_refused(
    gives: Callable[..., Any], said: str
) -> None:
    with pytest.raises(PluginError, match=re.escape(said)):
        decided(odd(gives), YS, TARGETS)


@pytest.mark.parametrize(
    "given",
    [None, {}, {"x": 1.0}, {"loss": "1"}, {"loss": 1.0, 3: 1.0}, {"loss": True}, [("loss", 1.0)]],
)
def test_metrics_are_numbers_by_name(given: Any) -> None:
    said = 'metrics: expected a dict of numbers by name, of which "loss" is the first, received '
    with pytest.raises(PluginError, match=re.escape(f"{said}{given!r}")):
        metrics_of(odd(lambda mean: given), 0.0, "word")


def test_a_metric_of_numpy_is_a_number_of_python() -> None:
    found = metrics_of(odd(lambda mean: {"loss": np.float32(mean), "more": 10**400}), 0.5, "word")
    assert found == {"loss": 0.5, "more": math.inf} and type(found["loss"]) is float


LOSS = """
from typing import Literal
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy

CALLS = []


class Stub(SoftmaxCrossEntropy):
    type: Literal["stub"] = "stub"

    def model_post_init(self, context):
        {made}

    def forward(self, ys, targets, weights, ctx):
        total, weight, backward = super().forward(ys, targets, weights, ctx)
        CALLS.append(len(ys))
        if len(CALLS) > {good}:
            {body}
        return total, weight, backward
"""


def loss_spec() -> dict[str, Any]:
    value = plain_spec()
    value["model"]["loss"] = {"type": "stub"}
    return value


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "total = float('nan')",
            "[NUM_NONFINITE_LOSS] step 2: the loss stub, of finite outputs, is",
        ),
        (
            "return total, weight, lambda: backward() * float('nan')",
            "[NUM_NONFINITE_GRAD] step 2: the gradient of the loss stub, of finite outputs, is not",
        ),
    ],
)
def test_a_loss_that_is_not_finite_is_named_where_the_outputs_are(
    tmp_path: Path, site: Path, body: str, what: str
) -> None:
    install(site, LOSS.format(body=body, good=8, made="pass"), group="rnnkit.losses")
    told(command("run", write(tmp_path, loss_spec()), "--out", tmp_path / "run"), 7, what)


def test_an_evaluation_names_the_loss_too(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import os; total = float(os.environ.get('TOTAL', total))"
    install(site, LOSS.format(body=body, good=0, made="pass"), group="rnnkit.losses")
    run = trained(tmp_path, loss_spec(), "-s", "train.epochs=1")
    monkeypatch.setenv("TOTAL", "nan")
    told(
        command("eval", run),
        7,
        "[NUM_NONFINITE_LOSS] steps 1 to 4 of the valid split: the loss stub, of finite outputs, "
        "is not finite\n",
    )


def test_a_spec_that_no_checkpoint_could_give_back_is_not_trained(
    tmp_path: Path, site: Path
) -> None:
    made = "object.__setattr__(self, 'reduction', 'none')"
    install(site, LOSS.format(body="pass", good=0, made=made), group="rnnkit.losses")
    told(
        command("run", write(tmp_path, loss_spec()), "--out", tmp_path / "run"),
        4,
        "[PLUGIN_CONTRACT] stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): no checkpoint could be read "
        "again: meta.spec.model.stack.loss.reduction: ",
    )
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_fitted_to_something_else_is_refused(tmp_path: Path, site: Path) -> None:
    module = LOSS.format(body="pass", good=0, made="pass")
    install(site, f"{module}\n    def fitted(self, meaning): ...\n", group="rnnkit.losses")
    ran = command("check", write(tmp_path, loss_spec()), "--data")
    told(ran, 4, "rnnkit_odd:Stub): fitted: expected a Loss, received None (tell its author)")


def test_what_ends_the_commands_of_a_plugin_ends_no_run(tmp_path: Path, site: Path) -> None:
    body = "import click; raise click.Abort"
    install(site, LOSS.format(body=body, good=8, made="pass"), group="rnnkit.losses")
    ran = command("run", write(tmp_path, loss_spec()), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_FAILED] Abort, in line 18 of rnnkit_odd, rnnkit-odd 1.0 (tell its author")


@pytest.mark.parametrize("given", [{}, {"valid": WEIGHTS > 0}, {"resets": WEIGHTS > 2}])
def test_a_loss_is_told_of_a_window_what_there_is(given: dict[str, Array]) -> None:
    seen: list[Context] = []

    def gives(ys: Array, targets: Array, weights: Array, ctx: Context) -> Any:
        seen.append(ctx)
        return 1.0, 2.0, lambda: ys

    total, weight, _ = summed(odd(gives), YS, TARGETS, WEIGHTS, Context(**given))
    assert (total, weight) == (1, 2)
    for name in ("resets", "valid"):
        found = getattr(seen[0], name)
        if name in given:
            assert np.array_equal(found, given[name]) and not found.flags.writeable
        else:
            assert found is None
