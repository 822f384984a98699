"""A resumed run is the same run: every line and every file, byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
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
    told,
    trained,
    unsaved,
    write_spec,
    write_stub,
)
from training_cases import stopped_at

from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.schedule import Moment
from rnnkit.files.lock import RunLock
from rnnkit.spec.read import read_spec
from rnnkit.training.resume import resume
from rnnkit.training.start import RunOptions, start

STEPS = 15


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the distribution of the cell `slow` on the path."""
    folder = tmp_path_factory.mktemp("site")
    write_stub(folder)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("rnnkit_stub", None)


def rich_spec() -> JSONObject:
    """Return the small spec with a cell of another distribution on top."""
    spec = small_spec()
    spec["model"]["layers"].insert(4, {"type": "slow", "units": 3})
    return spec


@pytest.fixture(scope="module")
def whole(stub: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    return trained(tmp_path_factory.mktemp("whole"), rich_spec())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without the stub, at its end."""
    return trained(tmp_path_factory.mktemp("finished"), small_spec())


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run stopped after step 7, between two saves and two lines."""
    return trained(tmp_path_factory.mktemp("half"), small_spec(), "--max-steps", "7")


def test_the_run_that_is_stopped_is_worth_it(whole: Path) -> None:
    snapshot = newest(whole)
    assert snapshot.meta.progress.step == STEPS and snapshot.meta.progress.finished
    states = snapshot.part("state")
    assert {name.split("/")[0] for name in states} == {"1.lstm", "3.residual", "4.slow"}
    assert all(array.any() for array in snapshot.arrays.values())
    assert snapshot.meta.progress.schedule != {"best": None, "bad": 0, "scale": 1.0}
    assert {o.distribution for o in snapshot.meta.origins} == {"rnnkit", "rnnkit-stub"}
    assert len(results(whole)) == 3


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_stopped_after_every_step(whole: Path, tmp_path: Path, step: int) -> None:
    run = trained(tmp_path, rich_spec(), "--max-steps", step)
    assert newest(run).meta.progress.step == step
    told = done("resume", run).err
    assert results(run) == results(whole)
    assert "bit-identical" not in told
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    times = [json.loads(line)["step"] for line in (run / "times.jsonl").read_text().splitlines()]
    assert times == [line["step"] for line in lines(whole)]


def test_stopped_after_each_step_in_turn(whole: Path, tmp_path: Path) -> None:
    run = trained(tmp_path, rich_spec(), "--max-steps", 1)
    for step in range(2, STEPS + 1):
        done("resume", run, "--max-steps", step)
        assert newest(run).meta.progress.step == step
    assert results(run) == results(whole)
    assert len(json.loads((run / "run.json").read_text())["resumes"]) == STEPS - 1


def test_a_resume_at_its_limit_changes_no_checkpoint(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    before = {p: (p.read_bytes(), p.stat().st_ino) for p in (run / "checkpoints").iterdir()}
    done("resume", run, "--max-steps", 7)
    after = {p: (p.read_bytes(), p.stat().st_ino) for p in (run / "checkpoints").iterdir()}
    assert before == after


def test_the_plugin_that_made_a_run_is_named_when_it_is_missing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site0" not in p])
    ran = command("resume", copy(whole, tmp_path / "run"))
    assert ran.code == 4 and "pip install 'rnnkit-stub==1.0'" in ran.err


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cursor", {}),
        ("cursor", []),
        ("cursor", -1),
        ("cursor", "1"),
        ("cursor", {"window": "x"}),
        ("cursor", {"window": -1}),
        ("cursor", {"window": 5}),
        ("cursor", {"window": 10**30}),
        ("cursor", {"window": True}),
        ("cursor", {"window": 1.0}),
        ("cursor", {"window": None}),
        ("cursor", {"epoch": 1, "batch": 0}),
        ("schedule", None),
        ("schedule", {}),
        ("schedule", {"scale": 1.0}),
        ("schedule", {"scale": "x", "best": None, "bad": 0}),
        ("schedule", {"scale": 1.0, "best": "x", "bad": 0}),
        ("schedule", [1]),
    ],
)
def test_progress_that_no_run_stored(half: Path, tmp_path: Path, field: str, value: object) -> None:
    run = copy(half, tmp_path / "run")
    (*_, (_, file)) = RunDir(run).step_files()
    snapshot = load_snapshot(file)
    progress = snapshot.meta.progress.changed(**{field: value})
    meta = snapshot.meta.model_copy(update={"progress": progress})
    file.write_bytes(replace(snapshot, meta=meta).encoded())
    ran = command("resume", run)
    assert ran.code == 6, ran.err
    assert f"{file} [CKPT_META] meta.progress.{field}: no run of this spec stored it (" in ran.err


def test_run_with_resume_auto_is_a_resume(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    done("run", half.parent / "spec.json", "--out", run, "--resume", "auto")
    assert results(run) == results(finished)


@pytest.mark.parametrize(
    "schedule",
    [
        {"type": "cosine"},
        {"type": "step", "multiply": 0.5, "every": 4, "per": "step"},
        {"type": "exponential", "multiply": 0.9},
    ],
)
def test_every_schedule_goes_on(tmp_path: Path, schedule: JSONObject) -> None:
    spec = small_spec(schedule=schedule)
    whole = trained(tmp_path / "whole", spec)
    assert len({line["lr"] for line in lines(whole)}) > 2
    run = trained(tmp_path / "part", spec, "--max-steps", 8)
    done("resume", run)
    assert results(run) == results(whole)


@pytest.mark.parametrize("reset", ["window", "never", "document"])
def test_every_reset_policy(tmp_path: Path, reset: str) -> None:
    state = {"reset": reset} | ({"separator": "a"} if reset == "document" else {})
    spec = small_spec(state=state, optimizer={"type": "rmsprop", "lr": 0.01})
    whole = trained(tmp_path / "whole", spec)
    run = trained(tmp_path / "part", spec, "--max-steps", 4)
    for step in (5, 12, 15):
        done("resume", run, "--max-steps", step)
    assert results(run) == results(whole)


# Stopped by a signal: the request is what the handler sets.


@pytest.mark.parametrize("count", [1, 4, 5, 8, 9])
def test_stopped_inside_an_evaluation(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    run = stopped_at(tmp_path, monkeypatch, small_spec(), "evaluation", count)
    progress = newest(run).meta.progress
    assert progress.pending == "evaluation"
    assert progress.step == (5 if count < 5 else 10 if count < 9 else 15)
    assert not progress.finished
    done("resume", run)
    assert results(run) == results(finished)


def test_stopped_inside_an_evaluation_twice(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_at(tmp_path, monkeypatch, small_spec(), "evaluation", 3)
    before = newest(run)
    stop = RunOptions()
    stop.stop.number = 2
    from rnnkit.errors import InterruptedRun

    with pytest.raises(InterruptedRun):
        resume(run, Registry(), stop)
    assert newest(run).meta == before.meta
    done("resume", run)
    assert results(run) == results(finished)


def test_an_evaluation_that_is_pending_is_made_under_another_cadence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_at(tmp_path, monkeypatch, small_spec(), "evaluation", 1)
    done("resume", run, "-s", "train.every.evaluate=7", "-s", "train.every.log=1")
    steps = [line["step"] for line in lines(run)]
    assert steps == sorted(set(steps)) and newest(run).meta.progress.pending is None
    assert [line["step"] for line in lines(run) if "valid_loss" in line] == [5, 7, 14, 15]


@pytest.mark.parametrize("count", [1, 5, 6, 14])
def test_stopped_inside_a_step(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    run = stopped_at(tmp_path, monkeypatch, small_spec(), "training", count)
    assert newest(run).meta.progress.step == count, "the step in progress is finished"
    done("resume", run)
    assert results(run) == results(finished)


def test_stopped_inside_the_last_step(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_at(tmp_path, monkeypatch, small_spec(), "training", STEPS)
    progress = newest(run).meta.progress
    assert (progress.step, progress.pending, progress.finished) == (STEPS, "evaluation", False)
    done("resume", run)
    assert results(run) == results(finished)


def test_the_last_step_without_an_evaluation_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec(every={"log": 2, "evaluate": None, "save": 4}, schedule=None)
    whole = trained(tmp_path / "whole", spec)
    path = write_spec(tmp_path / "part", spec)
    options = RunOptions()

    class Stopper:
        def __getattr__(self, name: str) -> Any:
            return lambda *a, **k: None

        def stepped(self, training: Any, update: Any, seconds: float) -> None:
            if training.progress.step == STEPS:
                options.stop.number = 15

    options.reporter = Stopper()  # type: ignore[assignment]
    read = read_spec(path, Registry())
    run = tmp_path / "part" / "run"
    outcome = start(read.spec, read.source, run, path.parent, Registry(), options)
    assert outcome.reason == "finished"
    assert results(run) == results(whole)


# A run that is at its end.


def test_nothing_is_left_to_do(finished: Path, tmp_path: Path) -> None:
    run = copy(finished, tmp_path / "run")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "run.lock"}
    kept = [path.stat().st_ino for _, path in RunDir(run).step_files()]
    ran = done("resume", run)
    assert [path.stat().st_ino for _, path in RunDir(run).step_files()] == kept
    assert "nothing is left to do after step 15 (go on with -s train.epochs=N)" in ran.err
    assert "beyond" not in ran.err
    after = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "run.lock"}
    assert before == after


def test_a_kill_right_before_the_end_leaves_only_the_status(finished: Path, tmp_path: Path) -> None:
    run = copy(finished, tmp_path / "run")
    RunDir(run).note(status="running")
    done("resume", run)
    assert (run / "run.json").read_bytes() == (finished / "run.json").read_bytes()


def test_more_epochs_are_the_run_with_more_epochs(tmp_path: Path) -> None:
    short = trained(tmp_path / "short", small_spec(epochs=2))
    long = trained(tmp_path / "long", small_spec(epochs=4))
    told = done("resume", short, "-s", "train.epochs=4").err
    assert "train.epochs: 2 -> 4" in told and "the run ends at another epoch" in told
    wanted, found = results(long), results(short)
    # best.h5 keeps the spec of its day; where it is of a later epoch, it is the same as well.
    if (best := newest(long).meta.progress.best) and best.step <= 10:
        found.pop("best.h5"), wanted.pop("best.h5")
    assert found == wanted
    assert (short / "spec.json").read_bytes() == (long / "spec.json").read_bytes()


def test_fewer_epochs_than_are_done_end_the_run(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    ran = done("resume", run, "-s", "train.epochs=1")
    beyond = "train.epochs is 1, and the run is beyond it: nothing is left to do after step 7"
    assert beyond in ran.err
    assert KEPT in ran.err
    assert newest(run).meta.progress.step == 7
    assert newest(run).meta.progress.finished
    assert lines(run) == lines(half)


KEPT = "the changed values are written to the run, and count from the next step on"


def test_a_resume_that_makes_no_step_says_so(
    half: Path, finished: Path, whole: Path, tmp_path: Path
) -> None:
    run = copy(half, tmp_path / "run")
    for limit in (7, 3):
        said = done("resume", run, "--max-steps", limit).err
        assert f"no step is made: 7 are done, and the limit is {limit} in all" in said
        assert KEPT not in said
    assert KEPT in done("resume", run, "--max-steps", 7, "-s", "train.keep=3").err
    assert "no step is made" not in done("resume", run, "--max-steps", 8).err
    ended = copy(finished, tmp_path / "ended")
    said = done("resume", ended, "-s", "train.keep=3").err
    assert "nothing is left to do after step " in said and KEPT in said


def test_a_schedule_bends_where_there_is_one(half: Path, tmp_path: Path) -> None:
    bends = "the run ends at another epoch, and a schedule over the whole run bends; from here"
    run = copy(half, tmp_path / "run")
    assert bends in done("resume", run, "-s", "train.epochs=4", "--max-steps", 7).err
    without = ("-s", "train.schedule=null", "-s", "train.epochs=5", "--max-steps", 7)
    said = done("resume", run, *without).err
    assert "the run ends at another epoch; from here" in said and "bends" not in said


# Back to the best.


def test_back_to_the_best(finished: Path, tmp_path: Path) -> None:
    run = copy(finished, tmp_path / "run")
    best = newest(run).meta.progress.best
    assert best
    for step, path in RunDir(run).step_files():
        if step <= best.step:
            path.unlink()
    ran = done("resume", run, "--from", "best", "--max-steps", best.step)
    assert (
        f"going back to the best model, of step {best.step}; what came later gives way" in ran.err
    )
    assert steps_kept(run) == [best.step]
    assert {line["step"] for line in lines(run)} <= set(range(best.step + 1))
    assert RunDir(run).best.read_bytes() == RunDir(run).step_file(best.step).read_bytes()
    assert list((run / "checkpoints").glob("*.rejected"))
    done("resume", run)
    assert results(run) == results(finished)


def test_back_to_a_best_that_there_is_not(finished: Path, half: Path, tmp_path: Path) -> None:
    lost = copy(finished, tmp_path / "lost")
    best = newest(lost).meta.progress.best
    assert best
    RunDir(lost).best.unlink()
    RunDir(lost).step_file(best.step).unlink(missing_ok=True)
    new = tmp_path / "new"
    trained(tmp_path / "n", plain_spec(every={"log": 2, "evaluate": None, "save": 4}))
    copy(tmp_path / "n" / "run", new)
    for run, why in (
        (lost, f"step {best.step} is lost"),
        (new, "no evaluation was the best one yet"),
    ):
        before = results(run)
        ran = command("resume", run, "--from", "best")
        assert ran.code == 8
        assert (
            f"[RUN_NO_BEST] there is no best.h5 to go back to: {why} (leave out --from best)"
            in ran.err
        )
        assert results(run) == before


@pytest.mark.parametrize(
    "options",
    [
        ["-s", "train.seed=9"],
        ["-s", "train.optimizer.lrr=1"],
        ["--data-root", "/nowhere"],
        ["--max-memory", "1KB"],
    ],
    ids=str,
)
def test_a_refused_way_back_changes_nothing(
    finished: Path, tmp_path: Path, options: list[str]
) -> None:
    run = going_back(finished, tmp_path)
    before = contents(run)
    assert command("resume", run, "--from", "best", *options).code != 0
    assert contents(run) == before


def contents(run: Path) -> dict[Path, bytes]:
    """Return every file of a run but the lock, which knows who had it last."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "run.lock")
    return {path: path.read_bytes() for path in files}


def going_back(finished: Path, tmp_path: Path) -> Path:
    """Return a run whose best step is not its last, with the checkpoints of both."""
    run = copy(finished, tmp_path / "run")
    best = newest(run).meta.progress.best
    assert best and best.step < newest(run).meta.progress.step
    RunDir(run).step_file(best.step).write_bytes(RunDir(run).best.read_bytes())
    return run


def test_back_to_the_best_though_its_step_file_is_damaged(finished: Path, tmp_path: Path) -> None:
    run = going_back(finished, tmp_path)
    best = newest(run).meta.progress.best.step
    RunDir(run).step_file(best).write_bytes(b"junk")
    done("resume", run, "--from", "best", "--max-steps", best)
    assert newest(run).meta.progress.step == best
    for step, path in RunDir(run).step_files():
        path.write_bytes(f"junk {step}".encode())
    done("resume", run, "--from", "best", "--max-steps", best)
    assert newest(run).meta.progress.step == best
    done("resume", run)
    assert results(run) == results(finished)


def test_back_to_the_best_that_the_newest_checkpoint_knows(finished: Path, tmp_path: Path) -> None:
    """A kill between step file and best.h5 leaves an older best.h5."""
    run = going_back(finished, tmp_path)
    best = newest(run).meta.progress.best.step
    RunDir(run).best.write_bytes(b"older")
    done("resume", run, "--from", "best", "--max-steps", best)
    assert newest(run).meta.progress.step == best


def test_a_run_that_goes_back_keeps_what_was_changed(finished: Path, tmp_path: Path) -> None:
    run = going_back(finished, tmp_path)
    done("resume", run, "-s", "train.optimizer.lr=0.001", "-s", "train.epochs=4", "--max-steps", 16)
    ran = done("resume", run, "--from", "best")
    assert "train.optimizer.lr: 0.02 -> 0.001: later updates use the new rate" in ran.err
    assert newest(run).meta.spec["train"]["optimizer"]["lr"] == 0.001
    assert newest(run).meta.progress.epoch == 4


def test_what_is_rejected_twice_is_kept_twice(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for content in (b"a", b"b", b"c"):
        run.best.write_bytes(content)
        run.reject(run.best)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {
        "best.h5.rejected": b"a",
        "best.h5.rejected-2": b"b",
        "best.h5.rejected-3": b"c",
    }


# Changes.


def test_a_new_schedule_starts_from_its_own_beginning(half: Path, tmp_path: Path) -> None:
    """Whatever the run had before, the rates are those of a schedule that begins at step 7."""
    halving = 'train.schedule={"type": "step", "every": 2, "per": "step", "multiply": 0.5}'
    run = copy(half, tmp_path / "run")
    ran = done("resume", run, "-s", halving, "-s", "train.every.log=1")
    assert ran.err.count("train.schedule") == 1
    rates = {line["step"]: line["lr"] for line in lines(run)}
    for step in range(8, 16):
        assert rates[step] == 0.02 * 0.5 ** ((step - 8) // 2)
    again = copy(half, tmp_path / "again")
    done("resume", again, "-s", halving, "-s", "train.every.log=1", "--max-steps", 10)
    done("resume", again)
    assert results(again) == results(run)


def test_a_schedule_over_the_run_bends_from_where_it_began() -> None:
    progress = Progress(step=205, epoch=1, window=100, scheduled=100)
    moment = progress.moment(105, 3)
    assert moment == Moment(105, 1.0, 215, 215 / 105)
    unbent = Progress(step=205, epoch=1, window=100).moment(105, 3)
    assert unbent == Moment(205, 1 + 100 / 105, 315, 3)


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ("train.optimizer.lr=0.001", "train.optimizer.lr: 0.02 -> 0.001: later updates use"),
        ("train.optimizer.weight_decay=0.1", "later updates use the new decay"),
        ("train.clip.norm=0.1", "later gradients are bounded otherwise"),
        ("train.schedule.multiply=0.1", "later updates use the new options"),
        (
            'train.schedule={"type": "constant"}',
            '"stall" -> "constant": it starts from its own beg',
        ),
        ("train.schedule=null", '"stall" -> null: it starts from its own beginning, at the next'),
        ("train.every.save=1", "come at other steps"),
        ("train.keep=5", "another number of checkpoints is kept"),
        ("train.stop.patience=3", "after another number of evaluations"),
        ("evaluate.streams=2", "do not compare with earlier ones"),
    ],
)
def test_an_allowed_change_is_told_and_outlives_a_kill(
    half: Path, finished: Path, tmp_path: Path, change: str, meaning: str
) -> None:
    run = copy(half, tmp_path / "run")
    ran = done("resume", run, "-s", change, "--max-steps", "7")
    assert meaning in ran.err and "another run" in ran.err
    assert json.loads((run / "run.json").read_text())["resumes"][-1]["step"] == 7
    key, value = change.split("=")
    kept = newest(run).meta.spec
    for part in key.split("."):
        kept = kept[part]
    assert kept == json.loads(value)
    again = done("resume", run)
    assert meaning not in again.err, "it is told once"
    if "lr" in change:
        assert {line["lr"] for line in lines(run)[-2:]} != {
            line["lr"] for line in lines(finished)[-2:]
        }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("model.layers[0].units=7", "the stored parameters and hidden state have the shapes"),
        ("train.streams=2", "the hidden state has one row for each stream"),
        ("train.window=3", "the position in the data is counted in windows"),
        ('data.path="other.txt"', "the stored position and vocabulary belong to the old data"),
        ("data.limit=80", "the stored position and vocabulary belong to the old data"),
        ('train.optimizer={"type": "sgd", "lr": 0.1}', "the stored moments belong to the optim"),
        ("train.optimizer.betas=[0.5, 0.5]", "the stored moments belong to the optimizer"),
        ("train.seed=4", "every random number follows from the seed"),
        ('train.state.reset="window"', "the hidden state was carried under the old policy"),
        ("train.best.metric=valid_accuracy", "the best so far was chosen by the old metric"),
        ("name=other", "it belongs to the run that was started"),
        ("model.loss.reduction=sum_time", "the stored parameters"),
    ],
)
def test_a_change_that_is_refused(half: Path, tmp_path: Path, change: str, reason: str) -> None:
    run = copy(half, tmp_path / "run")
    before = results(run)
    ran = command("resume", run, "-s", change)
    assert ran.code == 8, ran.err
    assert "[CKPT_SPEC_MISMATCH]" in ran.err and reason in ran.err and "start a new run" in ran.err
    assert results(run) == before
    assert (run / "spec.json").read_bytes() == (half / "spec.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train.optimizer.type=sgd", '"adam" -> "sgd" cannot change on a resume: the stored mom'),
        (
            'train.optimizer={"type": "rmsprop", "lr": 0.5}',
            '"adam" -> "rmsprop" cannot change on a resume: the stored moments belong',
        ),
        ('model.layers[1].type="gru"', '"lstm" -> "gru" cannot change on a resume: the stored'),
    ],
)
def test_a_type_whose_options_do_not_fit_is_refused_for_itself(
    half: Path, tmp_path: Path, change: str, said: str
) -> None:
    run = copy(half, tmp_path / "run")
    ran = command("resume", run, "-s", change)
    assert ran.code == 8
    (line,) = ran.err.splitlines()
    block = change.partition("=")[0].removesuffix(".type")
    assert f"[CKPT_SPEC_MISMATCH] {block}.type: {said}" in line
    ran = command("resume", run, "-s", "train.optimizer.momentun=0.5")
    assert ran.code == 3 and "[SPEC_UNKNOWN_KEY] train.optimizer.momentun" in ran.err


def test_a_changed_spec_is_refused_where_it_should_continue(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    spec = half.parent / "spec.json"
    for change in ("train.seed=4", "model.layers[0].units=7", 'data.path="other.txt"'):
        ran = command("run", spec, "--out", run, "--resume", "must", "-s", change)
        assert ran.code == 8 and "[CKPT_SPEC_MISMATCH]" in ran.err, ran.err
    done("run", spec, "--out", run, "--resume", "must", "-s", "train.keep=3", "--max-steps", 8)


def test_all_refused_changes_at_once(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    ran = command("resume", run, "-s", "train.seed=9", "-s", "train.streams=2")
    assert ran.code == 8 and "train.seed: 3 -> 9" in ran.err and "train.streams" in ran.err


@pytest.mark.parametrize(
    "content", [text(85, seed=1), text(84), text(85) + "#", text(85)[:-1] + "Z"]
)
@pytest.mark.parametrize("saved", [True, False])
def test_other_data_is_refused(tmp_path: Path, content: str, saved: bool) -> None:
    run = trained(tmp_path, small_spec(), "--max-steps", "7")
    if not saved:
        unsaved(run)
    (tmp_path / "text.txt").write_text(content)
    ran = command("resume", run)
    assert ran.code == 5 and "[DATA_CHANGED]" in ran.err, ran.err
    assert ran.err.count("SHA-256") == 1 and " then, " in ran.err and " now " in ran.err


def test_data_that_is_gone(tmp_path: Path) -> None:
    run = trained(tmp_path, small_spec(), "--max-steps", "7")
    (tmp_path / "text.txt").rename(tmp_path / "moved.txt")
    assert command("resume", run).code == 5
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved.txt").rename(tmp_path / "elsewhere" / "text.txt")
    done("resume", run, "--data-root", tmp_path / "elsewhere")
    assert newest(run).meta.progress.finished


# What a kill or an accident leaves.


@pytest.mark.parametrize("kept", [0, 1, None])
def test_lines_that_are_lost_are_told(
    half: Path, finished: Path, tmp_path: Path, kept: int | None
) -> None:
    run = copy(half, tmp_path / "run")
    whole = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    wanted = newest(run).meta.progress.lines
    assert wanted == len(whole) == 4
    if kept is None:
        (run / "metrics.jsonl").unlink()
    else:
        (run / "metrics.jsonl").write_bytes(b"".join(whole[:kept]) + whole[kept][:-5])
    refused = command("resume", run, "--exact")
    said = f"holds {kept or 0} whole lines, but the checkpoint was saved after 4 ("
    assert refused.code == 8
    assert (
        f"metrics.jsonl [RUN_METRICS] --exact: {said}bring the file back, or go on" in refused.err
    )
    assert not json.loads((run / "run.json").read_text())["resumes"]
    first = done("resume", run, "--max-steps", 7)
    assert f"metrics.jsonl [RUN_METRICS] {said}it goes on without the lost ones; from" in first.err
    again = done("resume", run)
    assert "RUN_METRICS" not in again.err, "it is told once"
    assert lines(run) == lines(finished)[: kept or 0] + lines(finished)[4:]
    found, other = newest(run), newest(finished)
    assert found.meta.progress.lines == len(lines(run)) < other.meta.progress.lines
    assert found.arrays.keys() == other.arrays.keys()
    assert all((found.arrays[name] == other.arrays[name]).all() for name in other.arrays)


def test_lines_after_the_checkpoint_are_cut(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    for name in ("metrics.jsonl", "times.jsonl"):
        with open(run / name, "ab") as file:
            file.write(b'{"step": 8}\n{"step": 10}\n{"torn')
    done("resume", run)
    assert results(run) == results(finished)


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "bit":
        data[len(data) // 2] ^= 1
    if how == "cut":
        del data[len(data) // 2 :]
    if how == "empty":
        data.clear()
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["bit", "cut", "empty"])
def test_a_damaged_newest_checkpoint_is_renamed(
    half: Path, finished: Path, tmp_path: Path, how: str
) -> None:
    run = copy(half, tmp_path / "run")
    assert steps_kept(run) == [5, 7] or steps_kept(run) == [4, 7]
    last = RunDir(run).step_file(7)
    damage(last, how)
    assert command("resume", run, "--strict").code == 6
    assert last.exists(), "--strict touches nothing"
    ran = done("resume", run)
    assert "[CKPT_" in ran.err and "renamed to step-000000000007.h5.rejected" in ran.err
    assert last.with_name(last.name + ".rejected").exists()
    assert results(run) == results(finished)


def test_with_every_checkpoint_damaged_the_run_goes_on_from_its_best_when_asked(
    half: Path, finished: Path, tmp_path: Path
) -> None:
    run = copy(half, tmp_path / "run")
    for _, path in RunDir(run).step_files():
        damage(path, "bit")
    before, best = results(run), load_snapshot(run / "best.h5").meta.progress.step
    ran = command("resume", run)
    assert ran.code == 6 and ran.err.count("[CKPT_HASH]") == 2
    assert (
        f"{run}/checkpoints [RUN_NO_CHECKPOINT] none of its step files can be used: there is "
        f"nothing to go on from (bring it back; or go on from best.h5, of step {best}: "
        f"rnnkit resume {run} --from best; or start the run anew: rnnkit run with --force)"
    ) in ran.err
    assert results(run) == before
    damage(run / "best.h5", "bit")
    for option in ((), ("--from", "best")):
        ran = command("resume", run, *option)
        assert ran.code == 6 and "go on from best.h5" not in ran.err
    shutil.copyfile(half / "best.h5", run / "best.h5")
    done("resume", run, "--from", "best")
    assert results(run) == results(finished)


def test_a_run_killed_before_its_first_checkpoint(
    half: Path, finished: Path, tmp_path: Path
) -> None:
    run = unsaved(copy(half, tmp_path / "run"))
    told(command("resume", run, "--from", "best"), 8, "[RUN_NO_BEST] there is no best.h5")
    done("resume", run)
    assert results(run) == results(finished)


@pytest.mark.parametrize(
    "left", [[], ["spec.original.json"], ["spec.original.json", "run.json"], ["checkpoints"]]
)
def test_a_start_that_was_killed_can_be_repeated(
    finished: Path, tmp_path: Path, left: list[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    for name in ["run.lock", *left]:
        if name == "checkpoints":
            (run / name).mkdir(mode=0o700)
        else:
            (run / name).write_text("{}")
    (run / f".spec.json.{os.getpid()}.{'0' * 16}.tmp").write_text("{")
    done("run", finished.parent / "spec.json", "--out", run, "--resume", "auto")
    assert results(run) == results(finished)
    assert not list(run.glob(".*.tmp"))


def test_a_folder_with_something_else_in_it_is_refused(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    ran = command("run", finished.parent / "spec.json", "--out", tmp_path / "run")
    assert ran.code == 8 and "[RUN_EXISTS]" in ran.err
    assert command("run", finished.parent / "spec.json", "--out", finished).code == 8
    assert command("resume", tmp_path / "run").code == 8
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_temporary_files_of_a_killed_run_are_swept(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    stale = [run / f".best.h5.1.{'a' * 16}.tmp", run / "checkpoints" / f".x.h5.1.{'b' * 16}.tmp"]
    for path in stale:
        path.write_bytes(b"half")
    done("resume", run, "--max-steps", "7")
    assert not any(path.exists() for path in stale)


# best.h5.


def best_spec() -> JSONObject:
    """Return a spec whose best evaluation is the first, so that best.h5 is never written again."""
    return plain_spec(
        optimizer={"type": "sgd", "lr": 20.0},
        clip=None,
        every={"log": 2, "evaluate": 2, "save": 1},
    )


def first_is_best(folder: Path, *options: object) -> Path:
    run = trained(folder, best_spec(), *options)
    best = newest(run).meta.progress.best
    assert best is not None and best.step == 2
    return run


def test_a_kill_between_step_file_and_best(tmp_path: Path) -> None:
    whole = first_is_best(tmp_path / "whole")
    run = first_is_best(tmp_path / "part", "--max-steps", "2")
    (run / "best.h5").unlink()
    done("resume", run)
    assert results(run) == results(whole)


def test_a_lost_best_is_told(tmp_path: Path) -> None:
    run = first_is_best(tmp_path, "--max-steps", "9")
    (run / "best.h5").unlink()
    ran = done("resume", run)
    assert "the best model, of step 2, is lost" in ran.err
    assert not (run / "best.h5").exists()


@pytest.mark.parametrize("kind", ["later", "damaged", "foreign"])
def test_a_best_of_another_state_is_renamed(tmp_path: Path, kind: str) -> None:
    run = first_is_best(tmp_path / "part", "--max-steps", "9")
    good = (run / "best.h5").read_bytes()
    if kind == "later":
        shutil.copyfile(RunDir(run).step_file(9), run / "best.h5")
    else:
        (run / "best.h5").write_bytes(good[:-1] if kind == "damaged" else b"PNG")
    ran = done("resume", run, "--max-steps", "9")
    assert "renamed to best.h5.rejected" in ran.err
    assert not (run / "best.h5").exists() and (run / "best.h5.rejected").exists()


def test_a_best_from_beyond_the_checkpoint_that_is_left(tmp_path: Path) -> None:
    spec = plain_spec(optimizer={"type": "sgd", "lr": 1.0})
    whole = trained(tmp_path / "whole", spec)
    run = trained(tmp_path / "part", spec, "--max-steps", "10")
    best = newest(run).meta.progress.best
    assert best is not None and best.step == 10, "the run still learns"
    damage(RunDir(run).step_file(10), "bit")
    ran = done("resume", run)
    assert "best.h5 is not of this state" in ran.err
    assert (run / "best.h5.rejected").exists()
    assert results(run) == results(whole)


def test_the_best_is_a_whole_checkpoint(finished: Path, tmp_path: Path) -> None:
    """best.h5 alone, as a step file, is a run to go on with."""
    best = load_snapshot(finished / "best.h5")
    step = best.meta.progress.step
    run = copy(finished, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    shutil.copyfile(run / "best.h5", RunDir(run).step_file(step))
    if step == STEPS:
        assert newest(run).meta == best.meta
    done("resume", run)
    assert results(run) == results(finished)


# One process at a time.


def test_a_run_in_use_is_refused(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    before = results(run)
    with RunLock(run):
        for arguments in (
            ("resume", run),
            ("run", half.parent / "spec.json", "--out", run, "--resume", "auto"),
            ("run", half.parent / "spec.json", "--out", run, "--force"),
        ):
            ran = command(*arguments)
            assert ran.code == 8 and "[RUN_LOCKED]" in ran.err and str(os.getpid()) in ran.err
    assert results(run) == before
    done("resume", run, "--max-steps", "8")


def test_of_two_resumes_at_once_one_goes_on(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    codes = []

    class Second:
        def __getattr__(self, name: str) -> Any:
            return lambda *a, **k: None

        def stepped(self, training: Any, update: Any, seconds: float) -> None:
            with np.errstate(all="warn", under="ignore"):
                codes.append(command("resume", run).code)

    resume(run, Registry(), RunOptions(reporter=Second()))  # type: ignore[arg-type]
    assert codes == [8] * 8
    assert results(run) == results(finished)
