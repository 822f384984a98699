"""rnnkit show, check, explain, schema and doctor."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import command, copy, done, newest, plain_spec, rewritten, small_spec, trained
from helpers import write_spec as write

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.compute.blas_pins import PINS
from rnnkit.files.lock import RunLock
from rnnkit.inference.model import load


def test_show_a_run(tiny_run: Path) -> None:
    out = done("show", tiny_run).out
    assert f"checkpoint  {tiny_run}/best.h5" in out
    for said in ("small, by rnnkit 0.1.0", "valid_loss", "SHA-256", "finished"):
        assert said in out
    rows = [line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines()]
    keys = ["state", "best", "step", "newest", "next", "command", "model", "checkpoint"]
    assert [row[0] for row in rows] == keys
    assert rows[0][1] == "finished" and rows[1][1].startswith("valid_loss ")
    assert rows[4][1] == f"rnnkit sample {tiny_run}"
    assert rows[5][1].split()[0] == "rnnkit"
    assert [line.split()[0] for line in out.split("\n\n")[-1].splitlines()] == [
        "data",
        "arithmetic",
    ]
    assert "1.lstm/Wh" in out and "6x24" in out
    assert "adam                   rnnkit 0.1.0" in out


def test_show_as_json_is_what_the_file_holds(tiny_run: Path) -> None:
    shown = json.loads(done("show", tiny_run, "--json").out)
    model = load(tiny_run)
    stored = model.store.stored()
    found = {n.removeprefix("params/"): a for n, a in shown["arrays"].items() if n[:6] == "params"}
    assert found.keys() == stored.keys()
    for name, array in stored.items():
        assert tuple(found[name]["shape"]) == array.shape
        assert found[name]["norm"] == pytest.approx(np.linalg.norm(array.astype(np.float64)))
    assert shown["vocabulary"] == 6
    assert shown["run"]["status"] == "finished"
    step = newest(tiny_run).meta.progress.step
    file = tiny_run / "checkpoints" / f"step-{step:012d}.h5"
    bare = json.loads(done("show", file, "--json").out)
    assert (bare["run"], bare["progress"]["step"]) == ({}, step)
    assert {name.split("/")[0] for name in bare["arrays"]} == {"params", "optimizer", "state"}


def test_show_spec_is_what_the_run_holds(tiny_run: Path) -> None:
    for options in ([], ["--json"]):
        out = done("show", tiny_run, "--spec", *options).out
        assert out.encode() == (tiny_run / "spec.json").read_bytes()


def test_a_shown_spec_trains_again(tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    path.write_text(done("show", tiny_run, "--spec").out)
    done("run", path, "--out", tmp_path / "run", "--data-root", tiny_run.parent)
    assert (tmp_path / "run" / "best.h5").read_bytes() == (tiny_run / "best.h5").read_bytes()


def test_show_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    ran = command("show", tmp_path)
    assert ran.code == 6 and f"{tmp_path} [CKPT_NOT_FOUND] holds no checkpoint" in ran.err


def test_a_file_that_nobody_could_load_is_shown_and_refused(tiny_run: Path, tmp_path: Path) -> None:
    def reshaped(snapshot: Snapshot) -> Snapshot:
        arrays = {**snapshot.arrays, "params/1.lstm/b": np.zeros(3, np.float32)}
        return replace(snapshot, arrays=arrays)

    run = rewritten(tiny_run, tmp_path / "run", reshaped)
    ran = command("show", RunDir(run).step_files()[-1][1])
    assert ran.code == 6 and "1.lstm/b" in ran.out
    assert "[CKPT_ARRAY_MISMATCH] the arrays are not those of its spec: " in ran.err
    assert "params/1.lstm/b: expected 24 of float32, received 3 of float32" in ran.err


def test_show_of_a_run_that_goes_on(tmp_path: Path) -> None:
    value = plain_spec()
    value["name"] = "it's"[:2]
    path = write(tmp_path, value)
    done("run", path, "--out", tmp_path / "a run", "--max-steps", 3)
    shown = json.loads(done("show", tmp_path / "a run", "--json").out)
    assert shown["next"] == f"rnnkit resume '{tmp_path}/a run'"
    assert (shown["newest"], shown["run"]["status"]) == (3, "stopped")
    file = json.loads(done("show", shown["checkpoint"], "--json").out)
    assert file["next"] is None and file["run"] == {}
    assert "next" not in done("show", shown["checkpoint"]).out.split("\n\n")[0]


def test_show_compares_scores_and_specs(tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    path.write_text(done("show", tiny_run, "--spec").out)
    changed = ("-s", "train.epochs=1", "-s", "train.seed=7", "-s", "train.clip=null")
    done("run", path, "--out", tmp_path / "b", "--data-root", tiny_run.parent, *changed)
    ran = json.loads(done("show", tiny_run, tmp_path / "b", "--json").out)
    assert ran["differences"]["train.epochs"] == [3, 1]
    assert ran["differences"]["train.seed"][1] == 7
    assert ran["differences"]["train.clip.norm"][1] is None
    assert len(ran["differences"]) == 3
    out = done("show", tiny_run, tmp_path / "b").out
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["train.epochs"].split() == ["train.epochs", "3", "1"]
    assert rows["state"].split() == ["state", "finished", "finished"]
    assert done("show", tiny_run, tiny_run).out.endswith("the specs are equal\n")
    refused = command("show", tiny_run, tmp_path / "b", "--spec")
    assert refused.code == 2 and "--spec prints one spec: give one CHECKPOINT" in refused.err


def test_ls_lists_the_runs_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, small_spec())
    done("run", path, "--out", tmp_path / "runs" / "whole")
    done("run", path, "--out", tmp_path / "runs" / "cut", "--max-steps", 3)
    (tmp_path / "runs" / "notes").mkdir()
    damaged = copy(tmp_path / "runs" / "cut", tmp_path / "runs" / "damaged")
    (damaged / "run.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    rows = {row["run"]: row for row in json.loads(done("ls", "--json").out)["runs"]}
    assert list(rows) == ["runs/whole", "runs/cut", "runs/damaged"]
    whole, cut = rows["runs/whole"], rows["runs/cut"]
    best = newest(tmp_path / "runs" / "whole").meta.progress.best
    assert whole["best"] == best.model_dump()
    assert (whole["state"], cut["state"]) == ("finished", "stopped")
    assert (whole["step"], cut["step"]) == (newest(Path("runs/whole")).meta.progress.step, 3)
    assert whole["spec"] == cut["spec"] and len(whole["spec"]) == 8
    assert cut["best"] is None
    assert rows["runs/damaged"]["state"] == "RUN_FACTS"
    lines = done("ls", tmp_path / "runs").out.splitlines()
    assert lines[0].split() == ["run", "name", "spec", "state", "step", "best", "when"]
    assert len(lines) == 4 and " valid_loss " in lines[1]
    assert len(done("ls", "runs/cut").out.splitlines()) == 2
    refused = command("ls", tmp_path / "runs" / "notes")
    assert refused.code == 8 and "[RUN_NOT_FOUND] holds no run" in refused.err


def test_a_run_that_was_killed_is_not_told_to_be_running(tiny_run: Path, tmp_path: Path) -> None:
    run = copy(tiny_run, tmp_path / "run")
    RunDir(run).note(status="running", next=["resume"])

    def states() -> list[str]:
        shown = json.loads(done("show", run, "--json").out)
        assert shown["next"] == f"rnnkit resume {run}"
        listed = json.loads(done("ls", tmp_path, "--json").out)["runs"]
        return [shown["run"]["status"], listed[0]["state"]]

    assert states() == ["killed"] * 2
    with RunLock(run):
        assert states() == ["running"] * 2
    assert RunDir(run).facts()["status"] == "running"


def test_a_run_without_a_best_shows_its_newest(tiny_run: Path, tmp_path: Path) -> None:
    run = copy(tiny_run, tmp_path / "run")
    (run / "best.h5").unlink()
    shown = json.loads(done("show", run, "--json").out)
    assert shown["checkpoint"].endswith("-000000000051.h5")


def test_check(tmp_path: Path) -> None:
    path = write(tmp_path, small_spec())
    assert done("check", path).out == f"{path}: no errors\n"
    assert json.loads(done("check", path, "--json").out) == {"spec": str(path), "errors": []}
    (tmp_path / "text.txt").unlink()
    done("check", path)
    assert command("check", path, "--data").code == 5


def test_check_tells_every_error_at_once(tmp_path: Path) -> None:
    value = small_spec()
    value["train"]["epochs"] = "3"
    value["model"]["layers"][1]["unit"] = 6
    path = write(tmp_path, value)
    ran = command("check", path, "--json")
    assert ran.code == 3
    problems = json.loads(ran.out)["error"]["problems"]
    assert {problem["code"] for problem in problems} >= {"SPEC_TYPE", "SPEC_UNKNOWN_KEY"}
    assert all(problem["where"].startswith(f"{path}:1:") for problem in problems)
    assert ran.err.splitlines()[-1] == f"{len(problems)} errors"
    done("check", path, "-s", "train.epochs=3", "-s", 'model.layers[1]={"type":"rnn","units":6}')


@pytest.mark.parametrize("name", ["{}", "[]", "3"])
def test_check_of_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    ran = command("check", write(tmp_path, small_spec()), "-s", f"model.layers[0].name={name}")
    assert ran.code == 3
    assert f"-s model.layers[0].name={name} [SPEC_TYPE] model.layers[0].name: expected " in ran.err


def test_check_with_the_data(tmp_path: Path) -> None:
    path = write(tmp_path, plain_spec())
    done("check", path, "--data")
    (tmp_path / "data").mkdir()
    (tmp_path / "text.txt").rename(tmp_path / "data" / "text.txt")
    done("check", path, "--data", "--data-root", tmp_path / "data")
    ran = command(
        "check", path, "--data", "--data-root", tmp_path / "data", "-s", "train.streams=60"
    )
    assert ran.code == 5 and "the train split [DATA_TOO_SHORT]" in ran.err


def test_check_reads_every_split(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"]["split"] = [0.8, 0.19, 0.01]
    ran = command("check", write(tmp_path, value), "--data")
    assert ran.code == 5 and "the test split [DATA_TOO_SHORT] 1 tokens" in ran.err


def test_what_only_the_data_tells_has_a_place_too(tmp_path: Path) -> None:
    path = write(tmp_path, plain_spec(best={"metric": "valid_acuracy"}))
    ran = command("check", path, "--data")
    column = path.read_text().index('"valid_acuracy"') + 1
    said = f"{path}:1:{column} [SPEC_METRIC] train.best.metric: there is no valid_acuracy here "
    assert ran.code == 3 and ran.err.startswith(said)
    ran = command("run", path, "--out", tmp_path / "run")
    assert ran.code == 3 and said in ran.err
    ran = command("check", path, "--data", "-s", "train.best.metric=valid_los")
    assert ran.err.startswith("-s train.best.metric=valid_los [SPEC_METRIC] train.best.metric: ")
    assert ran.err.endswith('(did you mean "valid_loss"?)\n')


def test_explain(tmp_path: Path) -> None:
    path = write(tmp_path, small_spec())
    shown = json.loads(done("explain", path, "--json").out)
    parameters = {"0.embedding": 30, "1.lstm": 24 * (5 + 6 + 1), "5.affine": 6 * 6 + 6}
    rows = {row["name"]: row for row in shown["layers"]}
    for name, count in parameters.items():
        assert rows[name]["parameters"] == count
    assert rows["1.lstm"]["reads"] == "values of width 5"
    assert shown["parameters"] == sum(row["parameters"] for row in shown["layers"])
    assert shown["memory"]["parameters"] == 4 * shown["parameters"]
    assert shown["memory"]["optimizer"] == 8 * shown["parameters"]
    memory = dict(shown["memory"])
    # The start, an update and a checkpoint come one after the other.
    largest = max(memory.pop(name) for name in ("start", "update", "checkpoint"))
    assert memory.pop("total") == sum(memory.values()) + largest
    assert (shown["splits"], shown["steps"]) == ({"train": 68, "valid": 17}, 15)
    out = done("explain", path).out
    assert "3 streams x 22 characters, 5 windows of 4 an epoch; the state is carried" in out
    assert "15 steps in 3 epochs" in out
    assert re.search(r"1\.lstm +values of width 5 .* b 24  +288\n", out)
    assert "Wx 5x24, Wh 6x24, b 24" in out


def test_explain_takes_overrides_and_a_root(tmp_path: Path) -> None:
    path = write(tmp_path, plain_spec())
    (tmp_path / "data").mkdir()
    (tmp_path / "text.txt").rename(tmp_path / "data" / "text.txt")
    assert command("explain", path).code == 5
    out = done("explain", path, "-s", "train.epochs=7", "--data-root", tmp_path / "data").out
    assert "35 steps in 7 epochs" in out


def test_a_tied_layer_counts_once(tmp_path: Path) -> None:
    value = plain_spec()
    value["model"]["layers"][0] |= {"name": "embed", "units": 5}
    value["model"]["layers"][2]["tie"] = "embed"
    rows = json.loads(done("explain", write(tmp_path, value), "--json").out)["layers"]
    assert "of embed" in rows[2]["shapes"]
    assert rows[2]["parameters"] == 6


def test_schema(tmp_path: Path) -> None:
    ran = done("schema")
    schema = json.loads(ran.out)
    assert schema["$schema"].endswith("2020-12/schema")
    assert json.loads(done("schema", "--json").out) == schema
    assert "±" in ran.out and "\\u" not in ran.out
    out = tmp_path / "rnnkit.schema.json"
    told = done("schema", "--out", out, "--json")
    assert json.loads(out.read_text()) == schema
    assert json.loads(told.out) == {"schema": str(out)}
    assert told.err == f"wrote {out}\n"
    assert done("schema", "--out", out).out == ""
    assert command("schema", "--out", tmp_path / "none" / "x.json").code == 74


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PINS:
        monkeypatch.delenv(name, raising=False)
    ran = done("doctor")
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "python",
        "packages",
        "blas",
        "kernel",
        "threads",
        "processors",
        "simd",
        "kernels",
        "compiler",
        "fingerprint",
        "types",
        "plugins",
        "environment",
    ]
    facts = json.loads(done("doctor", "--json").out)
    assert facts["packages"]["numpy"] == np.__version__
    assert ran.err == ""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    warned = done("doctor", "--json")
    assert warned.err.startswith("OPENBLAS_CORETYPE=Haswell pins the kernel of matrix products: ")
    assert "here, measured on 1000 x 1000 in float32" in warned.err
    assert json.loads(warned.out)["environment"]["OPENBLAS_CORETYPE"] == "Haswell"


def stored(run: Path, to: Path, **progress: object) -> Path:
    """Copy a run whose newest checkpoint says something else of its progress."""

    def changed(snapshot: Snapshot) -> Snapshot:
        meta = snapshot.meta
        meta = meta.model_copy(update={"progress": meta.progress.changed(**progress)})
        return replace(snapshot, meta=meta)

    return rewritten(run, to, changed)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        ({"schedule": {"x": 1}}, "[CKPT_META] meta.progress.schedule: no run of this spec stored"),
        ({"schedule": None}, "[CKPT_META] meta.progress.schedule: no run of this spec stored it"),
        ({"step": 12}, "[CKPT_OTHER_RUN] expected the state after step 7, received that after 12"),
    ],
)
def test_what_a_resume_would_not_take_is_told(
    tmp_path: Path, progress: dict[str, object], said: str
) -> None:
    whole = trained(tmp_path, small_spec(), "--max-steps", 7)
    assert "a resume would" not in done("show", whole).err
    run = stored(whole, tmp_path / "junk", **progress)
    file = RunDir(run).step_file(7)
    ran = done("show", run)
    assert (
        f"a resume would not go on from the newest checkpoint of the run: {file} {said}" in ran.err
    )
    (run / "best.h5").unlink()
    assert said in command("resume", run).err, "and it does not"
    if "schedule" in progress:
        assert f"a resume would not go on from it: {file} {said}" in done("show", file).err


def test_a_run_without_its_checkpoints_is_shown_with_the_way_on(tmp_path: Path) -> None:
    run = trained(tmp_path, small_spec(), "--max-steps", 7)
    for _, path in RunDir(run).step_files():
        path.unlink()
    ran = done("show", run)
    assert "a resume would not go on from the newest checkpoint of the run: " in ran.err
    assert "[RUN_NO_CHECKPOINT] was saved, but holds no step file any more" in ran.err
    assert f"rnnkit resume {run} --from best" in ran.err
