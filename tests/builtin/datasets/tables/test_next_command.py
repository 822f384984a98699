"""A run of a table ends with the command that predicts the newest file of its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rnnkit.builtin.datasets.tables.sequences import Sequences


@pytest.mark.parametrize(
    ("files", "newest"),
    [
        ({"path": "rows.jsonl"}, "rows.jsonl"),
        ({"path": ["b.jsonl", "a.jsonl"]}, "a.jsonl"),
        ({"train": "a.jsonl", "valid": "b.jsonl"}, "b.jsonl"),
        ({"train": "a.jsonl", "valid": "b.jsonl", "test": "c.jsonl"}, "c.jsonl"),
    ],
)
def test_the_newest_file_is_named(tmp_path: Path, files: dict[str, object], newest: str) -> None:
    for name in ("a", "b", "c", "rows"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")
    block = {
        "inputs": {"kind": "tokens", "key": "x"},
        "targets": {"kind": "class", "key": "y"},
        **files,
    }
    table = Sequences.model_validate_json(json.dumps(block))
    assert table.next_command(None, tmp_path) == ("predict", str(tmp_path / newest))  # type: ignore[arg-type]
