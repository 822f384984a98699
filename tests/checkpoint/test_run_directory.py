"""What may be written into a run directory, and what is removed from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnkit.checkpoint.run_directory import RunDir


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("run.lock", True),
        ("run.json", True),
        (".spec.json.7.0123456789abcdef.tmp", True),
        ("checkpoints/", True),
        ("checkpoints/step-000000000001.h5", False),
        ("spec.json", False),
        ("metrics.jsonl", False),
    ],
)
def test_only_what_a_killed_start_leaves_is_nothing(tmp_path: Path, name: str, empty: bool) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert RunDir(tmp_path).is_empty() is empty


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert RunDir(tmp_path / "no").is_empty()


@pytest.mark.parametrize(("keep", "kept"), [(1, [3, 9]), (2, [2, 3, 9]), (5, [1, 2, 3, 9])])
def test_only_older_checkpoints_make_room(tmp_path: Path, keep: int, kept: list[int]) -> None:
    run = RunDir(tmp_path)
    run.checkpoints.mkdir()
    for step in (1, 2, 9):
        run.step_file(step).write_bytes(b"")
    assert run.save(3, b"new", keep) == run.step_file(3)
    assert run.step_file(3).read_bytes() == b"new"
    assert [step for step, _ in run.step_files()] == kept


def test_a_folder_among_the_checkpoints_stays(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.step_file(1).mkdir(parents=True)
    run.save(2, b"new", 1)
    assert run.step_file(1).is_dir()


def test_what_was_rejected_before_stays(tmp_path: Path) -> None:
    run, path = RunDir(tmp_path), tmp_path / "best.h5"
    kept = []
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        kept.append(run.reject(path))
    assert [each.read_bytes() for each in kept] == [b"first", b"second", b"third"]
    assert not path.exists()
