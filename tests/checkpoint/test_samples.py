"""samples.jsonl: kept as far as the checkpoint counts it, begun anew where it is another file."""

from __future__ import annotations

from pathlib import Path

from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.samples import append_sample, keep_samples


def test_a_file_that_was_begun_anew_is_kept_from_then_on(tmp_path: Path) -> None:
    run, told = RunDir(tmp_path), list[str]()
    progress = append_sample(run, {"step": 1, "text": "a"}, Progress())
    run.samples.write_text("another file\n")
    progress = keep_samples(run, progress, told.append)
    assert told == [
        f"{run.samples} [RUN_SAMPLES] is not as it was written; it is renamed to "
        "samples.jsonl.rejected; a new one begins"
    ]
    progress = append_sample(run, {"step": 2, "text": "b"}, progress)
    assert keep_samples(run, progress, told.append) == progress and len(told) == 1
    assert run.samples.read_text() == '{"step": 2, "text": "b"}\n'


def test_lines_beyond_those_that_are_counted_are_cut(tmp_path: Path) -> None:
    run, told = RunDir(tmp_path), list[str]()
    saved = append_sample(run, {"step": 1, "text": "a"}, Progress())
    append_sample(run, {"step": 2, "text": "b"}, saved)
    assert keep_samples(run, saved, told.append) == saved and not told
    assert run.samples.read_text() == '{"step": 1, "text": "a"}\n'
