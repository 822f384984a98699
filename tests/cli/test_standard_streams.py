"""Streams that are closed, full or read by nobody: the exit code stays right, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import newest, plain_spec, write_spec


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `rnnkit` is the command; its code is that of the command."""
    function = f'rnnkit() {{ "{sys.executable}" -m rnnkit.cli "$@"; }}'
    script = f"{function}\n{line}\nexit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_spec(tmp_path, plain_spec())
    (tmp_path / "nix.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("rnnkit eval nix --json | true", 6, "nix [CKPT_NOT_FOUND]"),
        ("rnnkit check nix.json --json > /dev/full", 3, "3 errors"),
        ("rnnkit check nix.json 2> /dev/full", 3, ""),
        ("rnnkit check nix.json -v --json > /dev/full 2> /dev/full", 3, ""),
        ("rnnkit run --json > /dev/full 2> /dev/full", 2, ""),
        ("rnnkit check spec.json > /dev/full", 74, "stdout [IO_ERROR] No space left on device (ch"),
        ("rnnkit check spec.json --json > /dev/full", 74, "stdout [IO_ERROR] No space left on"),
        ("rnnkit check spec.json | true", 0, ""),
        ("rnnkit check spec.json >&-", 0, ""),
        ("rnnkit check spec.json <&- >&- 2>&-", 0, ""),
        ("rnnkit check nix.json <&- >&- 2>&-", 3, ""),
        ("rnnkit score nix.h5 - <&-", 6, "nix.h5 [CKPT_NOT_FOUND]"),
    ],
)
def test_the_exit_code_is_right(line: str, code: int, said: str, folder: Path) -> None:
    ran = shell(line, folder)
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr and "Traceback" not in ran.stderr and "Exception" not in ran.stderr
    assert said or not ran.stderr


@pytest.mark.parametrize(
    "where", ["2>&1 | head -1", "2> /dev/full", "2>&-", "<&- >&- 2>&-", "2>&1 | true"]
)
def test_a_run_that_nobody_hears_is_finished(where: str, folder: Path) -> None:
    ran = shell(f"rnnkit run spec.json --out h {where}", folder)
    assert ran.returncode == 0
    assert newest(folder / "h").meta.progress.finished
    assert not [p for p in (folder / "h").iterdir() if p.name == "null"]


def test_ctrl_c_while_the_command_is_imported(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    ran = subprocess.run(
        [sys.executable, "-c", "from rnnkit.cli import main; main()"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")
