"""A folder where a dataset names a file: the pattern that would read what lies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rnnkit.builtin.datasets.pairs.pairs import Pairs
from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.shared.file_dataset import FileDataset
from rnnkit.builtin.datasets.shared.file_names import file_names
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError

REFUSED = "[DATA_NOT_REGULAR] expected a regular file, received a folder; give the path of a file"
TOKENIZER = {"type": "char"}
BLOCKS: list[tuple[type[FileDataset], dict[str, Any]]] = [
    (Text, {"tokenizer": TOKENIZER}),
    (Pairs, {"tokenizer": TOKENIZER}),
    (Series, {"columns": ["x"]}),
    (
        Sequences,
        {
            "inputs": {"kind": "numbers", "key": "x"},
            "targets": {"kind": "numbers", "keys": ["y"]},
        },
    ),
]


def refused(root: Path, given: Any, endings: tuple[str, ...] = ()) -> str:
    with pytest.raises(DataError) as caught:
        file_names(root, given, endings)
    said = str(caught.value)
    return said[said.index("[DATA") :]


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("some text\n" * 9)


def test_the_ending_that_most_files_have(tmp_path: Path) -> None:
    make(tmp_path / "corpus", "a.txt", "b.txt", "c.txt", "d.md", ".hidden", "README", "in/e.md")
    make(tmp_path / "corpus", "in/f.md", "in/g.md")
    said = refused(tmp_path, "corpus")
    assert said == f'{REFUSED}, or "path": "corpus/*.txt" for the 3 files of that name in it'
    assert [*file_names(tmp_path, "corpus/*.txt")] == [f"corpus/{name}.txt" for name in "abc"]
    assert refused(tmp_path, ["corpus/a.txt", "corpus/"]) == said
    assert refused(tmp_path, "corpus", (".md",)).endswith(
        'or "path": "corpus/*.md" for the one file of that name in it'
    )
    assert refused(tmp_path, "corpus", (".csv",)) == REFUSED


def test_files_of_the_folders_in_it_and_names_with_signs(tmp_path: Path) -> None:
    make(tmp_path / "my [old] é", "a/1.csv.gz", "b/2.csv.gz")
    said = refused(tmp_path, "my [old] é", (".csv",))
    assert said == (
        f'{REFUSED}, or "path": "my [[]old] é/**/*.csv.gz" for the 2 files of that name in it'
    )
    pattern = json.loads(said.split('"path": ')[1].split(" for")[0])
    assert file_names(tmp_path, pattern) == ["my [old] é/a/1.csv.gz", "my [old] é/b/2.csv.gz"]


@pytest.mark.parametrize("key", ["path", "train"])
@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_every_dataset_of_files(
    tmp_path: Path, kind: type[FileDataset], block: dict[str, Any], key: str
) -> None:
    make(tmp_path / "corpus", "a.txt", "b.txt", "c.csv")
    dataset = kind.model_validate_json(
        json.dumps({**block, key: "corpus"}), context={"catalog": Registry()}
    )
    with pytest.raises(DataError) as caught:
        dataset.open(tmp_path)
    assert str(caught.value) == (
        f'{tmp_path}/corpus {REFUSED}, or "path": "corpus/*.txt" for the 2 files of that name in it'
    )
