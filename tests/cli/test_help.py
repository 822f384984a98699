"""Help is fast, complete and written down: every command, every option, nothing heavy imported."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from helpers import command, done, write_stub

from rnnkit.cli import COMMANDS, group

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "h5py", "pydantic", "rich", "threadpoolctl", "rnnkit_mgu", "rnnkit_stub")

PROBE = """
import json, sys
from rnnkit.cli import run_command
assert run_command(sys.argv[2:]) == 0
found = [name for name in sys.argv[1].split() if name in sys.modules]
found += [name for name in sys.modules if name.startswith("rnnkit.builtin.cells.")]
print(json.dumps(found), file=sys.stderr)
"""


def command_of(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option(name: str) -> None:
    ran = done(name, "--help")
    assert ran.err == ""
    assert ran.out.startswith(f"Usage: rnnkit {name} [OPTIONS]")
    for parameter in command_of(name).params:
        if isinstance(parameter, click.Option):
            assert all(option in ran.out for option in parameter.opts)
            assert parameter.help, f"{name} {parameter.opts} has no help"
    assert done(name, "-h").out == ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_verbose(name: str) -> None:
    found = command_of(name)
    for each in found.commands.values() if isinstance(found, click.Group) else (found,):
        options = {option for parameter in each.params for option in parameter.opts}
        assert {"--json", "-v", "--verbose"} <= options


def test_a_group_says_what_its_commands_take() -> None:
    for verb in ("show", "best", "plot"):
        assert done("sweep", verb, "--help").out.startswith(f"Usage: rnnkit sweep {verb} [OPTIONS]")
    assert "--workers" in done("sweep", "run", "--help").out


def test_the_group_lists_every_command() -> None:
    out = done("--help").out
    for name, line in COMMANDS.items():
        assert f"  {name} " in out and line in out


def test_a_file_for_each_command() -> None:
    stems = {path.stem for path in (ROOT / "rnnkit" / "cli").glob("*.py")}
    files = {
        s if s.startswith("_") else s.removesuffix("_") for s in stems
    }  # import_ is no keyword
    assert files - set(COMMANDS) == {
        "__init__",
        "__main__",
        "common",
        "options",
        "paths",
        "streams",
        "picture",
        "ranks",
        "records",
        "results",
        "training",
    }


@pytest.mark.parametrize(
    "line", ["--help", "--version", "plugins", *(f"{name} --help" for name in COMMANDS)]
)
def test_nothing_heavy_is_imported(line: str, tmp_path: Path) -> None:
    write_stub(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, " ".join(HEAVY), *line.split()],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stderr) == []
    if line == "plugins":
        assert "rnnkit-stub" in ran.stdout


def test_the_version() -> None:
    assert done("--version").out == "rnnkit, version 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "there is no command 'train' (did you mean 'run'?"),
        (["run"], "Missing argument 'SPEC'"),
        (["sample", "x", "--lenght", "3"], "--length"),
        (["sample", "x", "--length", "many"], "'many' is not a valid integer"),
        (["sample", "x", "-t", "1e-9"], "expected 0, for the likeliest token each time"),
        (["sample", "x", "-t", "nan"], "received nan"),
        (["sample", "x", "--top-p", "nan"], "received nan"),
        (["decode", "x", "--alpha", "nan"], "'--alpha': expected a number, received nan"),
        (["forecast", "x", "--level", "nan"], "'--level': expected a number, received nan"),
        (["sample", "x", "--top-k", "0"], "0 is not in the range"),
        (["sample", "x", "--seed", str(2**63)], "is not in the range"),
        (["run", "x", "--max-time", "soon"], "expected a time such as 90s, 30m or 2h"),
        (["run", "x", "--max-memory", "4 cats"], "expected a size such as 500MB or 4GB"),
        (["run", "x", "--max-memory", "0"], "expected a size"),
        (["run", "x", "--resume", "auto"], "needs --out"),
        (["run", "x", "--out", "y", "--resume", "must", "--force"], "give one of them"),
        (["eval", "x", "--fail-above", "loss"], "expected METRIC=VALUE"),
        (["eval", "x", "--fail-below", "loss=nan"], "expected METRIC=VALUE"),
    ],
)
def test_wrong_command_lines(arguments: list[str], said: str) -> None:
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_no_command_at_all_shows_the_help() -> None:
    ran = command()  # its code depends on the version of click
    assert done("--help").out.strip() in ran.out + ran.err


def test_a_wrong_command_line_as_json() -> None:
    ran = command("sample", "x", "--top-k", "0", "--json")
    assert ran.code == 2
    error = json.loads(ran.out)["error"]
    assert error["exit"] == 2
    assert error["problems"][0]["code"] == "USAGE"


def test_the_reference_is_what_the_commands_are() -> None:
    script = ROOT / "docs" / "make_commands.py"
    module = importlib.util.module_from_spec(
        spec := importlib.util.spec_from_file_location("make_commands", script)
    )
    spec.loader.exec_module(module)
    page = ROOT / "docs" / "guide" / "commands.md"
    assert page.read_text() == module.page(), "run: python docs/make_commands.py"
    for name in COMMANDS:
        for parameter in command_of(name).params:
            named = isinstance(parameter, click.Option) and parameter.name not in module.SHARED
            assert not named or f"`{parameter.opts[0]}`" in page.read_text()
