"""rnnkit run and resume: every option, what goes to which stream, and where a run lands."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import command, copy, done, lines, plain_spec, process, small_spec, steps_kept, text
from helpers import write_spec as write

from rnnkit.files.lock import RunLock


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of 15 steps without a test split."""
    return write(tmp_path, plain_spec())


def test_results_go_to_stdout_and_the_rest_to_stderr(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"]["split"] = [0.7, 0.15, 0.15]
    value["evaluate"] = {"streams": 3}
    path = write(tmp_path, value, text(120))
    ran = done("run", path, "--out", tmp_path / "a run")
    best, test, model, follow = ran.out.splitlines()
    assert best.startswith("best valid_loss ")
    assert test.startswith("test  loss ") and "streams 3  window 4  start zero state" in test
    assert model == f"model  {tmp_path}/a run/best.h5"
    assert follow == f"next   rnnkit sample '{tmp_path}/a run'"
    said = ran.err.splitlines()
    assert said[0] == f"run directory: {tmp_path}/a run"
    assert said[1].startswith("3 streams x 27 characters, 6 windows of 4 an epoch; the state")
    assert said[-1].startswith("step     18  epoch 3.00  lr 0.1  norm ")


def test_a_folder_that_is_not_kept_is_not_named(tmp_path: Path) -> None:
    path = write(tmp_path, plain_spec())
    (tmp_path / "text.txt").unlink()
    ran = command("run", path, "--out", tmp_path / "run")
    assert ran.code == 5 and "run directory" not in ran.err
    assert not (tmp_path / "run").exists()


def test_the_test_split_is_for_the_finished_model_alone(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"]["split"] = [0.7, 0.15, 0.15]
    path = write(tmp_path, value, text(120))
    stopped = json.loads(
        done("run", path, "--out", tmp_path / "run", "--max-steps", 3, "--json").out
    )
    assert (stopped["reason"], stopped["step"], stopped["test"]) == ("steps", 3, None)
    assert stopped["model"].endswith("step-000000000003.h5")
    assert stopped["next"] == f"rnnkit resume {tmp_path}/run"
    ended = json.loads(done("resume", tmp_path / "run", "--json").out)
    assert ended["reason"] == "finished" and ended["test"]["loss"] > 0
    assert ended["model"] == f"{tmp_path}/run/best.h5"


def test_json_is_one_object(spec: Path, tmp_path: Path) -> None:
    ran = done("run", spec, "--out", tmp_path / "run", "--json")
    result = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert result["run"] == str(tmp_path / "run")
    assert (result["reason"], result["step"], result["test"]) == ("finished", 15, None)
    assert result["best"]["metric"] == "valid_loss"
    assert result["model"] == str(tmp_path / "run" / "best.h5")


def test_the_default_folder_counts(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("small-1", "small-2"):
        assert f"run directory: runs/{name}\n" in done("run", spec, "--max-steps", "1").err
    (tmp_path / "runs" / "small-9").mkdir()
    (tmp_path / "runs" / "small-x").mkdir()
    assert "run directory: runs/small-10\n" in done("run", spec, "--max-steps", "1").err


def test_steps_are_counted_in_all(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ran = done("run", spec, "--out", run, "--max-steps", "7")
    assert "step 7" in ran.out or "best" in ran.out
    assert ran.out.splitlines()[-1] == f"next   rnnkit resume {run}"
    assert steps_kept(run)[-1] == 7
    assert json.loads(done("resume", run, "--max-steps", "9", "--json").out)["step"] == 9
    assert json.loads(done("resume", run, "--max-steps", "9", "--json").out)["reason"] == "steps"
    assert json.loads(done("resume", run, "--json").out)["reason"] == "finished"
    again = done("resume", run)
    assert "nothing is left to do after step 15" in again.err


def test_an_override(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "-s", "train.epochs=1", "-s", "model.layers[1].units=3")
    stored = json.loads((run / "spec.json").read_text())
    assert stored["train"]["epochs"] == 1
    assert stored["model"]["layers"][1]["units"] == 3
    assert (run / "spec.original.json").read_bytes() == spec.read_bytes()
    wrong = command("run", spec, "--out", tmp_path / "other", "-s", "train.epochs=few")
    assert wrong.code == 3 and "train.epochs" in wrong.err
    assert not (tmp_path / "other").exists()


def test_a_change_on_resume_is_told(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", "5")
    ran = done("resume", run, "-s", "train.optimizer.lr=0.05")
    assert "train.optimizer.lr: 0.1 -> 0.05: later updates use the new rate" in ran.err
    assert lines(run)[-1]["lr"] == 0.05
    refused = command("resume", run, "-s", "model.layers[1].units=9")
    assert refused.code == 8
    assert "[CKPT_SPEC_MISMATCH] model.layers[1].units: 5 -> 9 cannot change" in refused.err


def test_the_data_root(spec: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "text.txt").rename(elsewhere / "text.txt")
    run = tmp_path / "run"
    assert command("run", spec, "--out", run).code == 5
    done("run", spec, "--out", run, "--data-root", elsewhere, "--max-steps", "2")
    done("resume", run, "--max-steps", "3")
    (elsewhere / "text.txt").rename(tmp_path / "text.txt")
    said = f"no such file; check the path; relative paths start at {elsewhere}, or where"
    for verb in ("resume", "eval"):
        ran = command(verb, run)
        assert ran.code == 5 and f"[DATA_NOT_FOUND] {said} --data-root says" in ran.err
    done("resume", run, "--data-root", tmp_path)


def test_a_folder_that_holds_a_run_is_refused(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", "2")
    before = {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}
    ran = command("run", spec, "--out", run)
    assert ran.code == 8
    assert f"{run} [RUN_EXISTS] is not empty (choose another --out, continue it" in ran.err
    assert before == {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}


def test_force_renames_it(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "[run]"
    done("run", spec, "--out", run, "--max-steps", "2")
    for number in (1, 2):
        ran = done("run", spec, "--out", run, "--max-steps", "3", "--force")
        assert f"moved {run} to {tmp_path}/[run].old-{number}" in ran.err
    assert steps_kept(tmp_path / "[run].old-1") == [2]
    assert steps_kept(tmp_path / "[run].old-2") == [3]


def test_force_leaves_a_run_in_use_alone(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", "2")
    with RunLock(run):
        assert command("run", spec, "--out", run, "--force").code == 8
    assert steps_kept(run) == [2]


def test_force_in_a_new_folder(spec: Path, tmp_path: Path) -> None:
    assert "moved" not in done("run", spec, "--out", tmp_path / "new", "--force").err


def test_resume_auto_and_must(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    must = command("run", spec, "--out", run, "--resume", "must")
    assert must.code == 8 and "[RUN_NOT_FOUND] holds no run" in must.err
    assert not run.exists()
    done("run", spec, "--out", run, "--resume", "auto", "--max-steps", "2")
    ran = done("run", spec, "--out", run, "--resume", "auto", "--max-steps", "4")
    assert "going on after step 2" in ran.err
    assert "going on after step 4" in done("run", spec, "--out", run, "--resume", "must").err
    other = command("run", spec, "--out", run, "--resume", "auto", "-s", "train.seed=9")
    assert other.code == 8 and "train.seed: 3 -> 9 cannot change on a resume" in other.err


def test_out_that_is_a_file(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for options in ([], ["--force"]):
        ran = command("run", spec, "--out", tmp_path / "file", *options)
        assert ran.code == 74 and f"{tmp_path}/file [IO_ERROR]" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_threads(spec: Path, tmp_path: Path) -> None:
    done("run", spec, "--out", tmp_path / "run", "--threads", "1", "--max-steps", "2")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["numerics"]["threads"] == 1


def test_exact_refuses_other_arithmetic(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", "2")
    done("resume", run, "--exact", "--max-steps", "3")
    monkeypatch.setattr("rnnkit.compute.numerics._probe", lambda: "another")
    ran = command("resume", run, "--exact")
    assert ran.code == 8 and "[EXACT_ENV] --exact: the arithmetic here is not that" in ran.err
    assert "the resumed run can no longer be bit-identical" in done("resume", run).err


def test_strict_refuses_a_damaged_newest(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", "9")
    newest = run / "checkpoints" / "step-000000000009.h5"
    newest.write_bytes(newest.read_bytes()[:-1])
    strict = command("resume", run, "--strict")
    assert strict.code == 6 and f"{newest} [CKPT_TRUNCATED]" in strict.err
    assert newest.exists()
    ran = done("resume", run)
    assert "[CKPT_TRUNCATED]" in ran.err and "renamed to" in ran.err


def test_no_time_left(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "a run"
    ran = command("run", spec, "--out", run, "--max-time", "0.000001s", "--json")
    assert ran.code == 10
    (problem,) = json.loads(ran.out)["error"]["problems"]
    assert problem["code"] == "TIME_LIMIT"
    assert problem["message"] == f"saved at step 0; continue with: rnnkit resume '{run}'"
    assert steps_kept(run) == [0]
    assert "[TIME_LIMIT]" in ran.err
    done("resume", run, "--max-time", "2h")


def test_a_budget_of_memory(spec: Path, tmp_path: Path) -> None:
    ran = command("run", spec, "--out", tmp_path / "run", "--max-memory", "2KB")
    assert ran.code == 10
    assert "[MEM_BUDGET] training needs " in ran.err and "the budget is 2 KB" in ran.err
    assert not (tmp_path / "run").exists()
    least = command("run", spec, "--out", tmp_path / "run", "--max-memory", "0.1B")
    assert least.code == 10 and f"{tmp_path}/run [MEM_BUDGET]" in least.err
    assert "the budget is 0 B" in least.err
    done("run", spec, "--out", tmp_path / "run", "--max-memory", "1 GB", "--max-steps", "1")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--max-memory", "9" * 400 + "GB", "expected a size such as 500MB or 4GB, received '999"),
        ("--max-memory", "0B", "expected a size such as 500MB or 4GB, received '0B'"),
        ("--max-time", "9" * 5000, "expected a time such as 90s, 30m or 2h, received '999"),
        ("--threads", "9" * 20, "9" * 20 + " is not in the range 1<=x<=1024"),
    ],
)
def test_numbers_beyond_everything(option: str, value: str, said: str, spec: Path) -> None:
    ran = command("run", spec, "--out", spec.parent / "run", option, value)
    assert ran.code == 2 and f"Invalid value for '{option}': {said}" in ran.err


def test_a_huge_model_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    value = plain_spec()
    cells = [{"type": "lstm", "units": 65536}] * 62
    value["model"]["layers"] = [{"type": "embedding", "units": 65536}, *cells, {"type": "affine"}]
    path = write(tmp_path, value)
    for line in (["run", path, "--out", tmp_path / "run"], ["check", path, "--data"]):
        ran = command(*line)
        assert ran.code == 10
        where = path if line[0] == "check" else tmp_path / "run"
        assert ran.err.splitlines()[-1].startswith(f"{where} [MEM_BUDGET] training needs ")
        assert "TB (parameters " in ran.err
        assert "Traceback" not in ran.err
    assert not (tmp_path / "run").exists()
    assert json.loads(done("explain", path, "--json").out)["parameters"] > 10**12


def test_the_bar_is_drawn_on_a_terminal_only(spec: Path, tmp_path: Path) -> None:
    outside, inside = pty.openpty()
    program = "import sys; from rnnkit.cli import main; main(sys.argv[1:])"
    arguments = ["run", spec, "--out", tmp_path / "run"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=inside,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as child:
        os.close(inside)
        drawn = b"".join(iter(lambda: _read(outside), b""))
        out = child.stdout.read() if child.stdout else b""
    os.close(outside)
    assert child.returncode == 0
    assert b"\x1b[" in drawn and "━".encode() in drawn and b"characters/s" in drawn
    assert out.startswith(b"best valid_loss") and b"\x1b" not in out
    plain = process(["run", spec, "--out", tmp_path / "plain"])
    assert "\x1b" not in plain.stderr + plain.stdout and "━" not in plain.stderr


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""


def test_verbose_alone_shows_where(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").unlink()
    quiet = command("run", spec, "--out", tmp_path / "run")
    loud = command("run", spec, "--out", tmp_path / "run", "-v")
    assert quiet.code == loud.code == 5
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err and loud.err.endswith(quiet.err.splitlines()[-1] + "\n")


def test_a_copied_run_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, small_spec())
    done("run", path, "--out", tmp_path / "run", "--max-steps", "4")
    done("resume", copy(tmp_path / "run", tmp_path / "copy"), "--max-steps", "6")
    assert steps_kept(tmp_path / "copy")[-1] == 6
    assert steps_kept(tmp_path / "run")[-1] == 4
