"""Local SGD against plain loops, and what only an averaging may end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    JSONObject,
    command,
    done,
    lines,
    newest,
    plain_spec,
    results,
    steps_kept,
    told,
    trained,
    write_spec,
)
from rank_cases import sharded, written
from training_cases import NAMES, Params, fresh, opened, plain_gradient, stopped_at

from rnnkit.builtin.optimizers.sgd import SGD
from rnnkit.network.memory import memory
from rnnkit.training.step import Training
from rnnkit.types import Array

EVERY = {"log": 2, "evaluate": "epoch", "save": 4}


def averaged(steps: int, shards: int = 2, **train: Any) -> JSONObject:
    """Return a spec without random numbers: 5 windows of 4 steps in an epoch, over 3 streams."""
    return plain_spec(**{"shards": shards, "sync": {"every": steps}, "clip": None, **train})


def plain_local_sgd(
    start: Params, ids: Array, rows: list[range], train: JSONObject, steps: int
) -> tuple[list[Params], list[float]]:
    """Return the mean of the shards' models where it is formed, and the norm of every step."""
    streams, window, lr = train["streams"], train["window"], train["optimizer"]["lr"]
    limit = (train["clip"] or {}).get("norm", math.inf)
    n = (len(ids) - 1) // streams
    windows = n // window
    models = [start for _ in rows]
    hs: list[Array] = []
    means, norms = [], []
    for step in range(steps):
        index = step % windows
        if index == 0:
            hs = [np.zeros(len(start["b"])) for _ in range(streams)]
        squares = []
        for shard, own in enumerate(rows):
            p = models[shard]
            g = {name: np.zeros_like(value) for name, value in p.items()}
            for stream in own:
                at = stream * n + index * window
                read, wanted = ids[at : at + window], ids[at + 1 : at + window + 1]
                _, gs, hs[stream] = plain_gradient(p, read, wanted, hs[stream])
                g = {name: g[name] + gs[name] / (len(own) * window) for name in g}
            norm = math.sqrt(sum(float((v * v).sum()) for v in g.values()))
            squares.append(norm**2)
            scale = lr * min(1.0, limit / (norm + 1e-6))
            models[shard] = {name: p[name] - scale * g[name] for name in p}
        norms.append(math.sqrt(np.mean(squares)))
        if (step + 1) % train["sync"]["every"] == 0 or index == windows - 1:
            mean = {name: np.mean([p[name] for p in models], axis=0) for name in start}
            models = [mean for _ in rows]
            means.append(mean)
    return means, norms


def parameters(training: Training) -> Params:
    """Return copies of the parameters by the names of the plain implementation."""
    values = training.store.values
    return {key: values[layer][name].copy() for key, (layer, name) in NAMES.items()}


@pytest.mark.parametrize("clip", [None, {"norm": 0.1}])
@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_it_is_that_of_plain_loops(every: int, clip: JSONObject | None, tmp_path: Path) -> None:
    cadences = {"log": "epoch", "save": "epoch"}
    raw = averaged(every, clip=clip, optimizer={"type": "sgd", "lr": 0.5}, every=cadences)
    spec, source = opened(tmp_path, raw)
    training = fresh(spec, source)
    ids, rows = source.parts["train"].ids.astype(int), [range(1), range(1, 3)]
    means, norms = plain_local_sgd(parameters(training), ids, rows, raw["train"], 15)
    for mean in means:
        if training.progress.window == 0:
            batches = source.batches("train", spec.train.layout(), training.progress.cursor)
        training.step(*(next(batches) for _ in range(training.windows_at_once())))
        assert training.progress.gradient_norm == pytest.approx(norms[training.progress.step - 1])
        for name, value in parameters(training).items():
            np.testing.assert_allclose(value, mean[name], rtol=1e-9, atol=1e-12)
    assert training.progress.step == 15
    assert min(norms) > 0.1, "the bound should have been met"


def test_each_step_between_two_averagings_has_a_number_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which Adam corrects its means, and dropout draws its masks."""
    found: list[int] = []
    update = SGD.update

    def counted(optimizer: SGD, step: int, *rest: Any) -> None:
        found.append(step)
        update(optimizer, step, *rest)

    monkeypatch.setattr(SGD, "update", counted)
    spec, source = opened(tmp_path, averaged(3, every={"log": "epoch", "save": "epoch"}))
    training = fresh(spec, source)
    batches = source.batches("train", spec.train.layout(), None)
    for count in (3, 2):
        training.step(*(next(batches) for _ in range(count)))
    assert sorted(found) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_averaged_at_each_step_it_is_plain_descent(tmp_path: Path) -> None:
    found = []
    for raw in (averaged(1, shards=3), plain_spec(clip=None)):
        spec, source = opened(tmp_path, raw)
        training = fresh(spec, source)
        for batch in source.batches("train", spec.train.layout(), None):
            training.step(batch)
        found.append(training.store.flat)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_the_slots_are_averaged_too(tmp_path: Path) -> None:
    adam = {"type": "adam", "lr": 0.5, "epsilon": 1e-30}
    spec, source = opened(tmp_path, averaged(1, shards=3, optimizer=adam))
    training = fresh(spec, source)
    batch = next(source.batches("train", spec.train.layout(), None))
    begin, cold = parameters(training), np.zeros(5)
    of_stream = [
        plain_gradient(begin, batch.inputs[:, s], batch.targets[:, s], cold)[1] for s in range(3)
    ]
    training.step(batch)
    m, v = (training.store.views(training.slots[name]) for name in ("mean", "square"))
    for key, (layer, name) in NAMES.items():
        gradients = np.array([g[key] / 4 for g in of_stream])
        np.testing.assert_allclose(m[layer][name], 0.1 * gradients.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(v[layer][name], 1e-3 * (gradients**2).mean(axis=0), atol=1e-12)
        moved = begin[key] - 0.5 * np.sign(gradients).mean(axis=0)
        np.testing.assert_allclose(training.store.values[layer][name], moved, rtol=1e-6)


def test_a_run_is_saved_and_logged_where_there_is_one_model(tmp_path: Path) -> None:
    run = trained(tmp_path, averaged(2, every=EVERY, keep=9))
    assert steps_kept(run) == [4, 5, 8, 10, 12, 15]
    assert [line["step"] for line in lines(run)] == [2, 4, 5, 6, 8, 10, 12, 14, 15]


def test_a_limit_and_a_signal_wait_for_the_averaging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = averaged(4, every={"log": 4, "save": 4}, optimizer={"type": "adam", "lr": 0.02})
    whole = trained(tmp_path / "whole", raw)
    limited = trained(tmp_path / "limited", raw, "--max-steps", 6)
    assert steps_kept(limited)[-1] == 8
    # Two shards scan each window: the third of them is that of the second window.
    stopped = stopped_at(tmp_path / "stopped", monkeypatch, raw, "training", 3)
    assert steps_kept(stopped)[-1] == 4
    for run in (limited, stopped):
        done("resume", run)
        assert results(run) == results(whole)


def test_a_shard_that_overflows_is_named_and_changes_nothing(tmp_path: Path) -> None:
    cell = {"type": "rnn", "units": 4, "activation": "relu"}
    every = {"log": 4, "save": 4, "evaluate": None}
    path = written(tmp_path, sharded([cell], 5, sync={"every": 4}, every=every, window=3))
    run = tmp_path / "run"
    done("run", path, "--out", run, "--max-steps", 4)
    whole = newest(run)
    changes = ("-s", "train.optimizer.lr=10000", "-s", "train.clip=null")
    ran = command("resume", run, *changes)
    told(ran, 7, "[NUM_NONFINITE_", " (streams 0 to 1) is not finite (a lower learning rate")
    assert "the state before it is" in ran.err
    (crash,) = (run / "crash").iterdir()
    assert crash.name == "step-000000000004.h5"
    for key, array in newest(run).arrays.items():
        assert np.array_equal(array, whole.arrays[key])


def test_what_needs_one_model_in_between_is_refused(tmp_path: Path) -> None:
    ran = command("check", write_spec(tmp_path, averaged(4, every=EVERY)))
    said = '"log" of "every" is 2, but with "sync" there is one model only every 4 steps and at '
    told(ran, 3, "[SPEC_INCONSISTENT] train: ", f"{said}the end of an epoch (give a multiple, such")
    assert 'such as 4, or "epoch")' in ran.err
    ran = command("check", write_spec(tmp_path, averaged(2, shards=1, every=EVERY)))
    said = '"sync" averages the models of several shards, but "shards" is 1 (give more of them, or'
    told(ran, 3, "[SPEC_INCONSISTENT] train: ", said)


def test_a_resume_may_average_at_other_steps(tmp_path: Path) -> None:
    run = trained(tmp_path, averaged(2, every=EVERY), "--max-steps", 4)
    ran = done("resume", run, "-s", "train.sync.every=1", "--max-steps", 6)
    stays = "streams, hidden states, the place in the data, parameters and moments stay"
    assert (
        "train.sync.every: 2 -> 1: later models are averaged at other steps (2 groups of 1 or 2 "
        "streams train models of their own, averaged every step and at the end of an epoch, before "
        f"every 2 steps; {stays}); from here on it is another run\n"
    ) in ran.err
    ran = done("resume", run, "-s", "train.shards=3", "--max-steps", 7)
    assert (
        "train.shards: 2 -> 3: later sums are formed in another order, and dropout draws other "
        "numbers (3 groups of 1 stream, before 2 groups of 1 or 2 streams, each with a model of "
        f"its own between two averagings; {stays}); from here on it is another run\n"
    ) in ran.err
    ran = done("resume", run, "-s", "train.sync=null", "--max-steps", 8)
    assert (
        "later models are averaged at other steps (3 groups of 1 stream learn one model again, "
        f"with an update in common; {stays}); from here on it is another run\n"
    ) in ran.err
    ran = done("resume", run, "-s", 'train.sync={"every": 2}', "--max-steps", 10)
    assert (
        "train.sync.every: null -> 2: later models are averaged at other steps (3 groups of 1 "
        "stream train models of their own, averaged every 2 steps and at the end of an epoch, "
        f"before one model with an update in common; {stays}); from here on it is another run\n"
    ) in ran.err


def test_the_models_and_windows_of_an_averaging_count(tmp_path: Path) -> None:
    found = []
    for raw in (
        plain_spec(),
        averaged(4, shards=3, every={"log": 4}, optimizer={"type": "adam", "lr": 1}),
    ):
        spec, source = opened(tmp_path, raw)
        network = fresh(spec, source).network
        found.append(memory(spec, network, source, 10**9))
        fewer = memory(spec, network, source, 10**9, ranks=3)
    plain, needs = found
    assert plain.models == 0
    # One thread holds two of three models, each with two slots, and a gradient beside the store's.
    assert needs.models == 2 * 3 * plain.parameters
    assert fewer.models == 3 * plain.parameters
    assert needs.gradients == fewer.gradients == 2 * plain.parameters
    assert needs.batch == 4 * plain.batch
