"""docs/guide/modes.md from top to bottom: its files are written, its commands run."""

from __future__ import annotations

from pathlib import Path

import pytest
from guide_pages import run_section, sections, title, write_files

SECTIONS = sections("modes.md")
EXITS = {"rnnkit run reviews.json --out bad -s data.path=bad.jsonl": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the whole page: its last section uses a spec of an earlier one."""
    home = tmp_path_factory.mktemp("modes")
    for section in SECTIONS:
        write_files(section, home)
    return home


@pytest.mark.parametrize("section", SECTIONS, ids=title)
def test_a_section_does_what_it_says(
    section: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run_section(section, EXITS) > 1
