"""samples.jsonl: what the model wrote while it was trained, as a resume may trust it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from rnnkit.checkpoint.journal import digested, whole_lines
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.files.atomic import has_other_names, storage_error, write_atomic


def append_sample(run: RunDir, sample: Mapping[str, Any], progress: Progress) -> Progress:
    """Write a line that is on the disk before a checkpoint counts it; raises StorageError."""
    line = (json.dumps(sample, allow_nan=False) + "\n").encode()
    try:
        if has_other_names(run.samples):
            write_atomic(run.samples, run.samples.read_bytes())
        with open(run.samples, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(run.samples, "cannot write a line", error) from error
    digest = digested([line], progress.samples_digest)
    return progress.changed(samples=progress.samples + 1, samples_digest=digest)


def keep_samples(run: RunDir, progress: Progress, tell: Callable[[str], None]) -> Progress:
    """Cut the file to the lines of this progress; return the progress that goes with it.

    A file that does not begin with them is renamed, which is reported, and the next one begins
    with the next sample.
    """
    found = whole_lines(run.samples)
    kept = found[: progress.samples]
    if digested(kept) == progress.samples_digest:
        if run.samples.exists() and kept != found:
            write_atomic(run.samples, b"".join(kept))
        return progress
    renamed = f"; it is renamed to {run.reject(run.samples).name}" if run.samples.exists() else ""
    tell(f"{run.samples} [RUN_SAMPLES] is not as it was written{renamed}; a new one begins")
    return progress.changed(samples=0, samples_digest="")
