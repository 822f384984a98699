"""Schedules: values at named moments, PyTorch's schedulers, and states that survive JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest

from rnnkit.builtin.schedules.constant import ConstantRate
from rnnkit.builtin.schedules.cosine import Cosine
from rnnkit.builtin.schedules.exponential import Exponential
from rnnkit.builtin.schedules.stall import Stall
from rnnkit.builtin.schedules.step import StepDecay
from rnnkit.contracts.schedule import Moment, Schedule

STEPS_AN_EPOCH, EPOCHS = 8, 30


def at(step: int) -> Moment:
    return Moment(step, step / STEPS_AN_EPOCH, STEPS_AN_EPOCH * EPOCHS, EPOCHS)


def at_epoch(epoch: float) -> Moment:
    return at(round(epoch * STEPS_AN_EPOCH))


def test_constant_is_one() -> None:
    assert ConstantRate().start() is None
    assert [ConstantRate().factor(at(step), None) for step in (0, 7, 200)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("epoch", "factor"), [(0, 1), (2.875, 1), (3, 0.5), (5.5, 0.5), (6, 0.25), (9, 0.125)]
)
def test_step_falls_in_stairs_of_epochs(epoch: float, factor: float) -> None:
    assert StepDecay(multiply=0.5, every=3).factor(at_epoch(epoch), None) == factor


def test_step_can_count_steps() -> None:
    schedule = StepDecay(multiply=0.1, every=10, per="step")
    found = [schedule.factor(at(step), None) for step in (0, 9, 10, 19, 20)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_exponential_follows_the_medium_model_of_zaremba() -> None:
    schedule = Exponential(multiply=1 / 1.2, after=6)
    found = [schedule.factor(at_epoch(epoch), None) for epoch in (0, 5.875, 6, 6.5, 7, 38)]
    # max(i + 1 - 6, 0) for epoch i in the original code.
    assert found == pytest.approx([1, 1, 1.2**-1, 1.2**-1, 1.2**-2, 1.2**-33])


def test_exponential_can_count_steps_and_vanish() -> None:
    schedule = Exponential(multiply=0.5, per="step")
    assert [schedule.factor(at(step), None) for step in (0, 1, 2)] == [1, 0.5, 0.25]
    assert schedule.factor(Moment(10**6, 1, 10**6, 1), None) == 0


def test_cosine_warms_up_falls_and_stays() -> None:
    schedule = Cosine(warmup=4, minimum=0.1, length=24)
    found = [schedule.factor(at(step), None) for step in (0, 1, 3, 4, 14, 24, 100)]
    assert found == pytest.approx([0.25, 0.5, 1, 1, 0.55, 0.1, 0.1])


def test_cosine_spans_the_run_by_default() -> None:
    steps = STEPS_AN_EPOCH * EPOCHS
    found = [Cosine().factor(at(step), None) for step in (0, steps // 2, steps)]
    assert found == pytest.approx([1, 0.5, 0])
    longer_than_the_run = Cosine(warmup=2 * steps)
    assert longer_than_the_run.factor(at(steps), None) == pytest.approx(0.5, abs=0.01)


def factors(schedule: Schedule, losses: Iterable[float]) -> list[float]:
    """Return the factor after each evaluation, the state going through JSON every time."""
    state, found = schedule.start(), []
    for loss in losses:
        before = json.dumps(state, allow_nan=False)
        after = schedule.observe(loss, state)
        assert json.dumps(state, allow_nan=False) == before
        state = json.loads(json.dumps(after, allow_nan=False))
        found.append(schedule.factor(at(0), state))
    return found


def test_stall_divides_by_four_whenever_there_is_no_improvement() -> None:
    losses = [5.0, 4.5, 4.6, 4.4, 4.4, 4.3]
    assert factors(Stall(), losses) == [1, 1, 0.25, 0.25, 0.0625, 0.0625]


def test_stall_counts_evaluations_in_a_row() -> None:
    losses = [5.0, 5.1, 4.9, 5.0, 5.0, 5.0, 5.0]
    assert factors(Stall(multiply=0.5, patience=2), losses) == [1, 1, 1, 1, 0.5, 0.5, 0.25]


def test_stall_asks_for_more_than_the_threshold() -> None:
    assert factors(Stall(threshold=0.5), [5.0, 4.5, 4.25]) == [1, 0.25, 0.25]


def test_a_loss_that_is_not_finite_is_no_improvement() -> None:
    losses = [math.nan, math.inf, 5.0, -math.inf, 4.0]
    assert factors(Stall(multiply=0.5), losses) == [0.5, 0.25, 0.25, 0.125, 0.125]


@pytest.mark.parametrize("patience", [1, 2, 4])
@pytest.mark.parametrize("threshold", [0.0, 0.02])
def test_stall_equals_pytorch(patience: int, threshold: float) -> None:
    optimizer, schedulers = pytorch()
    peer = schedulers.ReduceLROnPlateau(
        optimizer,
        factor=0.5,
        patience=patience - 1,
        threshold=threshold,
        threshold_mode="abs",
        eps=0,
    )
    losses = [4 + math.cos(k / 3) / (1 + k / 10) for k in range(60)]
    expected = []
    for loss in losses:
        peer.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
    schedule = Stall(multiply=0.5, patience=patience, threshold=threshold)
    assert factors(schedule, losses) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("schedule", "name", "options"),
    [
        (StepDecay(multiply=0.3, every=4, per="step"), "StepLR", {"step_size": 4, "gamma": 0.3}),
        (Exponential(multiply=0.9, per="step"), "ExponentialLR", {"gamma": 0.9}),
        (Cosine(length=25, minimum=0.1), "CosineAnnealingLR", {"T_max": 25, "eta_min": 0.1}),
    ],
)
def test_schedules_equal_pytorch(schedule: Schedule, name: str, options: dict[str, Any]) -> None:
    optimizer, schedulers = pytorch()
    peer = getattr(schedulers, name)(optimizer, **options)
    for step in range(25):
        expected = optimizer.param_groups[0]["lr"]
        assert schedule.factor(at(step), schedule.start()) == pytest.approx(expected, rel=1e-9)
        optimizer.step()
        peer.step()


def pytorch() -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return optimizer, torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (StepDecay, {"multiply": 0.0, "every": 1}, "greater than 0"),
        (StepDecay, {"multiply": 0.5, "every": 0}, "greater than or equal to 1"),
        (StepDecay, {"multiply": 0.5, "every": 1, "per": "hour"}, "'step' or 'epoch'"),
        (Exponential, {"multiply": 1.5}, "less than or equal to 1"),
        (Cosine, {"warmup": 5, "length": 5}, '"warmup" must be less than "length"'),
        (Stall, {"multiply": 1.0}, "less than 1"),
        (Stall, {"patience": 0}, "greater than or equal to 1"),
    ],
)
def test_options_are_bounded(cls: type[Schedule], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**options)
