"""docs/guide/modes.md from top to bottom: its files are written, its commands run, as they stand.

A fence with a file's name is that file. Every line of the text after a command is a line that the
command prints; "..." stands for anything, and blanks for any blanks.
"""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers import Ran, command

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "modes.md"
EXITS = {"rnnkit run reviews.json --out bad -s data.path=bad.jsonl": 5}


class Fence(NamedTuple):
    language: str
    name: str
    text: str


def fences(section: str) -> list[Fence]:
    found = re.findall(r"```(\w+) ?(\S*)\n(.*?)```", section, re.DOTALL)
    return [Fence(*parts) for parts in found]


def sections() -> list[str]:
    return re.split(r"(?m)^## ", PAGE.read_text())[1:]


def said(line: str, ran: Ran) -> bool:
    wanted = " ".join(line.split()) + "\n"
    check = doctest.OutputChecker().check_output
    printed = (" ".join(got.split()) + "\n" for got in (ran.out + ran.err).splitlines())
    return any(check(wanted, got, doctest.ELLIPSIS) for got in printed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the whole page: its last section uses a spec of an earlier one."""
    home = tmp_path_factory.mktemp("modes")
    for section in sections():
        for fence in fences(section):
            if fence.name:
                (home / fence.name).write_text(fence.text)
    return home


@pytest.mark.parametrize("section", sections(), ids=lambda text: text.partition("\n")[0])
def test_a_section_does_what_it_says(
    section: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    ran, commands = None, 0
    for fence in fences(section):
        if fence.language == "python":
            exec(fence.text, {})
        elif fence.language == "sh":
            line = fence.text.strip()
            program, *arguments = shlex.split(line)
            assert program == "rnnkit"
            ran, commands = command(*arguments), commands + 1
            assert ran.code == EXITS.get(line, 0), ran.err
        elif fence.language == "text":
            assert ran is not None
            for wanted in fence.text.splitlines():
                assert said(wanted, ran), f"{wanted}\nis not in\n{ran.out}{ran.err}"
    assert commands > 1
