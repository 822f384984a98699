"""What a library says of a variable that it cannot read is told in one line."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path

import pytest
from helpers import plain_spec, process, write_spec

from rnnkit.cli import _show_warning


def test_of_a_traceback_the_error_stays(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("x")
    except ValueError:
        quoted = traceback.format_exc()
    assert quoted.count("\n") >= 3
    _show_warning(f"cannot read N.\nThe reason:\n{quoted}\nthe default counts", UserWarning)
    said = "cannot read N. The reason: ValueError: invalid literal for int() with base 10: 'x' "
    assert capsys.readouterr().err == f"[WARNING] UserWarning: {said}the default counts\n"


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="numba reads the variable")
def test_a_variable_that_numba_cannot_read() -> None:
    ran = process(["doctor"], NUMBA_OPT="bogus")
    assert ran.returncode == 0 and "Traceback" not in ran.stderr
    (line,) = (line for line in ran.stderr.splitlines() if "NUMBA_OPT" in line)
    assert line.startswith("[WARNING] RuntimeWarning: Environment variable 'NUMBA_OPT' is defined")
    assert "'bogus'" in line and "supported values are 0, 1, 2, 3" in line


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="numba reads the variable")
def test_features_at_which_the_compiler_would_abort(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, plain_spec())
    for arguments in (["doctor"], ["run", spec, "--out", tmp_path / "run"]):
        ran = process(arguments, NUMBA_CPU_FEATURES="+avx2,zz")
        said = "zz has no sign: expected features such as +avx2,-fma (or unset it)"
        assert (ran.returncode, ran.stdout) == (8, "")
        assert ran.stderr.endswith(f"NUMBA_CPU_FEATURES [CPU_FEATURES] {said}\n")
