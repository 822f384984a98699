"""Where a run may land: --force moves runs alone, starts never share a folder, odd names work."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from helpers import command, done, newest, plain_spec, process, results, trained
from helpers import write_spec as write

from rnnkit.checkpoint.journal import Journal, KeptLines
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli.ls import reached
from rnnkit.cli.run import claimed
from rnnkit.errors import StorageError


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write(tmp_path / "here", plain_spec())


def test_an_empty_name_is_no_folder(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spec.parent)
    ran = command("run", spec, "--out", "", "--force")
    assert ran.code == 2 and "'--out': expected a path, received an empty text" in ran.err
    assert sorted(p.name for p in spec.parent.iterdir()) == ["spec.json", "text.txt"]


def test_force_moves_nothing_but_a_run(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = spec.parent
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(here)
    for out in (".", "..", here, tmp_path, tmp_path / "thesis"):
        ran = command("run", spec, "--out", out, "--force")
        assert ran.code == 8 and f"{out} [RUN_EXISTS] " in ran.err
    said = "is not empty and holds no run, so --force does not move it (choose another --out)"
    assert f"{tmp_path / 'thesis'} [RUN_EXISTS] {said}" in ran.err
    assert sorted(p.name for p in here.iterdir()) == ["spec.json", "text.txt"]
    assert (tmp_path / "thesis" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("what", "where"),
    [("the working directory", "."), ("the spec", "spec.json"), ("the data", "data")],
)
def test_force_leaves_a_run_that_is_used(
    what: str, where: str, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", 2)
    monkeypatch.chdir(run if where == "." else tmp_path)
    given = [run / "spec.json" if where == "spec.json" else spec]
    if where == "data":
        (run / "data").mkdir()
        given += ["--data-root", run / "data"]
    ran = command("run", *given, "--out", run, "--force")
    assert ran.code == 8
    assert f"{run} [RUN_EXISTS] holds {what}, so --force does not move it (choose" in ran.err
    assert newest(run).meta.progress.step == 2


def test_force_moves_once_all_else_is_right(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", 2)
    text = spec.parent / "text.txt"
    text.rename(tmp_path / "away")
    assert command("run", spec, "--out", run, "--force").code == 5
    (tmp_path / "away").rename(text)
    assert command("run", spec, "--out", run, "--force", "--max-memory", "1KB").code == 10
    metric = "train.best.metric=valid_x"
    assert command("run", spec, "--out", run, "--force", "-s", metric).code == 3
    assert newest(run).meta.progress.step == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here", "run"]
    assert "moved" in done("run", spec, "--out", run, "--force", "--max-steps", 3).err
    assert newest(tmp_path / "run.old-1").meta.progress.step == 2


def test_a_folder_below_a_file(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ran = command("run", spec, "--out", tmp_path / "file" / "run")
    assert ran.code == 74
    said = "[IO_ERROR] cannot make the folder: Not a directory (ENOTDIR); a part of this path is a"
    assert f"{tmp_path}/file/run {said} file, not a folder: choose another path" in ran.err


@pytest.mark.parametrize(
    ("mode", "losses", "best"), [("min", [3, 1, 1, 2], 20), ("max", [1, 3, 3, 2], 20)]
)
def test_of_equal_scores_the_first_is_the_best(
    mode: str, losses: list[float], best: int, tmp_path: Path
) -> None:
    run = RunDir(tmp_path)
    rows = [{"step": 10 * i, "valid_loss": loss} for i, loss in enumerate(losses, 1)]
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = reached(run, "valid_loss", mode)
    assert found == {
        "step": 40,
        "best": {"metric": "valid_loss", "value": losses[1], "step": best},
    }


def test_two_starts_never_share_a_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "runs", "t") as first, claimed(tmp_path / "runs", "t") as second:
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
        assert (first.name, second.name) == ("t-1", "t-2")
        (second / "file").touch()
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["t-2"]


def test_a_start_that_was_faster_takes_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, raced = Path.mkdir, []

    def mkdir(self: Path, *arguments: object, **options: object) -> None:
        if not raced:
            raced.append(self)
            real(self, parents=True)
        real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with claimed(tmp_path / "runs", "t") as folder:
        assert raced[0].name == "t-1" and folder.name == "t-2"


def test_a_failed_start_leaves_no_number(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("run", spec, "--data-root", "nowhere").code == 5
    assert not list((tmp_path / "runs").iterdir())
    done("run", spec, "--max-steps", 1)
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["small-1"]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    whole = trained(tmp_path / "whole", plain_spec())
    spec = write(odd, plain_spec())
    ran = process(["run", spec, "--out", odd / "run", "--max-steps", 7])
    assert ran.returncode == 0, ran.stderr
    facts = json.loads((odd / "run" / "run.json").read_bytes())
    assert facts["data_root"] == str(odd)
    again = process(["resume", odd / "run", "--json"])
    assert again.returncode == 0, again.stderr
    assert results(odd / "run") == results(whole)


def test_a_journal_that_fails_fails_once(spec: Path, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with pytest.raises(StorageError) as caught, Journal(run, KeptLines()) as journal:
        journal._files[0].close()
        journal._files[0] = open("/dev/full", "ab")
        journal.append({"step": 1}, {"step": 1})
    assert caught.value.problems[0].code == "IO_NO_SPACE"
    said = f"cannot write a line: {os.strerror(errno.ENOSPC)} (ENOSPC); free some space"
    assert said in str(caught.value)
