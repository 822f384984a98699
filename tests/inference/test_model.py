"""Which file of a folder is the model."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnnkit
from rnnkit.errors import CheckpointError
from rnnkit.inference.model import checkpoint_of


def made(folder: Path, *names: str) -> Path:
    (folder / "checkpoints").mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def step(number: int) -> str:
    return f"step-{number:012}.h5"


def test_the_best_of_a_run_comes_first_and_then_its_newest(tmp_path: Path) -> None:
    run = made(tmp_path, *(f"checkpoints/{step(number)}" for number in (9, 100, 20)))
    assert checkpoint_of(run) == run / "checkpoints" / step(100)
    (run / "best.h5").touch()
    assert checkpoint_of(run) == run / "best.h5"


def test_of_the_checkpoints_themselves_it_is_the_newest(tmp_path: Path) -> None:
    folder = made(tmp_path, *(f"checkpoints/{step(number)}" for number in (7, 8)), "best.h5")
    assert checkpoint_of(folder / "checkpoints") == folder / "checkpoints" / step(8)


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(TypeError, match="the path of a checkpoint or a run, received a int"):
        rnnkit.load(3)  # type: ignore[arg-type]


def test_a_file_is_itself_and_an_empty_folder_none(tmp_path: Path) -> None:
    assert checkpoint_of(tmp_path / "any.h5") == tmp_path / "any.h5"
    with pytest.raises(CheckpointError, match=r"\[CKPT_NOT_FOUND\] holds no checkpoint"):
        checkpoint_of(made(tmp_path))
