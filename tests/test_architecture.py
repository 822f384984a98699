"""The architecture page is short, and every function, module and folder that it names exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "rnnkit"
ARCHITECTURE = (DOCS / "ARCHITECTURE.md").read_text()
DECISIONS = (DOCS / "decisions.md").read_text()
UNITS = {path.stem for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}


def quoted(page: str) -> list[str]:
    """Return what stands in backticks in the prose of a page."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return sorted(set(re.findall(r"`([^`\n]+)`", prose)))


FUNCTIONS = [n for n in quoted(ARCHITECTURE) if re.fullmatch(r"\w+(\.\w+)+", n)]
FUNCTIONS = [n for n in FUNCTIONS if n.split(".")[0] in UNITS]
PATHS = [n for n in quoted(ARCHITECTURE) + quoted(DECISIONS) if re.fullmatch(r"[\w/]+(\.py|/)", n)]
PATHS = [n for n in PATHS if n not in ("state/", "history/")]  # groups of a checkpoint


def test_a_newcomer_reads_it_in_five_minutes() -> None:
    assert len(ARCHITECTURE.splitlines()) <= 150
    assert "](decisions.md)" in ARCHITECTURE


def test_every_package_has_its_paragraph_and_its_place_in_the_picture() -> None:
    assert set(re.findall(r"^\*\*(\w+)\*\*:", ARCHITECTURE, re.MULTILINE)) == UNITS
    picture = re.search(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert picture
    assert set(re.findall(r"\w+", picture[1])) >= UNITS


def test_the_four_lives_name_functions() -> None:
    for thing in ("spec", "batch", "checkpoint", "prediction"):
        life = ARCHITECTURE.split(f"## The life of a {thing}\n")[1].split("\n## ")[0]
        assert len(set(FUNCTIONS) & set(quoted(life))) >= 8


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_it_names_exists(name: str) -> None:
    *parts, last = name.split(".")
    while not (PACKAGE.joinpath(*parts).with_suffix(".py")).is_file():
        last = f"{parts.pop()}.{last}"
    found = importlib.import_module(".".join(["rnnkit", *parts]))
    for part in last.split("."):
        found = getattr(found, part)
    assert callable(found)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_a_path_that_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists() or (PACKAGE / path).exists()


def test_decisions_are_grouped_by_package_under_headings_of_their_own() -> None:
    packages = re.findall(r"^## (.+)$", DECISIONS, re.MULTILINE)
    decisions = re.findall(r"^### (.+)$", DECISIONS, re.MULTILINE)
    assert set(packages) <= UNITS
    assert len(decisions) == len(set(decisions)) >= 46
