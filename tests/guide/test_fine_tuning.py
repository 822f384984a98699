"""docs/guide/fine-tuning.md from top to bottom: its files are written, its commands run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from guide_pages import run_section, sections, write_files
from helpers import results

from rnnkit.inference.model import load


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sections("fine-tuning.md")
    for section in found:
        write_files(section, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert [run_section(section, {}) for section in found] == [5, 2, 2, 0]
    assert results(Path("stopped")) == results(Path("french"))
    given, own = (load(path).store.stored() for path in ("old", "reviews"))
    for name in ("Wx", "Wh", "b"):
        np.testing.assert_array_equal(own[f"body/{name}"], given[f"1.lstm/{name}"])
