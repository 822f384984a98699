"""Training against an implementation of its own, and the order in which a run does things."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import (
    JSONObject,
    command,
    copy,
    done,
    lines,
    newest,
    plain_spec,
    results,
    small_spec,
    steps_kept,
    text,
    trained,
    write_spec,
)
from training_cases import NAMES, Params, fresh, opened, plain_gradient

from rnnkit.checkpoint.progress import BestEvaluation, Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.core.context import Context
from rnnkit.inference.evaluate import Measured, evaluate
from rnnkit.inference.model import load
from rnnkit.network.states import zero_states
from rnnkit.spec.model import Clip, Spec
from rnnkit.spec.read import read_spec
from rnnkit.training.clipping import clip, global_norm
from rnnkit.training.loop import Loop, RunLimits
from rnnkit.training.start import RunOptions, start
from rnnkit.training.step import Training
from rnnkit.types import Array


def plain_training(
    start: Params, ids: Array, train: JSONObject, reduction: str, steps: int
) -> tuple[list[Params], list[float]]:
    """Return the parameters and the mean loss after each of so many steps of plain descent."""
    streams, window, lr = train["streams"], train["window"], train["optimizer"]["lr"]
    reset = train.get("state", {"reset": "epoch"})["reset"]
    n = (len(ids) - 1) // streams
    p = {name: value.copy() for name, value in start.items()}
    hs = [np.zeros(len(p["b"])) for _ in range(streams)]
    after, losses = [], []
    for step in range(steps):
        index = step % (n // window)
        if reset == "window" or (reset == "epoch" and index == 0):
            hs = [np.zeros_like(h) for h in hs]
        g = {name: np.zeros_like(value) for name, value in p.items()}
        total = 0.0
        for stream in range(streams):
            at = stream * n + index * window
            part, gs, hs[stream] = plain_gradient(
                p, ids[at : at + window], ids[at + 1 : at + window + 1], hs[stream]
            )
            total += part
            g = {name: g[name] + gs[name] for name in g}
        divisor = streams * window if reduction == "mean" else streams
        g = {name: value / divisor for name, value in g.items()}
        norm = math.sqrt(sum(float((v * v).sum()) for v in g.values()))
        if (limit := (train.get("clip") or {}).get("norm")) and norm > limit:
            g = {name: v * (limit / (norm + 1e-6)) for name, v in g.items()}
        if value := (train.get("clip") or {}).get("value"):
            g = {name: v.clip(-value, value) for name, v in g.items()}
        p = {name: p[name] - lr * g[name] for name in p}
        after.append(p)
        losses.append(total / (streams * window))
    return after, losses


@pytest.mark.parametrize("reset", ["window", "epoch", "never"])
@pytest.mark.parametrize("reduction", ["mean", "sum_time"])
@pytest.mark.parametrize("limit", [None, {"norm": 0.1}, {"value": 0.01}])
def test_truncated_backpropagation_is_that_of_a_plain_implementation(
    tmp_path: Path, reset: str, reduction: str, limit: JSONObject | None
) -> None:
    raw = plain_spec(clip=limit, state={"reset": reset}, optimizer={"type": "sgd", "lr": 0.5})
    raw["model"]["loss"]["reduction"] = reduction
    spec, source = opened(tmp_path, raw)
    training = fresh(spec, source)
    begin = {k: training.store.values[layer][name].copy() for k, (layer, name) in NAMES.items()}
    wanted, losses = plain_training(
        begin, source.parts["train"].ids.astype(int), raw["train"], reduction, 12
    )
    norms = []
    for step in range(12):
        if training.progress.window == 0:
            batches = source.batches("train", spec.train.layout(), training.progress.cursor)
        update = training.step(next(batches))
        norms.append(update.gradient_norm)
        assert update.total / update.weight == pytest.approx(losses[step], rel=1e-12)
        for name, (layer, parameter) in NAMES.items():
            np.testing.assert_allclose(
                training.store.values[layer][parameter], wanted[step][name], rtol=1e-9, atol=1e-12
            )
    if limit == {"norm": 0.1}:
        assert max(norms) > 0.1, "the bound should have been met, and the norm be the one before"


def test_the_state_is_carried_and_the_gradient_is_not(tmp_path: Path) -> None:
    spec, source = opened(tmp_path, plain_spec(clip=None))
    first, second = [b for b, _ in zip(batches_of(spec, source), range(2), strict=False)]
    training = fresh(spec, source)
    training.step(first)
    carried = training.states["1.rnn"][0]
    assert np.abs(carried).max() > 0.01
    params = {k: training.store.values[layer][n].copy() for k, (layer, n) in NAMES.items()}
    wanted = [
        plain_gradient(params, second.inputs[:, s], second.targets[:, s], carried[s])[1]
        for s in range(3)
    ]
    cold = [
        plain_gradient(params, second.inputs[:, s], second.targets[:, s], 0 * carried[s])[1]
        for s in range(3)
    ]
    before = training.store.flat.copy()
    training.step(second)
    moved = training.store.views((before - training.store.flat) / 0.1)["1.rnn"]["Wh"]
    assert not np.allclose(moved, sum(g["Wh"] for g in cold) / 12, atol=1e-6)
    np.testing.assert_allclose(moved, sum(g["Wh"] for g in wanted) / 12, atol=1e-9)


def batches_of(spec: Spec, source: Source) -> Any:
    return source.batches("train", spec.train.layout(), None)


def test_documents_in_a_row_are_documents_alone(tmp_path: Path) -> None:
    documents = ["abcab", ".ba", ".ccba", ".cab", ".aabbcc", ".a"]
    content = "".join(documents)
    raw = plain_spec(streams=1, window=5, state={"reset": "document", "separator": "."})
    raw["model"]["layers"].insert(2, {"type": "lstm", "units": 4})
    raw["data"]["split"] = [1.0, 0.0, 0.0]
    spec, source = opened(tmp_path, raw, content)
    ids = source.parts["train"].ids.astype(np.int32)
    training = fresh(spec, source)
    network, values = training.network, training.store.values
    states, total = training.states, 0.0
    for batch in batches_of(spec, source):
        ctx = Context(dtype=np.dtype(np.float64))
        ys, states, _ = network.scan(values, batch.inputs, states, batch.resets, ctx)
        total += network.loss.forward(ys, batch.targets, batch.weights, ctx)[0]
    alone, at = 0.0, 0
    read = source.windows("train", spec.train.layout()) * 5
    for document in documents:
        stop = min(at + len(document), read)
        if stop <= at:
            break
        ctx = Context(dtype=np.dtype(np.float64))
        xs, targets = ids[at:stop, None], ids[at + 1 : stop + 1, None]
        cold = network.initial_states(1, ctx.dtype)
        ys, _, _ = network.scan(values, xs, cold, None, ctx)
        alone += network.loss.forward(ys, targets, np.ones(xs.shape), ctx)[0]
        at += len(document)
    assert total == pytest.approx(alone, rel=1e-13)


def test_the_gradient_of_a_window_of_documents_is_the_sum_of_theirs(tmp_path: Path) -> None:
    content = "abcab.ba.ccba.aabbcca"
    raw = plain_spec(streams=1, window=20, state={"reset": "document", "separator": "."})
    raw["model"]["layers"][1]["type"] = "gru"
    raw["data"]["split"] = [1.0, 0.0, 0.0]
    spec, source = opened(tmp_path, raw, content)
    training = fresh(spec, source)
    network, store = training.network, training.store
    (batch,) = batches_of(spec, source)

    def gradient(part: slice, resets: Array | None) -> Array:
        ctx = Context(dtype=np.dtype(np.float64))
        cold = network.initial_states(1, ctx.dtype)
        ys, states, backward = network.scan(
            store.values, batch.inputs[part], cold, None if resets is None else resets[part], ctx
        )
        _, _, loss_backward = network.loss.forward(
            ys, batch.targets[part], batch.weights[part], ctx
        )
        store.grad.fill(0)
        backward(loss_backward(), zero_states(states), store.grads)
        return store.grad.copy()

    starts = [*np.flatnonzero(batch.resets[:, 0]).tolist(), 20]
    assert starts == [0, 5, 8, 13, 20]
    alone = sum(gradient(slice(a, b), None) for a, b in zip(starts, starts[1:], strict=False))
    np.testing.assert_allclose(gradient(slice(0, 20), batch.resets), alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip(dtype: Any) -> None:
    gradient = np.array([3.0, -4.0, 0.5], dtype)
    norm = global_norm(gradient)
    assert norm == pytest.approx(math.sqrt(25.25))
    for limits, wanted in (
        (None, gradient),
        (Clip(norm=100.0), gradient),
        (Clip(norm=1.0), gradient / math.sqrt(25.25)),
        (Clip(value=1.0), [1.0, -1.0, 0.5]),
    ):
        clipped = gradient.copy()
        clip(clipped, norm, limits)
        assert clipped.dtype == dtype
        np.testing.assert_allclose(clipped, wanted, rtol=1e-5)


# A whole run.


def test_each_update_has_the_rate_of_its_own_step(tmp_path: Path) -> None:
    schedule = {"type": "exponential", "multiply": 0.5, "per": "step"}
    spec, source = opened(tmp_path, plain_spec(schedule=schedule))
    training = fresh(spec, source)
    batches = source.batches("train", spec.train.layout(), None)
    for step, batch in zip(range(4), batches, strict=False):
        assert training.learning_rate() == 0.1 * 0.5**step
        assert training.learning_rate(2) == 0.1 * 0.5 ** (step + 2)
        assert training.step(batch).lr == training.progress.lr == 0.1 * 0.5**step


def test_an_evaluation_disturbs_nothing(tmp_path: Path) -> None:
    arrays = []
    for name, every in (("with", 1), ("without", None)):
        spec = small_spec(schedule=None, every={"log": 1, "evaluate": every, "save": 5})
        run = trained(tmp_path / name, spec)
        arrays.append(newest(run).arrays)
        assert ("valid_loss" in lines(run)[0]) == (every is not None)
    assert arrays[0].keys() == arrays[1].keys()
    for name, array in arrays[0].items():
        assert array.tobytes() == arrays[1][name].tobytes(), name


def test_lines_and_their_cadence(tmp_path: Path) -> None:
    spec = small_spec(schedule=None, every={"log": 4, "evaluate": "epoch", "save": 100})
    run = trained(tmp_path, spec)
    found = lines(run)
    assert [line["step"] for line in found] == [4, 5, 8, 10, 12, 15]
    always = ["step", "epoch", "lr", "gradient_norm"]
    measured = ["loss", "perplexity", "bits_per_character"]
    for line in found:
        names = always + [f"train_{n}" for n in [*measured, "accuracy"]]
        if line["step"] % 5 == 0:
            names += [f"valid_{n}" for n in [*measured, "accuracy"]]
        assert list(line) == names
        assert line["epoch"] == pytest.approx(line["step"] / 5)
        assert line["lr"] == 0.02
        assert line["train_perplexity"] == pytest.approx(math.exp(line["train_loss"]))
    times = [json.loads(line) for line in (run / "times.jsonl").read_text().splitlines()]
    assert [line["step"] for line in times] == [line["step"] for line in found]
    assert "time" not in (run / "metrics.jsonl").read_text()


def test_a_line_has_the_mean_loss_since_the_line_before(tmp_path: Path) -> None:
    every = {"evaluate": None, "save": 100}
    single = lines(trained(tmp_path / "1", small_spec(every={**every, "log": 1}, schedule=None)))
    triple = lines(trained(tmp_path / "3", small_spec(every={**every, "log": 3}, schedule=None)))
    assert len(single) == 15 and len(triple) == 5
    for index, line in enumerate(triple):
        part = single[3 * index : 3 * index + 3]
        for name in ("train_loss", "train_accuracy"):
            assert line[name] == pytest.approx(np.mean([p[name] for p in part]))
        assert line["gradient_norm"] == part[-1]["gradient_norm"]


@pytest.mark.parametrize(
    "train",
    [{}, {"recompute": True}, {"bptt": {"style": "true", "steps": 3}}],
    ids=["whole", "blocks", "truncated"],
)
def test_the_accuracy_of_training_is_that_of_its_windows(
    train: dict[str, Any], tmp_path: Path
) -> None:
    every = {"log": "epoch", "evaluate": None}
    spec = plain_spec(optimizer={"type": "sgd", "lr": 1e-30}, epochs=1, every=every, **train)
    spec["data"]["split"] = [1, 0, 0]
    run = trained(tmp_path, spec)
    model = load(run)
    source, layout = model.open_data(tmp_path), model.spec.train.layout()
    found = evaluate(model.network, model.store.values, source, "train", layout).metrics
    (line,) = lines(run)
    assert 0 < line["train_accuracy"] == pytest.approx(found["accuracy"], abs=1e-12)


def test_a_loss_that_decides_nothing_has_no_accuracy(tmp_path: Path) -> None:
    spec = {
        **small_spec(streams=4, window=8, epochs=1),
        "data": {"type": "synthetic", "task": "sine", "train": 200},
    }
    spec["model"] = {
        "layers": [{"type": "rnn", "units": 3}, {"type": "affine"}],
        "loss": {"type": "mse"},
    }
    assert all("train_accuracy" not in line for line in lines(trained(tmp_path, spec)))


def test_equal_runs_are_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    one, two = (results(trained(tmp_path / n, small_spec())) for n in "ab")
    other = results(trained(tmp_path / "c", small_spec(seed=4)))
    assert len(one) == 3 and one == two
    assert all(other[name] != one[name] for name in one)


@pytest.mark.parametrize("locked", [False, True])
def test_masks_follow_from_the_seed_and_differ_between_steps(tmp_path: Path, locked: bool) -> None:
    raw = plain_spec()
    raw["model"]["layers"] = [
        {"type": "one_hot"},
        {"type": "dropout", "rate": 0.5, "locked": locked},
        {"type": "affine"},
    ]
    spec, source = opened(tmp_path, raw)
    training = fresh(spec, source, np.float32)
    batch = next(batches_of(spec, source))
    ones = np.ones((4, 3, 6), np.float32)
    dropout = training.network.layers[1]

    def mask(**changes: Any) -> Array:
        seed, step = changes.get("seed", 3), changes.get("step", 1)
        ctx = Context(train=True, seed=seed, step=step).at(changes.get("path", "1.dropout"))
        return dropout.scan({}, ones, (), batch.resets, ctx)[0]

    np.testing.assert_array_equal(mask(), mask())
    assert (mask() != mask(step=2)).any()
    assert (mask() != mask(seed=4)).any()
    assert (mask() != mask(path="2.dropout")).any()
    assert (mask() == mask()[0]).all() == locked


# Order, best, patience.

Story = list[tuple[str, int]]


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, spec: JSONObject, values: list[Any]) -> Any:
    """Run a spec whose evaluations give `values`; return the story, the run and its outcome."""
    story: Story = []
    given = iter(values)
    training: list[Training] = []

    def evaluate(*_: object, **options: object) -> Measured:
        value = next(given)
        story.append((f"evaluate {value}", training[0].progress.step))
        return Measured(dict(value) if isinstance(value, dict) else {"loss": value}, {}, [])

    class Teller:
        def begins(self, state: Training, source: Source) -> None:
            training.append(state)

        def stepped(self, state: Training, update: object, seconds: float) -> None:
            story.append(("update", state.progress.step))

        def line(self, metrics: Mapping[str, Any]) -> None:
            story.append(("line", metrics["step"]))

        def saved(self, path: Path, best: bool) -> None:
            story.append(("best" if best else "save", training[0].progress.step))

    monkeypatch.setattr("rnnkit.training.loop.evaluate", evaluate)
    read = read_spec(write_spec(folder, spec), Registry())
    options = RunOptions(reporter=Teller(), tell=lambda message: story.append((message, 0)))
    outcome = start(read.spec, b"{}", folder / "run", folder, Registry(), options)
    return story, folder / "run", outcome


def test_update_evaluate_line_save_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = plain_spec(epochs=1, every={"log": 2, "evaluate": 2, "save": 3})
    story, _, outcome = told(tmp_path, monkeypatch, spec, [2.0, 3.0, 1.0])
    assert story == [
        ("update", 1),
        ("update", 2),
        ("evaluate 2.0", 2),
        ("line", 2),
        ("save", 2),
        ("best", 2),
        ("update", 3),
        ("save", 3),
        ("update", 4),
        ("evaluate 3.0", 4),
        ("line", 4),
        ("update", 5),
        ("evaluate 1.0", 5),
        ("line", 5),
        ("save", 5),
        ("best", 5),
    ]
    assert outcome.reason == "finished"


def test_schedule_and_best_see_an_evaluation_before_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain_spec(
        epochs=1,
        schedule={"type": "stall", "multiply": 0.5},
        every={"log": 1, "evaluate": 1, "save": 1},
    )
    spec["train"]["keep"] = 10
    _, run, _ = told(tmp_path, monkeypatch, spec, [2.0, 3.0, 1.0, 1.0, 0.5])
    saved = [load_snapshot(path).meta.progress for _, path in RunDir(run).step_files()]
    assert [p.schedule["scale"] for p in saved] == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert [p.best.step for p in saved if p.best] == [1, 1, 3, 3, 5]
    assert [p.stale for p in saved] == [0, 1, 0, 1, 0]
    assert [p.lines for p in saved] == [1, 2, 3, 4, 5]
    # The rate of a step follows from the evaluations before it.
    assert [line["lr"] for line in lines(run)] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([2.0, 1.0, 1.0, 3.0, 1.0], "min", 2),
        ([2.0, 3.0, 3.0, 1.0, 3.0], "max", 2),
        ([math.nan, 5.0, math.nan, 6.0, math.nan], "min", 2),
        ([math.nan, 5.0, math.nan, 4.0, math.inf], "max", 2),
        ([1.0, -math.inf, 2.0, 2.0, 2.0], "min", 1),
    ],
)
def test_ties_keep_the_earlier_and_what_is_not_finite_never_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[float], mode: str, best: int
) -> None:
    spec = plain_spec(epochs=1, every={"log": 1, "evaluate": 1, "save": 100})
    spec["train"]["best"] = {"metric": "valid_loss", "mode": mode}
    _, run, outcome = told(tmp_path, monkeypatch, spec, values)
    assert outcome.progress.best.step == best
    assert outcome.progress.best.value == values[best - 1]
    assert load_snapshot(run / "best.h5").meta.progress.step == best
    written = [line["valid_loss"] for line in lines(run)]
    assert written == [v if math.isfinite(v) else None for v in values]


def test_no_best_where_nothing_was_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = plain_spec(epochs=1, every={"log": 1, "evaluate": 1, "save": 100})
    spec["train"]["stop"] = {"patience": 2}
    story, run, outcome = told(tmp_path, monkeypatch, spec, [math.nan] * 5)
    assert outcome.progress.best is None and not (run / "best.h5").exists()
    assert (outcome.progress.step, outcome.progress.stale) == (5, 0)
    assert (
        "step 1: valid_loss is nan, so no model can be the best by it, and stop counts no "
        "evaluation (choose another train.best.metric)",
        0,
    ) in story
    assert sum("no model can be the best" in str(told) for told in story) == 1


def test_best_by_another_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = plain_spec(
        epochs=1,
        every={"log": 1, "evaluate": 1, "save": 100},
        best={"metric": "valid_accuracy", "mode": "max"},
    )
    values = [{"loss": 5 - k, "accuracy": a} for k, a in enumerate([0.1, 0.5, 0.2, 0.5, 0.3])]
    _, _, outcome = told(tmp_path, monkeypatch, spec, values)
    assert (outcome.progress.best.step, outcome.progress.best.value) == (2, 0.5)


def test_a_best_metric_that_there_is_not(tmp_path: Path) -> None:
    path = write_spec(tmp_path, plain_spec(best={"metric": "valid_acuracy"}))
    ran = command("run", path, "--out", tmp_path / "run")
    assert ran.code == 3
    assert "train.best.metric: there is no valid_acuracy here (there is valid_loss, " in ran.err
    assert ran.err.endswith('(did you mean "valid_accuracy"?)\n')
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"stop": {"patience": 2}}, "train.stop: needs"),
        ({"schedule": {"type": "stall"}}, 'train.schedule: "stall" needs'),
    ],
    ids=["stop", "stall"],
)
def test_what_watches_a_split_that_there_is_not(
    change: dict[str, Any], at: str, tmp_path: Path
) -> None:
    value = plain_spec(**change)
    value["data"]["split"] = [1, 0, 0]
    path = write_spec(tmp_path, value)
    said = (
        f"[SPEC_INCONSISTENT] {at} a validation split, but there is train alone (give the data "
        "one, such as by its split, or leave this out)"
    )
    for line in (["run", path, "--out", tmp_path / "run"], ["check", path, "--data"]):
        ran = command(*line)
        assert ran.code == 3 and said in ran.err
    assert not (tmp_path / "run").exists()
    done("check", path, "--data", "-s", "data.split=[0.8,0.2,0]")


def test_patience_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = plain_spec(epochs=9, every={"log": 1, "evaluate": 2, "save": 100}, stop={"patience": 2})
    _, run, outcome = told(tmp_path, monkeypatch, spec, [3.0, 2.0, 2.5, 1.0, 1.5, 1.0])
    assert (outcome.progress.step, outcome.progress.stale) == (12, 2)
    assert outcome.reason == "finished" and outcome.progress.finished
    assert outcome.progress.best.step == 8
    assert steps_kept(run)[-1] == 12


def test_a_longer_patience_goes_on(tmp_path: Path) -> None:
    spec = plain_spec(
        epochs=2,
        optimizer={"type": "sgd", "lr": 50.0},
        every={"log": 1, "evaluate": 1, "save": 100},
        stop={"patience": 1},
    )
    run = trained(tmp_path, spec)
    stopped = newest(run).meta.progress
    assert stopped.finished and stopped.step < 10
    done("resume", run, "-s", "train.stop.patience=1000")
    assert newest(run).meta.progress.step == 10
    before = results(run)
    done("resume", run, "-s", "train.stop.patience=2000")
    assert newest(run).meta.progress.step == 10, "the epochs are over all the same"
    assert results(run)["metrics.jsonl"] == before["metrics.jsonl"]


def test_two_checkpoints_are_kept_and_the_best_beside_them(tmp_path: Path) -> None:
    every = {"log": 1, "evaluate": None, "save": 2}
    assert steps_kept(trained(tmp_path / "two", plain_spec(every=every))) == [14, 15]
    assert steps_kept(trained(tmp_path / "four", plain_spec(every=every, keep=4))) == [
        10,
        12,
        14,
        15,
    ]
    run = trained(tmp_path / "best", small_spec())
    best = newest(run).meta.progress.best
    assert best and load_snapshot(run / "best.h5").meta.progress.step == best.step


def test_no_validation_split_means_no_best(tmp_path: Path) -> None:
    spec = small_spec(schedule=None)
    spec["data"]["split"] = [1.0, 0.0, 0.0]
    run = trained(tmp_path, spec)
    assert not (run / "best.h5").exists()
    assert newest(run).meta.progress.finished


def test_files_are_private(tmp_path: Path) -> None:
    run = trained(tmp_path, plain_spec())
    for path in [run, *run.rglob("*")]:
        if path.name not in ("metrics.jsonl", "times.jsonl"):
            assert path.stat().st_mode & 0o077 == 0, path


# Divergence.


def test_divergence_keeps_the_state_before_the_step(tmp_path: Path) -> None:
    spec = plain_spec(clip=None, every={"log": 1, "evaluate": None, "save": 2})
    spec["model"]["layers"][1] = {"type": "rnn", "units": 5, "activation": "relu"}
    path = write_spec(tmp_path, spec)
    done("run", path, "--out", tmp_path / "run", "--max-steps", "3")
    run = copy(tmp_path / "run", tmp_path / "calm")
    kept = {p: p.read_bytes() for p in (tmp_path / "run" / "checkpoints").iterdir()}
    # The updates after the third overflow float32 before long.
    ran = command("resume", tmp_path / "run", "-s", "train.optimizer.lr=1e4")
    assert ran.code == 7, ran.err
    (crash,) = (tmp_path / "run" / "crash").iterdir()
    snapshot = load_snapshot(crash)
    step = snapshot.meta.progress.step
    assert step >= 3 and f"step {step + 1}: " in ran.err
    assert "[NUM_NONFINITE_" in ran.err
    assert any(f"layer {name}" in ran.err for name in ("1.rnn", "2.affine", "0.embedding"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "diverged"
    # The calm checkpoint of step 2 is untouched; that of step 3 was saved again with the new rate.
    two = next(p for p in kept if "02.h5" in p.name)
    assert not two.exists() or two.read_bytes() == kept[two]
    assert newest(tmp_path / "run").meta.progress.step >= 3
    # A resume never takes the file in crash/, and the old rate does not diverge.
    assert command("resume", run).code == 0


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_the_way_on_leads_back_to_a_best_model_that_is_there(
    tmp_path: Path, known: bool, there: bool
) -> None:
    run = RunDir(tmp_path)
    if there:
        run.best.write_bytes(b"")
    best = BestEvaluation(step=3, metric="valid_loss", value=1.0) if known else None
    train = SimpleNamespace(optimizer=SimpleNamespace(lr=0.5))
    training = SimpleNamespace(progress=Progress(best=best), spec=SimpleNamespace(train=train))
    back = ["--from", "best"] if known and there else []
    on = Loop.way_on(SimpleNamespace(training=training, run=run))
    assert on == ["resume", *back, "-s", "train.optimizer.lr=0.05"]


@pytest.mark.parametrize(
    ("poison", "named", "code"),
    [
        ("parameter", "parameter Wh of layer 1.rnn", "NUM_NONFINITE_LOSS"),
        ("output", "the output of layer 1.rnn", "NUM_NONFINITE_LOSS"),
        ("gradient", "the gradient of Wx of layer 1.rnn", "NUM_NONFINITE_GRAD"),
        ("state", "the state of layer 1.rnn", "NUM_NONFINITE_STATE"),
    ],
)
def test_divergence_names_step_layer_and_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poison: str, named: str, code: str
) -> None:
    from rnnkit.builtin.cells.rnn import RNN

    clean = RNN.scan

    def scan(self: RNN, params: Any, xs: Any, state: Any, resets: Any, ctx: Context) -> Any:
        ys, after, backward = clean(self, params, xs, state, resets, ctx)
        if ctx.step != 4:
            return ys, after, backward
        if poison == "parameter":
            params["Wh"][0, 0] = np.nan
            return clean(self, params, xs, state, resets, ctx)
        if poison == "output":
            ys[0, 0, 0] = np.inf
        if poison == "state":
            after = (after[0] + np.float32(np.inf),)

        def poisoned(dys: Any, dstate: Any, grads: Any) -> Any:
            found = backward(dys, dstate, grads)
            if poison == "gradient":
                grads["Wx"][0, 0] = np.nan
            return found

        return ys, after, poisoned

    monkeypatch.setattr(RNN, "scan", scan)
    path = write_spec(tmp_path, plain_spec(every={"log": 1, "evaluate": None, "save": 2}))
    with np.errstate(all="ignore"):
        ran = command("run", path, "--out", tmp_path / "run")
    assert ran.code == 7
    assert f"step 4: {named} is not finite" in ran.err
    assert f"[{code}]" in ran.err
    run = RunDir(tmp_path / "run")
    assert steps_kept(run.path) == [2]
    assert newest(run.path).meta.progress.step == 2
    if poison == "parameter":
        assert not run.crash.exists() or not any(run.crash.iterdir())
    else:
        (crash,) = run.crash.iterdir()
        assert crash.name == "step-000000000003.h5"
        assert load_snapshot(crash).meta.progress.step == 3
    monkeypatch.undo()
    done("resume", run.path)
    assert newest(run.path).meta.progress.finished


def test_a_crash_file_is_the_state_of_the_step_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain_spec(every={"log": 1, "evaluate": None, "save": 2})
    wanted = trained(tmp_path / "calm", spec, "--max-steps", "3")
    step = Training.step

    def broken(self: Training, batch: Any) -> Any:
        if self.progress.step == 3:
            self.store.values["2.affine"]["W"].flags.writeable = False
            batch = batch._replace(weights=batch.weights * np.float32(np.nan))
        return step(self, batch)

    monkeypatch.setattr(Training, "step", broken)
    path = write_spec(tmp_path, spec)
    assert command("run", path, "--out", tmp_path / "run").code == 7
    crash = tmp_path / "run" / "crash" / "step-000000000003.h5"
    same = RunDir(wanted).step_files()[-1][1]
    assert crash.read_bytes() == same.read_bytes()


def test_limits() -> None:
    assert not RunLimits().out_of_steps(10**9) and not RunLimits().out_of_time()
    assert RunLimits(max_steps=3).out_of_steps(3) and not RunLimits(max_steps=3).out_of_steps(2)
    assert RunLimits(max_seconds=0.0).out_of_time()


def test_out_of_time_saves_and_exits_with_10(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec())
    ran = command("run", path, "--out", tmp_path / "run", "--max-time", "0.001s")
    assert ran.code == 10 and "[TIME_LIMIT]" in ran.err
    assert newest(tmp_path / "run").meta.progress.step == 0
    done("resume", tmp_path / "run")
    assert results(tmp_path / "run") == results(trained(tmp_path / "whole", small_spec()))


def test_too_little_text_is_told_before_anything_is_written(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec(), text(12))
    ran = command("run", path, "--out", tmp_path / "run")
    assert ran.code == 5 and "[DATA_TOO_SHORT]" in ran.err
    assert not (tmp_path / "run").exists()


def test_a_loop_with_nothing_to_report(tmp_path: Path) -> None:
    """A script needs no reporter, no stop request, no limits."""
    read = read_spec(write_spec(tmp_path, plain_spec()), Registry())
    outcome = start(read.spec, b"{}", tmp_path / "run", tmp_path, Registry(), RunOptions())
    assert (outcome.reason, outcome.progress.step) == ("finished", 15)
