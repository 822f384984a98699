"""What a start writes down, in what order it refuses, and how run.json says that a run ended."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import JSONObject, plain_spec, threads_used, write_spec
from threadpoolctl import threadpool_limits

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.compute.ranks import Ranks
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError, RefusedError, ResourceError, StorageError
from rnnkit.spec.read import read_spec
from rnnkit.training import start as module
from rnnkit.training.loop import Loop, RunLimits
from rnnkit.training.reporter import Silent
from rnnkit.training.start import Outcome, RunOptions, open_session, start
from rnnkit.version import VERSION

GIVEN = b'{"as": "given"}'


def started(
    folder: Path,
    spec: JSONObject | None = None,
    options: RunOptions | None = None,
    ready: Callable[[], None] | None = None,
) -> Outcome:
    """Start a run of the spec in `folder`/run."""
    path = write_spec(folder, spec or plain_spec(epochs=1))
    read = read_spec(path, Registry())
    o = options or RunOptions()
    return start(read.spec, GIVEN, folder / "run", folder, Registry(), o, ready)


def noted(folder: Path) -> Any:
    return json.loads((folder / "run" / "run.json").read_text())


def test_what_a_new_run_writes_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rnnkit", "run", "spec.json"])
    found = started(Path("here"))
    run, facts = tmp_path / "here" / "run", noted(tmp_path / "here")
    assert (found.reason, found.progress.step, found.run.path) == ("finished", 5, Path("here/run"))
    assert (run / "spec.original.json").read_bytes() == GIVEN
    assert (run / "spec.json").read_bytes() == found.spec.canonical()
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert facts["status"] == "finished" and facts["next"][0] == "sample"
    assert facts["command"] == ["rnnkit", "run", "spec.json"]
    assert facts["data_root"] == str(tmp_path / "here")
    assert facts["data_sha256"] == found.source.digest()
    assert (facts["seed"], facts["resumes"], facts["rnnkit"]) == (3, [], VERSION)
    assert facts["python"] == sys.version.split()[0]
    assert facts["distributions"] == {"rnnkit": VERSION}
    assert len(facts["numerics"]["digest"]) >= 8


def test_a_folder_that_holds_something_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    spec = plain_spec()
    spec["data"]["path"] = "none.txt"
    with pytest.raises(RefusedError, match="RUN_EXISTS"):
        started(tmp_path, spec)
    cleared: list[str] = []

    def ready() -> None:
        cleared.append("ready")
        (tmp_path / "run" / "thesis.txt").unlink()

    with pytest.raises(DataError, match="none.txt"):  # what may clear the folder comes last
        started(tmp_path, spec, ready=ready)
    assert not cleared and (tmp_path / "run" / "thesis.txt").exists()
    assert started(tmp_path, ready=ready).reason == "finished" and cleared == ["ready"]


def test_what_a_killed_start_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    left = tmp_path / "run" / ".spec.json.77.0123456789abcdef.tmp"
    left.touch()
    started(tmp_path)
    assert not left.exists()


class Status(Silent):
    """Keeps what run.json says while the run goes on."""

    said: str = ""

    def line(self, metrics: Any) -> None:
        """Look."""
        self.said = noted(self.folder)["status"]

    def __init__(self, folder: Path) -> None:
        self.folder = folder


def test_a_run_that_is_stopped_is_resumed_next(tmp_path: Path) -> None:
    reporter = Status(tmp_path)
    options = RunOptions(limits=RunLimits(max_steps=2), reporter=reporter)
    assert started(tmp_path, options=options).reason == "steps"
    assert reporter.said == "running"
    assert (noted(tmp_path)["status"], noted(tmp_path)["next"]) == ("stopped", ["resume"])


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "stopped"), (OSError(28, "full"), "failed"), (SystemExit(), "failed")],
)
def test_how_a_run_ended_is_noted(
    error: BaseException, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Loop) -> str:
        raise error

    monkeypatch.setattr(Loop, "go", fails)
    with pytest.raises(type(error)) as caught:
        started(tmp_path)
    assert caught.value is error and noted(tmp_path)["status"] == status


def test_of_a_disk_that_fails_twice_the_first_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, first = RunDir.note, StorageError.of("IO_ERROR", "the first", "x")

    def fails(self: Loop) -> str:
        raise first

    def note(self: RunDir, **facts: object) -> None:
        if facts.get("status") == "failed":
            raise StorageError.of("IO_ERROR", "the second", "x")
        once(self, **facts)

    monkeypatch.setattr(Loop, "go", fails)
    monkeypatch.setattr(RunDir, "note", note)
    with pytest.raises(StorageError, match="the first"):
        started(tmp_path)


class Several(Ranks):
    size = 3


def test_no_rank_may_be_without_a_shard(tmp_path: Path) -> None:
    def opened(shards: int) -> None:
        path = write_spec(tmp_path, plain_spec(shards=shards))
        read, o = read_spec(path, Registry()), RunOptions(ranks=Several())
        source = read.spec.data.open(tmp_path)
        open_session(read.spec, source, RunDir(tmp_path), Registry(), o)

    with pytest.raises(RefusedError, match=r"3 ranks need as many shards, but train\.shards is 2"):
        opened(2)
    opened(3)


def test_the_memory_that_is_given_is_obeyed(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="MEM_"):
        started(tmp_path, options=RunOptions(max_memory=1000))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("shards", "threads"), [(1, 2), (2, 1)])
def test_the_arithmetic_of_a_sharded_run_is_that_of_one_thread(
    shards: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = threads_used(monkeypatch, module, "fingerprint")
    with threadpool_limits(2, user_api="blas"):
        started(tmp_path, plain_spec(epochs=1, shards=shards))
    assert used[0] == threads
