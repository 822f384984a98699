"""A file that is named twice is not learned and tested on without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers import command, plain_spec, text, told

from rnnkit.builtin.datasets.shared.file_names import file_names
from rnnkit.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(text(200))
    (tmp_path / "link.txt").symlink_to("a.txt")
    os.link(tmp_path / "b.txt", tmp_path / "other.txt")
    return tmp_path


def checked(folder: Path, **data: object) -> object:
    spec = plain_spec()
    spec["data"] = {"type": "text", "tokenizer": {"type": "char"}, **data}
    (folder / "spec.json").write_text(json.dumps(spec))
    return command("check", "--data", folder / "spec.json")


def test_files_named_twice_are_refused_all_at_once(folder: Path) -> None:
    names = ["a.txt", "b.txt", "./a.txt", "link.txt", "other.txt"]
    with pytest.raises(DataError) as error:
        file_names(folder, names)
    assert [(problem.where, problem.code, problem.message) for problem in error.value.problems] == [
        (
            f"{folder}/a.txt",
            "DATA_REPEATED",
            "is named 3 times, as ./a.txt and link.txt too: what stands in it would be learned and "
            "tested on (name it once)",
        ),
        (
            f"{folder}/b.txt",
            "DATA_REPEATED",
            "is named 2 times, as other.txt too: what stands in it would be learned and tested on "
            "(name it once)",
        ),
    ]
    assert file_names(folder, ["a.txt", "b.txt"]) == ["a.txt", "b.txt"]


def test_a_pattern_and_a_name_of_one_file(folder: Path) -> None:
    (folder / "link.txt").unlink()
    (folder / "other.txt").unlink()
    said = "a.txt [DATA_REPEATED] is named 2 times: what stands in it would be learned"
    told(checked(folder, path=["*.txt", "a.txt"]), 5, said)


def test_splits_of_one_file_are_told(folder: Path) -> None:
    ran = checked(folder, train="a.txt", valid="link.txt", test="b.txt")
    assert ran.code == 0
    said = "valid is the file of train, link.txt: its metrics tell what was memorized"
    assert said in ran.err + ran.out
    ran = checked(folder, train="a.txt", valid="b.txt")
    assert "the file of" not in ran.err + ran.out
