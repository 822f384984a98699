"""The page on pictures: its commands run, and print what it says they print.

Every Python carries its own edition of the text that the page reads: its numbers are those of one.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from helpers import done

from rnnkit import load_spec
from rnnkit.analysis.plots import svg

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "pictures.md").read_text()
EDITION = "2a95af4ac93f5b719944030ce3769070ddf827d847cba42192afa8da989e5dc4"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The specs of the page, under the names that it gives them."""
    for name, content in zip(("notes.json", "cells.json"), blocks("json"), strict=True):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.mark.parametrize("block", blocks("text"), ids=lambda b: b.splitlines()[0])
def test_what_is_shown_is_what_comes(block: str, folder: Path) -> None:
    first, _, shown = block.partition("\n")
    prompt, program, *arguments = shlex.split(first)
    assert (prompt, program) == ("$", "rnnkit")
    found = done(*arguments).out
    if load_spec("notes.json").data.open(folder).digest() == EDITION:
        assert found == shown
    else:
        assert sentences(found) == sentences(shown)


def sentences(text: str) -> list[str]:
    """The sentences below a picture, without their numbers."""
    return [re.sub(r"[\d.e+]+", "#", line) for line in text.split("\n\n")[1].splitlines()]


def test_the_commands_run(folder: Path) -> None:
    for line in blocks("sh")[0].splitlines():
        program, *arguments = shlex.split(line)
        assert program == "rnnkit"
        if "runs.svg" in arguments and not svg.has_matplotlib():
            continue
        done(*arguments)
    assert (folder / "runs.svg").exists() == svg.has_matplotlib()
