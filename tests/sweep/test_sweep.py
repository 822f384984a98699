"""Many models of one spec: what is tried, by whom, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import JSONObject, command, done, plain_spec, process, results, text, told
from stubs import cell, install

pytest.importorskip("optuna", reason="needs Optuna (pip install 'rnnkit[sweep]')")

SPACE = {
    "train.optimizer.lr": {"low": 1e-3, "high": 1.0, "log": True},
    "model.layers[1].units": {"low": 2, "high": 9},
    "model.layers[1].type": {"choices": ["rnn", "gru"]},
}
RATES = {"train.optimizer.lr": {"low": 1e-3, "high": 1.0, "log": True}}
CODES = r"\[SPEC_[A-Z_]+\]"


def written(folder: Path, **changes: Any) -> Path:
    """Write a sweep, its spec and its text into a folder; return the path of the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_text(text(300))
    (folder / "base.json").write_text(json.dumps(plain_spec()))
    sweep = {"spec": "base.json", "space": SPACE, "trials": 6, **changes}
    path = folder / "sweep.json"
    path.write_text(json.dumps({k: v for k, v in sweep.items() if v is not None}))
    return path


def trials(out: Path) -> list[JSONObject]:
    """Return what `show` says of each trial."""
    found: list[JSONObject] = json.loads(done("sweep", "show", out, "--json").out)["trials"]
    return found


def test_a_sweep_finds_the_best_and_its_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    path, out = written(tmp_path, pruner={"type": "none"}), tmp_path / "out"
    ran = done("sweep", path, "--out", out)
    found = trials(out)
    assert [each["state"] for each in found] == ["finished"] * 6
    assert len({json.dumps(each["values"]) for each in found}) == 6
    best = min(found, key=lambda each: each["score"])
    assert f"best valid_loss {best['score']:.4g} in trial {best['trial']} of 6" in ran.out
    assert [each["trial"] for each in found if each["best"]] == [best["trial"]]
    for each in found:
        lines = (Path(each["run"]) / "metrics.jsonl").read_text().splitlines()
        losses = [json.loads(line).get("valid_loss") for line in lines]
        assert each["score"] == min(loss for loss in losses if loss is not None)
        layer = json.loads((Path(each["run"]) / "spec.json").read_text())["model"]["layers"][1]
        assert layer["units"] == each["values"]["model.layers[1].units"]
        assert layer["type"] == each["values"]["model.layers[1].type"]
    (tmp_path / "best.json").write_text(done("sweep", "best", out).out)
    done("run", tmp_path / "best.json", "--out", tmp_path / "again", "--data-root", tmp_path)
    assert results(tmp_path / "again") == results(Path(best["run"]))
    assert done("sweep", path, "--out", out).err.count("trial ") == 0
    assert len(trials(out)) == 6


def test_it_is_the_same_sweep_again(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        done("sweep", written(tmp_path / name), "--out", tmp_path / name / "out")
        found.append(
            [(t["values"], t["score"], t["state"]) for t in trials(tmp_path / name / "out")]
        )
    assert found[0] == found[1]
    other = tmp_path / "other"
    done("sweep", written(other, seed=2), "--out", other / "out")
    assert [t["values"] for t in trials(other / "out")] != [values for values, _, _ in found[0]]


def test_what_a_signal_stopped_goes_on_exactly(tmp_path: Path) -> None:
    for name in ("whole", "part"):
        written(tmp_path / name, trials=3)
    whole = process(["sweep", tmp_path / "whole/sweep.json", "--out", tmp_path / "whole/out"])
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "part" / "out"
    line = [sys.executable, "-m", "rnnkit.cli", "sweep", "sweep.json", "--out", str(out)]
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    ran = subprocess.Popen(line, cwd=tmp_path / "part", stderr=pipe, text=True, env=one_thread)
    wait_for(out / "trials" / "0001" / "run.json")
    ran.send_signal(signal.SIGTERM)
    _, err = ran.communicate(timeout=60)
    if ran.returncode:  # else it was done before
        assert ran.returncode == 143
        assert "[INTERRUPTED] the trial at hand is saved; the same command goes on with it" in err
    assert process(["sweep", tmp_path / "part" / "sweep.json", "--out", out]).returncode == 0
    for one, other in zip(trials(tmp_path / "whole" / "out"), trials(out), strict=True):
        assert one["values"] == other["values"]
        assert results(Path(one["run"])) == results(Path(other["run"]))


@pytest.mark.parametrize("storage", [(), ("--storage", "sqlite:///{folder}/a.db")])
def test_workers_are_told_what_the_command_was(
    storage: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[list[str], dict[str, object]]] = []

    class Worker:
        def __init__(self, line: list[str], **options: object) -> None:
            lines.append((line[3:], options))

        def wait(self) -> int:
            return len(lines) + 1

    monkeypatch.setattr(subprocess, "Popen", Worker)
    path, out = written(tmp_path), tmp_path / "out"
    given = [each.format(folder=tmp_path) for each in storage]
    asked = ("--workers", 2, "--threads", 3, "--data-root", tmp_path, *given)
    assert command("sweep", path, "--out", out, *asked).code == 3
    wanted = ["sweep", "run", str(path), "--out", str(out), "--threads", "3", *given]
    wanted += ["--data-root", str(tmp_path)]
    assert [line for line, _ in lines] == [wanted] * 2
    for number, (_, options) in enumerate(lines):
        told = {**os.environ, "RNNKIT_WORKER": str(number)}
        assert options == {"stdout": subprocess.DEVNULL, "env": told}


@pytest.mark.parametrize(("processors", "threads"), [(1, "1"), (5, "2"), (8, "4")])
def test_workers_share_the_processors(
    processors: int, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def started(line: list[str], **options: object) -> SimpleNamespace:
        asked.append(line[line.index("--threads") + 1])
        return SimpleNamespace(wait=lambda: 3)

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr("rnnkit.core.machine.processors", lambda: processors)
    command("sweep", written(tmp_path), "--out", tmp_path / "out", "--workers", 2)
    assert asked == [threads] * 2


def test_two_workers_killed_twice_leave_no_trial_behind(tmp_path: Path) -> None:
    path, out = written(tmp_path, trials=12, set={"train.epochs": 6}), tmp_path / "out"
    line = [sys.executable, "-m", "rnnkit.cli", "sweep", str(path), "--out", str(out)]
    line += ["--workers", "2"]
    for number in (1, 4):
        ran = subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL)
        wait_for(out / "trials" / f"{number:04d}" / "run.json")
        os.killpg(ran.pid, signal.SIGKILL)
        ran.wait(60)
    ended = process(line[3:])
    assert ended.returncode == 0, ended.stderr
    found = trials(out)
    assert len(found) == 12
    assert len({json.dumps(each["values"]) for each in found}) == 12
    assert {each["state"] for each in found} <= {"finished", "pruned"}
    best = next(each for each in found if each["best"])
    (tmp_path / "best.json").write_text(done("sweep", "best", out).out)
    done("run", tmp_path / "best.json", "--out", tmp_path / "again", "--data-root", tmp_path)
    assert results(tmp_path / "again") == results(Path(best["run"]))


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was never written")


def test_a_trial_of_another_package_goes_on_where_it_is_accepted(
    tmp_path: Path, site: Path
) -> None:
    install(site, cell())
    spec, sweep = plain_spec(), written(tmp_path, space=RATES, trials=1)
    spec["model"]["layers"][1] = {"type": "stub", "units": 5}
    (tmp_path / "base.json").write_text(json.dumps(spec))
    out = tmp_path / "out"
    done("run", tmp_path / "base.json", "--out", out / "trials" / "0000", "--max-steps", 2)
    (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").unlink()
    install(site, cell(forward="h = 0.5 * h"), distribution="rnnkit-even")
    refused = command("sweep", sweep, "--out", out)
    assert refused.code == 6 and "or go on with --accept-plugin" in refused.err
    accepted = done("sweep", sweep, "--out", out, "--accept-plugin")
    assert "it is now of rnnkit-even 1.0" in accepted.err
    assert [each["state"] for each in trials(out)] == ["finished"]


def test_a_copy_of_hard_links_keeps_its_trials(tmp_path: Path) -> None:
    path, out, other = written(tmp_path, trials=1), tmp_path / "out", tmp_path / "other"
    done("sweep", path, "--out", out)
    shutil.copytree(out, other, copy_function=os.link)
    files = [each for each in other.iterdir() if each.is_file() and each.suffix != ".lock"]
    kept = {each: each.read_bytes() for each in files}
    assert other / "journal.log" in kept
    done("sweep", written(tmp_path, trials=2), "--out", out)
    assert kept == {each: each.read_bytes() for each in kept}
    assert len(trials(out)) == 2


def test_a_pruned_trial_is_a_finished_run(tmp_path: Path) -> None:
    space = {"train.optimizer.lr": {"choices": [0.3, 0.2, 0.1, 1e-9]}}
    pruner = {"type": "median", "startup": 1}
    path = written(tmp_path, space=space, pruner=pruner, trials=12, sampler={"type": "random"})
    done("sweep", path, "--out", tmp_path / "out")
    pruned = [each for each in trials(tmp_path / "out") if each["state"] == "pruned"]
    assert pruned
    for each in pruned:
        run = Path(each["run"])
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
        assert "nothing is left to do" in done("resume", run).err
    assert not any(each["best"] for each in pruned)


def test_a_trial_that_diverges_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    space = {"train.clip": {"choices": [None, {"norm": 0.1}]}}
    path = written(tmp_path, space=space, trials=4, sampler={"type": "random"})
    spec = plain_spec(optimizer={"type": "sgd", "lr": 1e4}, epochs=1)
    spec["model"]["layers"][1]["activation"] = "relu"
    (tmp_path / "base.json").write_text(json.dumps(spec))
    ran = command("sweep", path, "--out", tmp_path / "out")
    failed = [each for each in trials(tmp_path / "out") if each["state"] == "failed"]
    assert all("[NUM_NONFINITE_" in each["error"] for each in failed) and failed
    assert f"trial {failed[0]['trial']} failed: " in ran.err


def test_a_changed_sweep_is_refused_with_what_changed(tmp_path: Path) -> None:
    path, out = written(tmp_path, trials=1), tmp_path / "out"
    done("sweep", path, "--out", out)
    written(tmp_path, trials=1, seed=5, metric="valid_perplexity")
    ran = command("sweep", path, "--out", out)
    told(ran, 8, f"{out} [SWEEP_CHANGED] was begun with another sweep: ")
    assert 'metric: "valid_loss" then, "valid_perplexity" now' in ran.err
    assert "seed: 1 then, 5 now (bring the file back, or choose another --out)" in ran.err
    written(tmp_path, trials=2)
    done("sweep", path, "--out", out)
    assert len(trials(out)) == 2
    ran = command("sweep", written(tmp_path, trials=1), "--out", out)
    told(ran, 8, "was begun with another sweep: trials: 2 then, 1 now (bring the file back")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 0}, "[SPEC_RANGE] trials: expected an integer from 1 to 1000000, received 0"),
        ({"trial": 3}, '[SPEC_UNKNOWN_KEY] trial: unknown key; did you mean "trials"?'),
        ({"space": {}}, "[SPEC_RANGE] space: "),
        ({"space": {"train.epochs": {"low": 3}}}, 'give "low" and "high", or "choices" alone'),
        ({"space": {"train.epochs": {"low": 3, "high": 2}}}, '"low" 3 is not below "high" 2'),
        ({"space": {"train.epochs": {"low": 2, "high": 2}}}, '"low" 2 is not below "high" 2'),
        ({"space": {"train.epochs": {"low": 0, "high": 2, "log": True}}}, 'needs a "low" above 0'),
        ({"space": {"train.epoch": {"choices": [1]}}}, "[SPEC_UNKNOWN_KEY] train.epoch: unknown"),
        (
            {"space": {"train.epochs": {"low": 1, "high": 9, "log": True, "step": 2}}},
            '"log" and "step" do not go together',
        ),
        ({"set": {"train.epochs": "x"}}, "[SPEC_TYPE] train.epochs: expected an integer"),
        ({"space": {"train.epochs": {"choices": ["x"]}}}, "[SPEC_TYPE] train.epochs: expected an"),
    ],
)
def test_what_is_wrong_has_its_place_in_the_sweep(
    changes: JSONObject, said: str, tmp_path: Path
) -> None:
    path = written(tmp_path, **changes)
    ran = command("sweep", path, "--out", tmp_path / "out")
    told(ran, 3, f"{path}:1:", said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("bass.json", "SPEC_NOT_FOUND", "no such file; check the path; did you mean {base}?"),
        ("there", "SPEC_NOT_REGULAR", "expected a regular file, received a folder; give the path "),
    ],
)
def test_a_spec_that_cannot_be_read_has_its_place(
    name: str, code: str, said: str, tmp_path: Path
) -> None:
    path = written(tmp_path, spec=name)
    (tmp_path / "there").mkdir()
    ran = command("sweep", path, "--out", tmp_path / "out")
    column = path.read_text().index(f'"{name}"') + 1
    said = said.format(base=tmp_path / "base.json")
    told(ran, 3, f"{path}:1:{column} [{code}] spec: {tmp_path}/{name}: {said}")
    (tmp_path / "base.json").write_text("{")
    told(command("sweep", written(tmp_path, spec=None)), 3, f"{path}:1:1 [SPEC_MISSING_KEY] spec")


def test_of_several_keys_the_wrong_one_has_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, space=RATES, set={"train.seed": 2, "train.epochs": "x"})
    column = path.read_text().index('"x"') + 1
    told(command("sweep", path), 3, f"{path}:1:{column} [SPEC_TYPE] train.epochs")


def test_the_trials_of_a_sweep_are_listed(tmp_path: Path) -> None:
    out = tmp_path / "sweeps" / "out"
    done("sweep", written(tmp_path, trials=2), "--out", out)
    runs = [str(out / "trials" / f"{number:04d}") for number in range(2)]
    for folder in (out, out / "trials", out.parent):
        found = json.loads(done("ls", folder, "--json").out)["runs"]
        assert sorted(row["run"] for row in found) == runs
    instead = f"; it holds 2 runs: give one, such as {runs[0]} (rnnkit ls {out})"
    told(command("plot", out), 8, f"{out} [RUN_NOT_FOUND] holds no run", instead)
    told(command("resume", out), 8, f"{out} [RUN_NOT_FOUND] holds no run", instead)
    told(command("eval", out), 6, f"{out} [CKPT_NOT_FOUND] holds no checkpoint{instead}")


def test_a_metric_that_is_never_measured_is_refused_before_a_trial(tmp_path: Path) -> None:
    path = written(tmp_path, set={"data.split": [0.9, 0, 0.1]})
    ran = command("sweep", path, "--out", tmp_path / "out")
    said = "metric: valid_loss needs a validation split, but there is train, test alone "
    said += '(give the data of base.json one, such as by its "split")'
    told(ran, 3, f"{path} [SPEC_INCONSISTENT] {said}")
    assert not (tmp_path / "out").exists()


def test_data_may_lie_elsewhere(tmp_path: Path) -> None:
    path, data = written(tmp_path, trials=1), tmp_path / "data"
    data.mkdir()
    (tmp_path / "text.txt").rename(data / "text.txt")
    told(command("sweep", path), 5, "text.txt [DATA_NOT_FOUND]")
    done("sweep", path, "--out", tmp_path / "out", "--data-root", data)
    assert [each["state"] for each in trials(tmp_path / "out")] == ["finished"]


def test_a_folder_without_a_sweep(tmp_path: Path) -> None:
    for verb in ("show", "best", "plot"):
        ran = command("sweep", verb, tmp_path)
        told(ran, 8, "[SWEEP_NOT_FOUND] holds no sweep (start one with rnnkit sweep FILE)")


def test_without_optuna_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    ran = command("sweep", written(tmp_path), "--out", tmp_path / "out")
    told(ran, 4, "[SWEEP_NO_OPTUNA] a sweep needs Optuna (pip install 'rnnkit[sweep]')")


def test_the_picture_has_a_panel_for_each_key(tmp_path: Path) -> None:
    path, out = written(tmp_path, trials=3), tmp_path / "out"
    told_of = done("sweep", path, "--out", out).err
    assert "trial 2: " in told_of and told_of.count("train.optimizer.lr=") == 3
    said = json.loads(done("sweep", "plot", out, "--json").out)
    drawn = said["panels"]
    assert said["out"] is None
    assert [panel["title"] for panel in drawn] == ["history", *SPACE]
    found = trials(out)
    history, best = drawn[0]["curves"]
    assert history["y"] == [each["score"] for each in found]
    assert best["y"] == [min(history["y"][: i + 1]) for i in range(3)]
    kinds = drawn[3]["curves"][0]
    wanted = sorted(
        (["rnn", "gru"].index(t["values"]["model.layers[1].type"]), t["score"]) for t in found
    )
    assert list(zip(kinds["x"], kinds["y"], strict=True)) == wanted
    assert drawn[3]["x"] == 'model.layers[1].type (0: "rnn", 1: "gru")'
    assert done("sweep", "plot", out).out.count("o") >= 6
