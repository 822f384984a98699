"""A line of a run folder that is not as it was written is never taken for one that is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import (
    JSONObject,
    command,
    copy,
    done,
    lines,
    newest,
    results,
    small_spec,
    told,
    trained,
)

from rnnkit.checkpoint.journal import Journal, KeptLines, digested, kept_lines
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.contracts.registry import Registry
from rnnkit.training.reporter import Silent
from rnnkit.training.resume import resume
from rnnkit.training.start import RunOptions

Change = Callable[[list[bytes]], Sequence[bytes]]


def flipped(line: bytes) -> bytes:
    """Return a line in which one digit is another."""
    at = max(line.rfind(b"%d" % digit) for digit in range(1, 9))
    return line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]


METRICS: dict[str, tuple[Change, list[int]]] = {
    "a byte is another": (lambda all: [all[0], flipped(all[1]), *all[2:]], [0, 2, 3]),
    "a line stands twice": (lambda all: [*all[:2], *all[1:]], [0, 1, 2, 3]),
    "two lines in another order": (lambda all: [all[1], all[0], *all[2:]], [0, 1, 2, 3]),
    "a line is missing": (lambda all: [all[0], *all[2:]], [0, 2, 3]),
    "a line is no JSON": (lambda all: [all[0], b"{\n", *all[2:]], [0, 2, 3]),
    "a line without a step": (lambda all: [all[0], b'{"step": []}\n', *all[2:]], [0, 2, 3]),
    "the last line has no end": (lambda all: [*all[:3], all[3].rstrip()], [0, 1, 2]),
    "a line too many": (lambda all: [b'{"step": 1}\n', *all], [0, 1, 2, 3]),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("finished"), small_spec())


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run stopped after step 7 and four lines."""
    return trained(tmp_path_factory.mktemp("half"), small_spec(), "--max-steps", "7")


def changed(half: Path, run: Path, name: str, change: Change) -> bytes:
    """Copy a run and change a file of it; return what the file holds then."""
    file = copy(half, run) / name
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))
    return file.read_bytes()


def clock(run: Path) -> list[JSONObject]:
    return [json.loads(line) for line in (run / "times.jsonl").read_text().splitlines()]


def steps(entries: Sequence[JSONObject]) -> list[int]:
    return [entry["step"] for entry in entries]


@pytest.mark.parametrize("case", METRICS)
def test_metrics_that_were_changed(half: Path, finished: Path, tmp_path: Path, case: str) -> None:
    change, kept = METRICS[case]
    run, whole = tmp_path / "run", len(kept) == 4
    before = changed(half, run, "metrics.jsonl", change)
    said = "metrics.jsonl [RUN_METRICS] was changed; the file as it was is renamed to *.rejected"
    if case == "a line is missing":
        said = "metrics.jsonl [RUN_METRICS] holds 3 whole lines, but the checkpoint was saved after"
    if not whole:
        told(command("resume", run, "--exact"), 8, "[RUN_METRICS] --exact: holds 3 ")
        assert (run / "metrics.jsonl").read_bytes() == before
    ran = done("resume", run, *["--exact"] * whole)
    assert said in ran.err
    assert ("another run" in ran.err) is not whole
    rejected = run / "metrics.jsonl.rejected"
    assert rejected.read_bytes() == before if "was changed" in said else not rejected.exists()
    everything = lines(finished)
    assert lines(run) == [everything[i] for i in kept] + everything[4:]
    assert steps(clock(run)) == steps(lines(run))
    assert None not in [entry["time"] for entry in clock(run)]
    assert (results(run) == results(finished)) is whole
    assert newest(run).meta.progress.lines == len(lines(run))
    again = done("resume", run)
    assert "RUN_METRICS" not in again.err and "RUN_TIMES" not in again.err


def test_sound_lines_are_kept_up_to_the_step_of_the_checkpoint(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with Journal(run, KeptLines()) as journal:
        written = [journal.append({"step": k, "loss": 0.5}, {"step": k}) for k in range(1, 5)]
    progress = Progress(step=3, lines=3, lines_digest=digested(written[:3]))
    assert kept_lines(run, progress).metrics == written[:3]
    run.metrics.write_bytes(b"".join([flipped(written[0]), *written[1:]]))
    assert kept_lines(run, progress).metrics == written[1:3]


TIMES: dict[str, tuple[Change, list[int]]] = {
    "a byte is another": (lambda all: [all[0], flipped(all[1]), *all[2:]], [1]),
    "the clock is another": (
        lambda all: [all[0].replace(b'"time": 1', b'"time": 2'), *all[1:]],
        [0],
    ),
    "no checksum": (lambda all: [all[0], b'{"step": 4, "time": 1.0}\n', *all[2:]], [1]),
    "a line stands twice": (lambda all: [*all[:2], *all[1:]], []),
    "a line is missing": (lambda all: [all[0], *all[2:]], [1]),
    "all lines are missing": (lambda all: [], [0, 1, 2, 3]),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_that_were_changed(half: Path, finished: Path, tmp_path: Path, case: str) -> None:
    change, null = TIMES[case]
    run = tmp_path / "run"
    before = changed(half, run, "times.jsonl", change)
    ran = done("resume", run, "--exact")
    said = f"times.jsonl [RUN_TIMES] was changed: of 4 lines {len(null)} are not as written"
    assert said in ran.err and "RUN_METRICS" not in ran.err and "another run" not in ran.err
    assert (run / "times.jsonl.rejected").read_bytes() == before
    assert results(run) == results(finished)
    times = clock(run)
    assert steps(times) == steps(lines(run))
    assert [i for i, line in enumerate(times) if line["time"] is None] == null
    assert "RUN_TIMES" not in done("resume", run).err


def test_lines_of_another_run_are_none_of_this_one(half: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", small_spec(seed=9), "--max-steps", "7")
    run = copy(half, tmp_path / "run")
    for name in ("metrics.jsonl", "times.jsonl"):
        (run / name).write_bytes((other / name).read_bytes())
    ran = done("resume", run, "--max-steps", 7)
    assert "[RUN_METRICS] holds 0 lines as they were written, but the checkpoint was sav" in ran.err
    assert lines(run) == []


def test_the_digest_is_chained_line_by_line() -> None:
    two = [b"a\n", b"b\n"]
    assert digested(two) == digested(two[1:], digested(two[:1])) != digested(two[::-1])
    assert digested([]) == "" and digested([b"a\nb\n"]) != digested(two)


def test_a_checkpoint_without_a_digest_counts(half: Path, finished: Path, tmp_path: Path) -> None:
    """As versions before the digest saved it; times without checksums are taken as they are."""
    run = copy(half, tmp_path / "run")
    for path in [*(path for _, path in RunDir(run).step_files()), run / "best.h5"]:
        snapshot = load_snapshot(path)
        progress = snapshot.meta.progress.changed(lines_digest="")
        meta = snapshot.meta.model_copy(update={"progress": progress})
        path.write_bytes(replace(snapshot, meta=meta).encoded())
    times = clock(run)
    bare = [{k: v for k, v in line.items() if k != "crc32"} for line in times]
    (run / "times.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    first = done("resume", run, "--max-steps", 8)
    again = done("resume", run)
    assert "RUN_" not in first.err + again.err
    assert results(run)["metrics.jsonl"] == results(finished)["metrics.jsonl"]
    assert newest(run).meta.progress == newest(finished).meta.progress
    assert clock(run)[:4] == times


class Meanwhile(Silent):
    """Does something to the run after step 9."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def stepped(self, training: object, update: object, seconds: float) -> None:
        """Act once."""
        if training.progress.step == 9:  # type: ignore[attr-defined]
            self.act()


@pytest.mark.parametrize("name", ["metrics.jsonl", "times.jsonl"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_loses_its_name_in_mid_run(
    half: Path, finished: Path, tmp_path: Path, name: str, replaced: bool
) -> None:
    run = copy(half, tmp_path / "run")

    def act() -> None:
        (run / name).unlink()
        if replaced:
            (run / name).write_text("mine\n")

    said: list[str] = []
    resume(run, Registry(), RunOptions(reporter=Meanwhile(act), tell=said.append))
    (note,) = [line for line in said if name in line]
    assert note.startswith(f"{run / name} was deleted or replaced during the run; its lines are wr")
    assert results(run) == results(finished)
    assert steps(clock(run)) == steps(lines(run))
    if replaced:
        assert note.endswith(f", and the other file is renamed to {name}.rejected")
        assert (run / f"{name}.rejected").read_text() == "mine\n"
    assert "RUN_" not in done("resume", run).err


def linked(run: Path, to: Path) -> dict[str, bytes]:
    """Copy a run as cp -al does, and return what its files hold."""
    shutil.copytree(run, to, copy_function=os.link)
    return {name: (to / name).read_bytes() for name in ("metrics.jsonl", "times.jsonl")}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_copy_of_hard_links_keeps_its_lines(
    half: Path, finished: Path, tmp_path: Path, at_once: bool
) -> None:
    run, other = copy(half, tmp_path / "run"), tmp_path / "other"
    kept = linked(run, other) if at_once else {}

    def act() -> None:
        if not at_once:
            kept.update(linked(run, other))

    said: list[str] = []
    resume(run, Registry(), RunOptions(reporter=Meanwhile(act), tell=said.append))
    assert kept == {name: (other / name).read_bytes() for name in kept} and kept
    assert results(run) == results(finished)
    assert steps(clock(run)) == steps(lines(run))
    assert not any("deleted or replaced" in line for line in said)


@pytest.mark.parametrize("name", ["metrics.jsonl", "times.jsonl"])
@pytest.mark.parametrize(("kind", "said"), [("fifo", "a FIFO"), ("folder", "a folder")])
def test_what_is_no_file_is_refused_at_once(
    half: Path, tmp_path: Path, name: str, kind: str, said: str
) -> None:
    run = copy(half, tmp_path / "run")
    before = results(run)
    (run / name).rename(run / "aside")
    os.mkfifo(run / name) if kind == "fifo" else (run / name).mkdir()
    ran = command("resume", run)
    told(ran, 6, f"{name} [RUN_NOT_REGULAR] expected a regular file, received {said}; give the")
    (run / name).rmdir() if kind == "folder" else (run / name).unlink()
    (run / "aside").rename(run / name)
    assert results(run) == before and not list(run.rglob("*.rejected"))


def test_a_line_is_sealed_with_that_of_the_metrics(tmp_path: Path) -> None:
    with Journal(RunDir(tmp_path), KeptLines()) as journal:
        written = journal.append({"step": 1, "loss": 0.5}, {"step": 1, "time": 2.5})
        journal.append({"step": 2, "loss": None}, {"step": 2, "time": 3.5})
        assert journal.flush() == []
    assert written == b'{"step": 1, "loss": 0.5}\n'
    assert (tmp_path / "metrics.jsonl").read_bytes() == written + b'{"step": 2, "loss": null}\n'
    first, second = clock(tmp_path)
    assert first["crc32"] != second["crc32"] and first["time"] == 2.5


def test_lines_after_the_checkpoint_are_cut_where_others_were_changed(
    half: Path, finished: Path, tmp_path: Path
) -> None:
    """As a kill between two saves leaves them, with a line changed before."""
    run = copy(half, tmp_path / "run")
    for name in ("metrics.jsonl", "times.jsonl"):
        (run / name).write_bytes((finished / name).read_bytes())
    rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join([flipped(rows[0]), *rows[1:]]))
    ran = done("resume", run)
    assert "[RUN_METRICS] holds 3 lines as they were written, but the checkpoint" in ran.err
    assert lines(run) == lines(finished)[1:]
