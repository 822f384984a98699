"""The folder of a run: its files, what may be written when, and what a resume puts right."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnkit.checkpoint.seal import FILE_LIMIT
from rnnkit.errors import CheckpointError, DataError, RefusedError, printable
from rnnkit.files.atomic import Buffer, read_regular, storage_error, sweep_temporary, write_atomic
from rnnkit.files.lock import may_be_held
from rnnkit.files.missing import beside

STEP_FILE = re.compile(r"step-(\d{12})\.h5")
TEMPORARY = re.compile(r"\..+\.tmp")
BEFORE_SPEC = ("run.lock", "run.json", "spec.original.json", "checkpoints")
JSON_LIMIT = 64 * 2**20
KINDS: Mapping[str, tuple[type, str]] = {
    "data_root": (str, "text"),
    "data_sha256": (str, "text"),
    "resumes": (list, "a list"),
    "next": (list, "a list"),
    "command": (list, "a list"),
}
"""What run.json is read for."""


@dataclass(frozen=True)
class RunDir:
    """Names of the files of a run. Whoever writes holds the lock at `run.lock`."""

    path: Path

    @property
    def lock(self) -> Path:
        """The file that the running process locks; never removed."""
        return self.path / "run.lock"

    @property
    def spec(self) -> Path:
        """The resolved spec in canonical bytes."""
        return self.path / "spec.json"

    @property
    def best(self) -> Path:
        """A copy of the checkpoint at the best evaluation."""
        return self.path / "best.h5"

    @property
    def metrics(self) -> Path:
        """One JSON object a line; no times, so that equal runs give equal bytes."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """What the model wrote at `train.every.sample`, one JSON object a line."""
        return self.path / "samples.jsonl"

    @property
    def times(self) -> Path:
        """Wall clock and speed, one line for each line of the metrics."""
        return self.path / "times.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of step files."""
        return self.path / "checkpoints"

    @property
    def crash(self) -> Path:
        """The folder of the finite state before a step that diverged."""
        return self.path / "crash"

    def holds_run(self) -> bool:
        """Tell whether a run was started here."""
        return self.spec.is_file()

    def not_found(self) -> RefusedError:
        """Return the error of a folder that holds no run."""
        instead = self.instead() or beside(self.path)
        message = f"holds no run (start one with rnnkit run){instead}"
        return RefusedError.of("RUN_NOT_FOUND", message, self.path)

    def inside(self) -> list[RunDir]:
        """Return the runs that a folder of runs holds, those of sweeps as well, by their paths."""
        patterns = ("*", "trials/*", "*/trials/*") if self.path.is_dir() else ()
        folders = {path for pattern in patterns for path in self.path.glob(pattern)}
        return [run for path in sorted(folders) if (run := RunDir(path)).holds_run()]

    def instead(self) -> str:
        """Return, where one was given for a run, which runs a folder holds; "" for none."""
        runs = self.inside()
        if not runs:
            return ""
        example, folder = (shlex.quote(str(path)) for path in (runs[0].path, self.path))
        many = "a run" if len(runs) == 1 else f"{len(runs):,} runs"
        return f"; it holds {many}: give one, such as {example} (rnnkit ls {folder})"

    def is_empty(self) -> bool:
        """Tell whether nothing is here but what a start that was killed may leave.

        Raises StorageError for what is no folder.
        """
        if not self.path.exists():
            return True
        try:
            names = {p.name for p in self.path.iterdir()}
        except OSError as error:
            raise storage_error(self.path, "cannot read the folder", error) from error
        held = self.checkpoints.iterdir() if self.checkpoints.is_dir() else ()
        return all(n in BEFORE_SPEC or TEMPORARY.fullmatch(n) for n in names) and all(
            path == self.step_file(0) or TEMPORARY.fullmatch(path.name) for path in held
        )

    def create(
        self, spec: bytes, original: bytes, first: Buffer | None = None, **facts: object
    ) -> None:
        """Write what a new run starts with, a `first` checkpoint too; raises StorageError.

        The spec comes last: a folder without it holds no run, and a killed start can be repeated.
        """
        for folder in (self.path, self.checkpoints):
            make_private(folder)
        write_atomic(self.path / "spec.original.json", original)
        self.note(**facts)
        if first is not None:
            write_atomic(self.step_file(0), first)
        write_atomic(self.spec, spec)

    def rewrite_spec(self, spec: bytes) -> None:
        """Replace the resolved spec, after a resume changed what it may change."""
        write_atomic(self.spec, spec)

    def step_file(self, step: int) -> Path:
        """Return the name of the checkpoint after `step` updates."""
        return self.checkpoints / f"step-{step:012d}.h5"

    def step_files(self) -> list[tuple[int, Path]]:
        """Return the step files, oldest first."""
        return step_files(self.checkpoints)

    def files(self) -> list[Path]:
        """Return the files that a run may hold, there or not."""
        names = ("spec.original.json", "run.json", "run.lock")
        named = [self.spec, self.best, self.metrics, self.samples, self.times]
        named += [self.path / name for name in names]
        return [*named, *(path for _, path in self.step_files())]

    def save(self, step: int, image: Buffer, keep: int) -> Path:
        """Write a checkpoint and, once it is on the disk, remove all but the newest `keep`."""
        path = self.step_file(step)
        write_atomic(path, image)
        older = [p for s, p in self.step_files() if s <= step]
        for old in older[:-keep]:
            if old.is_symlink() or not old.is_dir():  # a folder is nobody's checkpoint: it stays
                old.unlink(missing_ok=True)
        return path

    def reject(self, path: Path) -> Path:
        """Rename a file that a resume may not use to *.rejected, beside those of before."""
        rejected = path.with_name(path.name + ".rejected")
        number = 1
        while rejected.exists():
            number += 1
            rejected = path.with_name(f"{path.name}.rejected-{number}")
        os.replace(path, rejected)
        return rejected

    def replace_links(self) -> list[str]:
        """Put a file in the place of each link among the files; return what to tell of it.

        A file of a run is replaced whole, and no link of somebody's leads a run out of its folder.
        Raises CheckpointError for a link to a file that cannot be read.
        """
        told = []
        for path in self.files():
            if not path.is_symlink() or (path.exists() and not path.is_file()):
                continue  # what is no file is refused or renamed by whoever reads it
            leads = printable(os.path.realpath(path))
            if path.is_file():
                write_atomic(path, read_regular(path, FILE_LIMIT, CheckpointError, "RUN"))
                done = "a copy takes its place"
            else:
                path.unlink()
                done = "there is no such file; it is removed"
            told.append(
                f"{path} [RUN_LINK] is a link to {leads}: {done}, and nothing is written there "
                "(to keep a run elsewhere, make its folder there: --out)"
            )
        return told

    def sweep(self) -> None:
        """Remove what a killed process was writing."""
        for folder in (self.path, self.checkpoints, self.crash):
            if folder.is_dir():
                sweep_temporary(folder)

    def facts(self) -> dict[str, Any]:
        """Return run.json, empty where there is none."""
        path = self.path / "run.json"
        if not path.exists():
            return {}
        try:
            facts = json.loads(read_regular(path, JSON_LIMIT, CheckpointError, "RUN"))
        except (ValueError, RecursionError) as error:
            message = f"is no JSON: {error} (bring it back)"
            raise CheckpointError.of("RUN_FACTS", message, path) from error
        if not isinstance(facts, dict):
            raise CheckpointError.of("RUN_FACTS", "is no JSON object (bring it back)", path)
        for name, (kind, words) in KINDS.items():
            if not isinstance(facts.get(name, kind()), kind):
                received = printable(json.dumps(facts[name]))
                message = f"{name}: expected {words}, received {received} (bring it back)"
                raise CheckpointError.of("RUN_FACTS", message, path)
        return facts

    def status(self) -> str | None:
        """Return how the run stands; "killed" where it noted no end and nobody holds its lock."""
        noted = self.facts().get("status")
        if noted == "running" and not may_be_held(self.path):
            return "killed"
        return None if noted is None else str(noted)

    def next_command(self) -> str | None:
        """Return what comes next for the run, as it can be pasted; None where nothing is known."""
        facts = self.facts()
        if not facts:
            return None
        otherwise = "eval" if facts.get("status") == "finished" else "resume"
        follow, *rest = facts.get("next") or [otherwise]
        path = f"./{self.path}" if str(self.path).startswith("-") else str(self.path)
        return shlex.join(["rnnkit", str(follow), path, *map(from_here, map(str, rest))])

    def note(self, **facts: object) -> None:
        """Change entries of run.json."""
        # In ASCII, half a character in the name of a folder is written as it is read.
        text = json.dumps({**self.facts(), **facts}, indent=1, sort_keys=True)
        write_atomic(self.path / "run.json", (text + "\n").encode())


def step_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the step files in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [(STEP_FILE.fullmatch(p.name), p) for p in folder.iterdir()]
    return sorted((int(match[1]), p) for match, p in found if match)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can read; raises StorageError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, "cannot make the folder", error) from error


def data_root(path: Path, given: Path | None = None) -> Path:
    """Return where relative data paths start: as given, else as the run directory remembers.

    `path` is the run directory, or a checkpoint in it. A folder in the working directory is named
    from there, as a user would name it.
    """
    whole = path.absolute()
    for folder in (whole, whole.parent, whole.parent.parent):
        if given is None and (folder / "run.json").is_file():
            return Path(from_here(str(RunDir(folder).facts().get("data_root", "."))))
    return given or Path(".")


def from_here(word: str) -> str:
    """Return the path of what is in the working directory from there; any other word as it is."""
    here = Path.cwd()
    return str(Path(word).relative_to(here)) if Path(word).is_relative_to(here) else word


@contextmanager
def looked_for(root: Path) -> Iterator[None]:
    """Name the option that says where data is, in the DataError of a file that is not there."""
    try:
        yield
    except DataError as error:
        advice = f"; relative paths start at {root}, or where --data-root says"
        raise DataError(
            *(
                replace(p, message=p.message + advice) if p.code == "DATA_NOT_FOUND" else p
                for p in error.problems
            )
        ) from error


def checkpoint_of(path: Path) -> Path:
    """Return the file itself; of a run best.h5, else the newest; of its checkpoints the newest."""
    if not path.is_dir():
        return path
    run = RunDir(path)
    if run.best.exists():
        return run.best
    files = run.step_files() or step_files(path)
    if not files:
        raise CheckpointError.of("CKPT_NOT_FOUND", f"holds no checkpoint{run.instead()}", path)
    return files[-1][1]
