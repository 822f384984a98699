"""True truncation: each loss flows back exactly k steps, also over the window's edge."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, lines, newest, plain_spec, results, small_spec, trained
from training_cases import fresh, opened
from window_cases import DROPOUT, STACKS, STREAMS, Case

from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.errors import DivergedError
from rnnkit.network.network import Network
from rnnkit.network.states import States, copied
from rnnkit.network.truncation import History, learn_truncated, sequences_at_once

STEPS = 17
QUIET = {name: stack for name, stack in STACKS.items() if name != "one mask"}
"""The stacks without random numbers, which every target would draw anew."""


def truncated(steps: int) -> Any:
    return lambda *given: learn_truncated(*given, steps)


def after(case: Case, steps: int) -> Case:
    """Put steps without a loss before the window; its first step starts anew."""
    history = History.empty(case.network.inputs, steps, STREAMS)
    case.batch = history.joined(case.batch, first=True)
    return case


def written_out(case: Case, k: int) -> dict[str, Any]:
    """Return the sum of the gradients of each loss alone, over windows that start k steps early."""
    network, values, batch, streams = case.network, case.store.values, case.batch, STREAMS
    case.store.grad.fill(1)
    total, states = 0.0, copied(case.states)
    entering = [states]
    for t in range(len(batch.weights)):
        ctx = Context(train=True, dtype=case.dtype, step=3)
        here = slice(t, t + 1)
        _, states, _ = network.scan(values, batch.inputs[here], states, batch.resets[here], ctx)
        entering.append(copied(states))
    for t in range(k - 1, len(batch.weights)):
        piece = batch.steps(slice(t - k + 1, t + 1))
        alone = piece.weights.copy()
        alone[:-1] = 0
        ctx = Context(train=True, dtype=case.dtype, step=3)
        found = network.learn(
            values, case.store.grads, piece._replace(weights=alone), entering[t - k + 1], ctx
        )
        total += found[0]
    assert streams == batch.resets.shape[1]
    last = entering[len(batch.weights) - (k - 1)]
    return {"total": total, "gradient": case.store.grad.copy(), "states": last}


@pytest.mark.parametrize("k", [1, 2, 5, STEPS])
@pytest.mark.parametrize("stack", QUIET.values(), ids=QUIET)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MSE()], ids=lambda loss: loss.type)
def test_equal_to_each_loss_alone(stack: Any, loss: Any, k: int) -> None:
    case = Case(stack, np.float64, loss, STEPS)
    case.batch.weights[: k - 1] = 0
    wanted, found = written_out(case, k), case.learned(truncated(k))
    assert math.isclose(found["total"], wanted["total"], rel_tol=1e-12)
    np.testing.assert_allclose(found["gradient"], wanted["gradient"], 1e-11, 1e-11)
    for name, state in wanted["states"].items():
        for i, array in enumerate(state):
            np.testing.assert_allclose(found[f"{name}.{i}"], array, 1e-12, 1e-12)


@pytest.mark.parametrize("steps", [STEPS, STEPS + 4])
@pytest.mark.parametrize("stack", QUIET.values(), ids=QUIET)
def test_from_a_reset_with_enough_steps_it_is_the_whole_gradient(stack: Any, steps: int) -> None:
    case = Case(stack, np.float64, steps=STEPS)
    case.batch.resets[0] = True
    wanted = case.learned(Network.learn)
    found = after(case, steps - 1).learned(truncated(steps))
    for name in ("total", "weight", "gradient"):
        np.testing.assert_allclose(found[name], wanted[name], 1e-12, 1e-12, err_msg=name)


def test_fewer_steps_are_another_gradient() -> None:
    case = Case(STACKS["lstm"], np.float64, steps=STEPS)
    case.batch.resets[:] = False
    case.batch.resets[0] = True
    whole, gradients = case.learned(Network.learn)["gradient"], []
    for k in (1, 2, 4, 8, 16):
        own = Case(STACKS["lstm"], np.float64, steps=STEPS)
        own.batch = case.batch
        gradients.append(np.abs(after(own, k - 1).learned(truncated(k))["gradient"] - whole).max())
    assert gradients == sorted(gradients, reverse=True) and gradients[-1] > 1e-9


@pytest.mark.parametrize("dtype", [np.float32])
def test_single_precision_agrees(dtype: Any) -> None:
    double, single = (Case(STACKS["gru"], d, steps=STEPS) for d in (np.float64, dtype))
    double.batch.weights[:3] = single.batch.weights[:3] = 0
    wanted, found = double.learned(truncated(4)), single.learned(truncated(4))
    for name, array in wanted.items():
        assert found[name].dtype == (dtype if array.ndim else np.float64)
        np.testing.assert_allclose(found[name], array, 1e-4, 1e-4, err_msg=name)


def test_targets_that_do_not_count_cost_nothing() -> None:
    case = Case(STACKS["lstm"], np.float64, steps=STEPS)
    case.batch.weights[:-1] = 0
    scans: list[tuple[int, ...]] = []

    def counting(original: Any) -> Any:
        def counted(self: Network, params: Any, xs: Any, *rest: Any) -> Any:
            scans.append(xs.shape[:2])
            return original(self, params, xs, *rest)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for method in ("scan", "forward"):
            patch.setattr(Network, method, counting(getattr(Network, method)))
        case.learned(truncated(4))
    assert scans == [(1, STREAMS)] * (STEPS - 3) + [(4, STREAMS), (1, STREAMS)]


def test_a_window_is_learned_in_about_its_own_memory() -> None:
    assert sequences_at_once(window=35, streams=20, steps=10) == 80
    assert sequences_at_once(window=5, streams=20, steps=10) == 20


def test_the_gradient_is_that_of_the_loss_under_dropout() -> None:
    """With one step nothing is held constant but the states that enter, which come first."""
    stack = DROPOUT[:2] + DROPOUT[-1:]  # no state: the loss is a function of the parameters
    case = Case(stack, np.float64, steps=STEPS)
    gradient = case.learned(truncated(1))["gradient"] - 1
    start, along = case.store.flat.copy(), case.random.normal(size=case.store.flat.size)
    totals = []
    for step in (1e-6, -1e-6):
        case.store.flat[:] = start + step * along
        totals.append(float(case.learned(truncated(1))["total"]))
    assert math.isclose((totals[0] - totals[1]) / 2e-6, float(gradient @ along), rel_tol=1e-6)


def test_every_target_draws_its_own_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, int]] = []
    original = Context.random

    def random(self: Context, *, locked: bool = False, past: int = 0) -> np.random.Generator:
        drawn.append((self.path, self.time))
        return original(self, locked=locked, past=past)

    monkeypatch.setattr(Context, "random", random)
    Case(DROPOUT, np.float32, steps=STEPS).learned(truncated(4))
    assert len(drawn) == len(set(drawn)) > STEPS


def test_what_is_returned_is_no_scratch_memory() -> None:
    case = Case(STACKS["lstm"], np.float32, steps=STEPS)
    ctx = Context(train=True, pool=Pool(fill=math.nan))
    given = case.network, case.store.values, case.store.grads, case.batch, case.states, ctx
    _, _, states = learn_truncated(*given, 4)
    wanted = copied(states)
    ctx.pool.recycle()
    case.learned(truncated(4))
    for name, state in states.items():
        for array, before in zip(state, wanted[name], strict=True):
            assert np.isfinite(array).all() and np.array_equal(array, before)


def test_a_history_joins_and_follows_a_window() -> None:
    case = Case(STACKS["rnn"], np.float64, steps=13)
    history = History.empty(case.network.inputs, 3, STREAMS)
    joined = history.joined(case.batch, first=False)
    assert len(joined.inputs) == 16 and not joined.weights[:3].any()
    assert not joined.resets[:3].any() and not joined.resets[3].all()
    assert history.joined(case.batch, first=True).resets[3].all()
    assert not case.batch.resets[0].all(), "the batch itself is unharmed"
    following = history.after(joined)
    assert np.array_equal(following.inputs, case.batch.inputs[-3:])
    assert np.array_equal(following.resets, case.batch.resets[-3:])
    ids = History.empty(case.network.inputs, 1, 2)
    ids.inputs[:] = 2**24 - 1
    small = Batch(*(a[:, :2] for a in case.batch[:4]), None)
    assert ids.joined(small, first=False).inputs[0, 0] == 2**24 - 1


# Runs.

BY_LINE = {"reset": "document", "separator": "\n"}


def truncation(steps: int) -> dict[str, Any]:
    return {"style": "true", "steps": steps}


def true(steps: int, **train: Any) -> dict[str, Any]:
    return small_spec(bptt=truncation(steps), **train)


def by_one_pass(folder: Path, k: int, windows: int) -> tuple[Any, Any, Any]:
    """Return a training in float64 without an update, its last window, and the whole stream."""
    spec = plain_spec(bptt=truncation(k), clip=None, optimizer=SLOW)
    resolved, source = opened(folder, spec)
    training = fresh(resolved, source)
    batches = list(source.batches("train", resolved.train.layout(), None))[: windows + 1]
    for batch in batches[:-1]:
        training.step(batch)
    whole = batches[-1]._replace(
        **{n: np.concatenate([getattr(b, n) for b in batches]) for n in ("inputs", "resets")}
    )
    return training, batches[-1], whole


SLOW = {"type": "sgd", "lr": 1e-300}
"""So that the weights stay, and the windows before can be run again as they were."""


@pytest.mark.parametrize(("k", "windows"), [(3, 1), (3, 4), (5, 2), (7, 3), (12, 4)])
def test_losses_flow_back_over_the_edge(tmp_path: Path, k: int, windows: int) -> None:
    """The gradient of a window, run as one stream from the data's start by another road."""
    training, last, whole = by_one_pass(tmp_path, k, windows)
    network, values = training.network, training.store.values
    training.step(last)
    weight = last.weights.sum()
    found = training.store.grad.copy()
    training.store.grad.fill(0)
    first, length = len(whole.inputs) - len(last.inputs), len(last.inputs)
    states: States = network.initial_states(3, np.dtype(np.float64))
    entering = []
    for t in range(len(whole.inputs)):
        entering.append(states)
        _, states, _ = network.scan(
            values, whole.inputs[t : t + 1], states, whole.resets[t : t + 1], DOUBLE
        )
    for t in range(length):
        start = max(0, first + t - k + 1)
        here = slice(start, first + t + 1)
        ys, _, backward = network.scan(
            values, whole.inputs[here], entering[start], whole.resets[here], DOUBLE
        )
        _, _, slope = network.loss.forward(
            ys[-1:], last.targets[t : t + 1], last.weights[t : t + 1], DOUBLE
        )
        dys = np.zeros_like(ys)
        dys[-1:] = slope()
        zeros = {n: tuple(np.zeros_like(a) for a in s) for n, s in states.items()}
        backward(dys, zeros, training.store.grads)
    np.testing.assert_allclose(found, training.store.grad / weight, 1e-11, 1e-13)


DOUBLE = Context(dtype=np.dtype(np.float64))


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("state", [{"reset": "epoch"}, {"reset": "never"}, BY_LINE])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, k: int, state: Any) -> None:
    whole = trained(tmp_path / "whole", true(k, state=state))
    names = {n for n in newest(whole).arrays if n.startswith("history/")}
    assert names == ({"history/inputs", "history/resets"} if k > 1 else set())
    for step in (1, 6, 13):
        run = trained(tmp_path / str(step), true(k, state=state), "--max-steps", step)
        done("resume", run)
        assert results(run) == results(whole)


@pytest.mark.parametrize("name", ["history/inputs", "history/resets"])
def test_the_history_matters(tmp_path: Path, name: str) -> None:
    from helpers import differs, rewritten

    spec = true(6, state=BY_LINE)
    whole = trained(tmp_path / "whole", spec)
    half = trained(tmp_path / "half", spec, "--max-steps", 7)

    def without(snapshot: Any) -> Any:
        arrays = dict(snapshot.arrays)
        assert arrays[name].any()
        arrays[name] = np.zeros_like(arrays[name])
        return type(snapshot)(snapshot.meta, arrays, snapshot.vocabulary)

    assert not differs(rewritten(half, tmp_path / "same", lambda s: s), whole)
    assert differs(rewritten(half, tmp_path / "other", without), whole)


def test_a_model_of_such_a_run_samples(tmp_path: Path) -> None:
    run = trained(tmp_path, true(3))
    assert done("sample", run, "--length", 5, "--prompt", "a").out


def test_a_resume_may_not_change_it(tmp_path: Path) -> None:
    run = trained(tmp_path, true(3), "--max-steps", 3)
    ran = command("resume", run, "-s", "train.bptt.steps=4")
    assert ran.code == 8
    assert (
        "train.bptt.steps: 3 -> 4 cannot change on a resume: the hidden state was saved so many "
        "steps before the window (start a new run)"
    ) in " ".join(ran.err.split())


def test_training_learns_with_it(tmp_path: Path) -> None:
    adam = {"type": "adam", "lr": 0.02}
    run = trained(tmp_path, plain_spec(epochs=8, optimizer=adam, bptt=truncation(3)))
    losses = [line["train_loss"] for line in lines(run)]
    assert losses[-1] < losses[0] - 0.2


def test_a_divergence_is_named(tmp_path: Path) -> None:
    spec = plain_spec(bptt=truncation(3))
    resolved, source = opened(tmp_path, spec)
    training = fresh(resolved, source, np.float32)
    training.store.values["1.rnn"]["Wx"][...] = math.inf
    batch = next(source.batches("train", resolved.train.layout(), None))
    message = "parameter Wx of layer 1.rnn is not finite"
    with np.errstate(invalid="ignore"), pytest.raises(DivergedError, match=message):
        training.step(batch)


@pytest.mark.parametrize("first", [True, False])
def test_what_stands_before_a_window_has_no_weight_and_carries_data(first: bool) -> None:
    before = History(np.array([[7.0], [8.0]], np.float32), np.array([[1.0], [0.0]], np.float32))
    ids, on = np.array([[1], [2], [3]]), np.array([[False], [True], [True]])
    batch = Batch(ids, ids + 1, np.ones((3, 1), np.float32), np.zeros((3, 1), bool), 0, valid=on)
    found = before.joined(batch, first)
    assert found.valid is not None
    assert found.inputs[:, 0].tolist() == [7, 8, 1, 2, 3]
    assert found.targets[:, 0].tolist() == [0, 0, 2, 3, 4]
    assert found.weights[:, 0].tolist() == [0, 0, 1, 1, 1]
    assert found.resets[:, 0].tolist() == [True, False, first, False, False]
    assert found.valid[:, 0].tolist() == [True, True, False, True, True]
    assert not batch.resets.any()
    assert before.after(found).inputs[:, 0].tolist() == [2, 3]
