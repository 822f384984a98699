"""The first output of a short command comes soon: what it does not use is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ONE_THREAD

from rnnkit.compute.kernels.jit import kernels_available

PROBE = """
import json, sys
from rnnkit.cli import run_command
assert run_command(sys.argv[1:]) == 0
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
COMPILING = {"numba.cpython.listobj", "numba.np.npyimpl", "numba.typed.typedlist"}
"""Of the modules that numba compiles with; what it imports at once is not among them."""


def imported(*line: object) -> set[str]:
    """Return what a process imports that finds its kernels in the cache."""
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-c", PROBE, *map(str, line)],
            capture_output=True,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stderr))


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_kernels_are_loaded_without_what_compiles_them(word_run: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("the cat\nthe\n")
    for line in (("score", word_run, tmp_path / "lines.txt"), ("sample", word_run, "--length", 9)):
        found = imported(*line)
        assert "numba.core.dispatcher" in found
        assert not found & COMPILING
