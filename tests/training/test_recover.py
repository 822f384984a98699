"""A file of another run among the checkpoints of a run changes nothing of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import (
    command,
    copy,
    done,
    newest,
    plain_spec,
    results,
    small_spec,
    steps_kept,
    text,
    told,
    trained,
    unsaved,
)

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("finished"), small_spec())


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("half"), small_spec(), "--max-steps", 7)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints after step 10 of runs that differ in one thing."""
    folder = tmp_path_factory.mktemp("others")
    made = {
        "data": trained(folder / "d", small_spec(), "--max-steps", 10, content=text(85, seed=9)),
        "seed": trained(folder / "s", small_spec(seed=9), "--max-steps", 10),
        "model": trained(folder / "m", plain_spec(), "--max-steps", 10),
        "step": trained(folder / "t", small_spec(), "--max-steps", 9),
    }
    return {what: RunDir(run).step_files()[-1][1] for what, run in made.items()}


SAID = {
    "data": "is not of this run: trained on data of SHA-256 ",
    "seed": "is not of this run: train.seed is 9, in spec.json 3 (take it out of the run)",
    "model": "is not of this run: model.layers[0].units is 4, in spec.json 5 (take it",
    "step": "expected the state after step 10, received that after 9 (take it out of the run)",
}


@pytest.mark.parametrize("what", SAID)
def test_a_foreign_checkpoint_is_renamed(
    what: str, half: Path, finished: Path, others: dict[str, Path], tmp_path: Path
) -> None:
    run = copy(half, tmp_path / "run")
    foreign = RunDir(run).step_file(10)
    shutil.copyfile(others[what], foreign)
    before = (run / "metrics.jsonl").read_bytes(), (run / "best.h5").read_bytes()
    strict = command("resume", run, "--strict")
    assert strict.code == 6 and f"{foreign} [CKPT_OTHER_RUN] {SAID[what]}" in strict.err
    assert before == ((run / "metrics.jsonl").read_bytes(), (run / "best.h5").read_bytes())
    ran = done("resume", run)
    assert f"{foreign} [CKPT_OTHER_RUN] {SAID[what]}" in ran.err
    assert "renamed to step-000000000010.h5.rejected" in ran.err
    assert "best.h5" not in ran.err and "going on after step 7" in ran.err
    assert results(run) == results(finished)


def test_where_no_checkpoint_is_of_the_run_nothing_is_touched(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    spec = json.loads((run / "spec.json").read_text())
    spec["train"]["seed"] = 4
    (run / "spec.json").write_text(json.dumps(spec))
    before = results(run)
    ran = command("resume", run)
    assert ran.code == 6
    assert "[CKPT_OTHER_RUN] is not of this run: train.seed is 3, in spec.json 4" in ran.err
    assert results(run) == before and steps_kept(run)[-1] == 7


def test_a_foreign_best_is_replaced(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    best = newest(run).meta.progress.best
    assert best is not None
    other = trained(tmp_path / "other", small_spec(seed=9), "--max-steps", best.step)
    shutil.copyfile(RunDir(other).step_file(best.step), run / "best.h5")
    ran = done("resume", run, "--max-steps", 7)
    assert "best.h5" not in ran.err, "it is a copy of a step file, and nothing is lost"
    assert (run / "best.h5").read_bytes() == (half / "best.h5").read_bytes()


def test_a_spec_in_another_form_is_written_anew(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    spec = json.loads((run / "spec.json").read_text())
    del spec["train"]["keep"]  # an rnnkit before the key
    (run / "spec.json").write_text(json.dumps(spec))
    done("resume", run)
    assert results(run) == results(finished)
    assert (run / "spec.json").read_bytes() == (finished / "spec.json").read_bytes()


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "damaged"])
@pytest.mark.parametrize("name", ["best", "step", "older"])
def test_what_is_no_checkpoint_in_a_run_stops_no_resume(
    half: Path, finished: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """Nothing waits for a FIFO, and a best.h5 is never a copy of what does not verify."""
    run = copy(half, tmp_path / "run")
    steps = RunDir(run).step_files()
    best = newest(run).meta.progress.best
    assert best is not None and best.step == steps[0][0] < steps[1][0]
    path = {"best": run / "best.h5", "step": steps[1][1], "older": steps[0][1]}[name]
    if name == "older":
        (run / "best.h5").unlink()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes((half / "best.h5").read_bytes()[:-1])
    ran = done("resume", run)
    assert ("is lost; a better one replaces it" in ran.err) is (name == "older")
    whole, found = results(finished), results(run)
    assert found["metrics.jsonl"] == whole["metrics.jsonl"]
    assert found.get("best.h5") == (None if name == "older" else whole["best.h5"])
    assert newest(run).meta == newest(finished).meta


@pytest.mark.parametrize("left", ["nothing", "folder", "finished"])
def test_a_run_whose_checkpoints_were_deleted_does_not_begin_anew(
    half: Path, finished: Path, tmp_path: Path, left: str
) -> None:
    """It is refused before anything is changed, and may go on from its best."""
    run = copy(finished if left == "finished" else half, tmp_path / "run")
    if left == "nothing":
        shutil.rmtree(run / "checkpoints")
        what = "is missing"
    else:
        for _, path in RunDir(run).step_files():
            path.unlink()
        what = "was saved, but holds no step file any more"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    step = load_snapshot(run / "best.h5").meta.progress.step
    told(
        command("resume", run),
        8,
        f"{run}/checkpoints [RUN_NO_CHECKPOINT] {what}: there is nothing to go on from (bring it "
        f"back; or go on from best.h5, of step {step}: rnnkit resume {run} --from best; or start",
    )
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert {**after, run / "run.lock": b""} == {**before, run / "run.lock": b""}
    done("resume", run, "--from", "best")
    assert results(run) == results(finished)


def test_a_deleted_best_is_no_way_to_go_on(finished: Path, tmp_path: Path) -> None:
    run = unsaved(copy(finished, tmp_path / "run"))
    ran = command("resume", run, "--from", "best")
    told(ran, 8, "[RUN_NO_CHECKPOINT] ", "(bring it back; or start the run anew: rnnkit run with")


def test_an_edited_spec_is_told(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    spec = json.loads((run / "spec.json").read_text())
    spec["train"]["optimizer"]["lr"], spec["train"]["schedule"]["multiply"] = 0.5, 0.25
    (run / "spec.json").write_text(json.dumps(spec))
    first = done("resume", run, "--max-steps", 7)
    assert (
        f"{run}/spec.json [RUN_SPEC] is not the spec of the checkpoint: train.optimizer.lr: 0.02 "
        "-> 0.5; train.schedule.multiply: 0.5 -> 0.25; what the checkpoint has counts, and the "
        "file is written anew (a change is given to the resume: -s train.optimizer.lr=0.5)"
    ) in first.err
    assert "RUN_SPEC" not in done("resume", run).err, "it is told once"
    assert results(run) == results(finished)


def test_an_edit_that_is_asked_for_too_is_only_a_change(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    spec = json.loads((run / "spec.json").read_text())
    spec["train"]["epochs"] = 4
    (run / "spec.json").write_text(json.dumps(spec))
    ran = done("resume", run, "-s", "train.epochs=4", "--max-steps", 7)
    assert "train.epochs: 3 -> 4: the run ends at another epoch" in ran.err
    assert "RUN_SPEC" not in ran.err


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "is no spec any more: "),
        ('{"spec_version": 1}', "is no spec any more: "),
    ],
)
def test_a_spec_that_is_none_is_told(half: Path, tmp_path: Path, written: str, said: str) -> None:
    run = copy(half, tmp_path / "run")
    (run / "spec.json").write_text(written)
    ran = done("resume", run, "--max-steps", 7)
    assert f"{run}/spec.json [RUN_SPEC] {said}" in ran.err
    assert "; what the checkpoint has counts, and the file is written anew" in ran.err
    assert (run / "spec.json").read_bytes() == (half / "spec.json").read_bytes()


LINKED = ("metrics.jsonl", "times.jsonl", "best.h5", "run.json", "spec.json", "spec.original.json")


@pytest.mark.parametrize("name", [*LINKED, "step"])
def test_a_file_of_a_run_that_is_a_link_becomes_a_file(
    half: Path, finished: Path, tmp_path: Path, name: str
) -> None:
    run, elsewhere = copy(half, tmp_path / "run"), tmp_path / "elsewhere"
    path = RunDir(run).step_file(7) if name == "step" else run / name
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    ran = done("resume", run, "--max-steps", 8)
    assert (
        f"{path} [RUN_LINK] is a link to {elsewhere}: a copy takes its place, and nothing is "
        "written there (to keep a run elsewhere, make its folder there: --out)"
    ) in ran.err
    assert elsewhere.read_bytes() == before and not path.is_symlink()
    assert "[RUN_" not in done("resume", run).err, "it is told once"
    assert results(run) == results(finished)


def test_a_link_to_nothing_makes_nothing(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    (run / "times.jsonl").unlink()
    (run / "times.jsonl").symlink_to(tmp_path / "absent")
    ran = done("resume", run)
    assert f"is a link to {tmp_path}/absent: there is no such file; it is removed, and" in ran.err
    assert not (tmp_path / "absent").exists() and (run / "times.jsonl").is_file()


def test_a_folder_of_checkpoints_may_be_a_link(half: Path, finished: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    (run / "checkpoints").rename(tmp_path / "large")
    (run / "checkpoints").symlink_to(tmp_path / "large")
    assert "RUN_LINK" not in done("resume", run).err
    assert results(run) == results(finished) and (run / "checkpoints").is_symlink()
