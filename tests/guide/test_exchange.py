"""docs/guide/exchange.md from top to bottom: its files are written, its commands run."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
from guide_pages import fences, run_section, sections, title, write_files

FIRST, *OTHERS = sections("exchange.md")
EXITS = {"rnnkit export runs/tides --to onnx --out tides-onnx": 8}
NEEDED = {"onnx": "onnxruntime", "safetensors": "safetensors", "torch": "torch", "keras": "keras"}
"""The package that a section needs which exports to a target."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the whole page, with the files of all sections and the models of the first."""
    home = tmp_path_factory.mktemp("exchange")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for section in (FIRST, *OTHERS):
            write_files(section, home)
        _skip_without_packages(FIRST)
        run_section(FIRST, EXITS)
    return home


@pytest.mark.parametrize("section", [FIRST, *OTHERS], ids=title)
def test_a_section_does_what_it_says(
    section: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _skip_without_packages(section)
    monkeypatch.chdir(folder)
    if section is not FIRST:
        run_section(section, EXITS)


def _skip_without_packages(section: str) -> None:
    commands = " ".join(f.text for f in fences(section) if f.language in ("sh", "python"))
    for target, package in NEEDED.items():
        if f"--to {target}" in commands and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if ("gcc" in commands or "--to c " in commands) and not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
