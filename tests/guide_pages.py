"""Pages of the guide that are run from top to bottom: their files are written, their commands run.

A fence with a file's name is that file. Every line of the text after a command is a line that the
command prints; "..." stands for anything, and blanks for any blanks.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from helpers import Ran, command

GUIDE = Path(__file__).parents[1] / "docs" / "guide"


class Fence(NamedTuple):
    language: str
    name: str
    text: str


def fences(section: str) -> list[Fence]:
    found = re.findall(r"```(\w+) ?(\S*)\n(.*?)```", section, re.DOTALL)
    return [Fence(*parts) for parts in found]


def sections(page: str) -> list[str]:
    """Return the sections of a page of the guide, each with its title."""
    return re.split(r"(?m)^## ", (GUIDE / page).read_text())[1:]


def title(section: str) -> str:
    return section.partition("\n")[0]


def write_files(section: str, folder: Path) -> None:
    for fence in fences(section):
        if fence.name:
            (folder / fence.name).write_text(fence.text)


def said(line: str, ran: Ran) -> bool:
    wanted = " ".join(line.split()) + "\n"
    check = doctest.OutputChecker().check_output
    printed = (" ".join(got.split()) + "\n" for got in (ran.out + ran.err).splitlines())
    return any(check(wanted, got, doctest.ELLIPSIS) for got in printed)


def run_section(section: str, exits: Mapping[str, int]) -> int:
    """Do in the current folder what a section shows; return the number of its commands.

    `exits` has the exit codes of commands that are to fail. What is no command of rnnkit runs in a
    process, `python` as this one.
    """
    ran, commands = None, 0
    for fence in fences(section):
        if fence.language == "python" and not fence.name:
            exec(fence.text, {"__name__": "page"})
        elif fence.language == "sh":
            for line in fence.text.strip().splitlines():
                ran, commands = _ran(line), commands + 1
                assert ran.code == exits.get(line, 0), ran.err
        elif fence.language == "text":
            assert ran is not None
            for wanted in fence.text.splitlines():
                assert said(wanted, ran), f"{wanted}\nis not in\n{ran.out}{ran.err}"
    return commands


def _ran(line: str) -> Ran:
    program, *arguments = shlex.split(line)
    if program == "rnnkit":
        return command(*arguments)
    name = sys.executable if program == "python" else program
    done = subprocess.run([name, *arguments], capture_output=True, text=True, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)
