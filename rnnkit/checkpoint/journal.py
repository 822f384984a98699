"""metrics.jsonl and times.jsonl, appended line by line; a resume keeps what is as it was written.

A checkpoint holds a digest of the lines of metrics.jsonl before it. The clock stands in no
checkpoint, as equal runs give equal ones: each line of times.jsonl holds a checksum of itself and
of its line of metrics.jsonl. So a resume knows which lines of both it may trust.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple, Self

from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.seal import FILE_LIMIT
from rnnkit.errors import CheckpointError
from rnnkit.files.atomic import (
    has_other_names,
    read_regular,
    same_file,
    storage_error,
    write_atomic,
)

CHECKSUM = "crc32"
RENAMED = "the file as it was is renamed to *.rejected"


class KeptLines(NamedTuple):
    """What a resume keeps: lines of the metrics with the times of each, and what is wrong.

    `lost` says what the metrics lack, and `changed` what was done to a file, which is renamed.
    """

    metrics: Sequence[bytes] = ()
    times: Sequence[bytes] = ()
    lost: str = ""
    changed: Mapping[Path, str] = MappingProxyType({})

    def counted(self, progress: Progress) -> Progress:
        """Return the progress of a run that has these lines."""
        return progress.changed(lines=len(self.metrics), lines_digest=digested(self.metrics))


class Journal:
    """The two files; a context, in which they hold the lines that are kept and those after them."""

    def __init__(self, run: RunDir, kept: KeptLines) -> None:
        self._run, self._kept = run, kept
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        """Open the files once they hold the lines that are kept and nothing else."""
        run, kept = self._run, self._kept
        for path, lines in ((run.metrics, kept.metrics), (run.times, kept.times)):
            data = _read(path)
            if path in kept.changed and path.exists():
                run.reject(path)
            if path in kept.changed or data != b"".join(lines):
                write_atomic(path, b"".join(lines))
            self._files.append(open(path, "a+b"))
        return self

    def append(self, metrics: Mapping[str, Any], times: Mapping[str, Any]) -> bytes:
        """Write one line to each, and return that of the metrics; raises StorageError."""
        line = _encoded(metrics)
        for index, data in enumerate((line, _sealed(times, line))):
            file, path = self._files[index], Path(self._files[index].name)
            try:
                if has_other_names(path) and same_file(file.fileno(), path):
                    file = self._files[index] = _rewritten(file, path)
                file.write(data)
                file.flush()
            except OSError as error:
                raise storage_error(path, "cannot write a line", error) from error
        return line

    def flush(self) -> list[str]:
        """Bring the lines to the disk; a checkpoint that counts them is written after that.

        A file that was deleted or replaced is written again. Returns what to tell of it.
        """
        notes = []
        for index, file in enumerate(self._files):
            path = Path(file.name)
            try:
                os.fsync(file.fileno())
                if not same_file(file.fileno(), path):
                    self._files[index], note = self._again(file, path)
                    notes.append(note)
            except OSError as error:
                raise storage_error(path, "cannot write a line", error) from error
        return notes

    def _again(self, file: IO[bytes], path: Path) -> tuple[IO[bytes], str]:
        """Write the lines of a file that lost its name to a new one; return it and what to tell."""
        note = f"{path} was deleted or replaced during the run; its lines are written again"
        if path.exists():
            note += f", and the other file is renamed to {self._run.reject(path).name}"
        return _rewritten(file, path), note

    def __exit__(self, *exception: object) -> None:
        """Close the files."""
        for file in self._files:
            with suppress(OSError):  # every line was flushed, or its error was raised
                file.close()


def _rewritten(file: IO[bytes], path: Path) -> IO[bytes]:
    """Write what an open file holds to a file of its own name alone, and return that."""
    with file:
        file.seek(0)
        write_atomic(path, file.read())
    return open(path, "a+b")


def digested(lines: Iterable[bytes], digest: str = "") -> str:
    """Return the digest of lines that follow those of a digest: SHA-256, chained line by line."""
    for line in lines:
        digest = hashlib.sha256(digest.encode() + line).hexdigest()
    return digest


def kept_lines(run: RunDir, progress: Progress) -> KeptLines:
    """Return which lines a run of this progress keeps; nothing is changed yet.

    Raises CheckpointError for what is no file, or cannot be read.
    """
    found, wanted = whole_lines(run.metrics), progress.lines
    clock = {_step(line): line for line in whole_lines(run.times)}
    metrics, complete = found[:wanted], len(found) >= wanted
    # A version that wrote no digest wrote no checksums either: it counted.
    old = not progress.lines_digest
    if not old and digested(metrics) != progress.lines_digest:
        sound = {_step(m): m for m in found if _is_sound(clock.get(_step(m), b""), m)}
        metrics = [sound[step] for step in sorted(sound) if step <= progress.step]
        complete = digested(metrics) == progress.lines_digest
        if len(metrics) == wanted and not complete:  # all of another run
            metrics = []
    lost, changed = "", metrics != found[:wanted]
    if not complete:
        kind = "lines as they were written" if changed else "whole lines"
        lost = f"holds {len(metrics)} {kind}, but the checkpoint was saved after {wanted}"
    cut = not complete and _read(run.metrics)[-1:] not in (b"", b"\n")  # a line that was counted
    told = dict[Path, str]()
    if changed or cut:
        told[run.metrics] = f"{run.metrics} [RUN_METRICS] was changed; {RENAMED}"
    times = [_time(clock.get(_step(line), b""), line, old) for line in metrics]
    steps = {_step(line) for line in metrics}
    if not old and times != [line for line in whole_lines(run.times) if _step(line) in steps]:
        null = sum(b'"time": null' in line for line in times)
        told[run.times] = (
            f"{run.times} [RUN_TIMES] was changed: of {len(times)} lines {null} are not as written "
            f"and become null; {RENAMED}"
        )
    return KeptLines(metrics, times, lost, told)


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that have an end; none where it is not there."""
    return [line + b"\n" for line in _read(path).split(b"\n")[:-1]]


def _time(time: bytes, line: bytes, old: bool) -> bytes:
    """Return the line of the times for one of the metrics: null where it is not to be trusted."""
    if not time or not (old or _is_sound(time, line)):
        time = _encoded({"step": _step(line), "time": None, "targets_per_second": None})
    return _sealed(_parsed(time), line)


def _is_sound(time: bytes, line: bytes) -> bool:
    """Tell whether a line of the times, and with it one of the metrics, is what was written."""
    return time == _sealed(_parsed(time), line)


def _sealed(time: Mapping[str, Any], line: bytes) -> bytes:
    """Return a line of the times with its checksum, in which that of the metrics is counted."""
    bare = {name: value for name, value in time.items() if name != CHECKSUM}
    return _encoded({**bare, CHECKSUM: zlib.crc32(_encoded(bare), zlib.crc32(line))})


def _encoded(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, allow_nan=False) + "\n").encode()


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the object of a line; empty for what is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _step(line: bytes) -> int:
    """Return the step of a line; -1 for none."""
    step = _parsed(line).get("step")
    return step if isinstance(step, int) else -1


def _read(path: Path) -> bytes:
    """Return the bytes of a file; none where it is not there."""
    return bytes(read_regular(path, FILE_LIMIT, CheckpointError, "RUN")) if path.exists() else b""
