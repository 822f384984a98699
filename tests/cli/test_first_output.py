"""The first output of a short command comes soon: what it does not use is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ONE_THREAD, plain_spec, sequences_data, trained

from rnnkit.compute.kernels.jit import kernels_available

PROBE = """
import json, sys
from rnnkit.cli import run_command
assert run_command(sys.argv[1:]) == 0
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
COMPILING = {
    "numba.cpython.listobj",
    "numba.np.arrayobj",
    "numba.np.npyimpl",
    "numba.typed.typedlist",
}
"""Of the modules that numba compiles with; what it imports at once is not among them."""

UNUSED = (
    "asyncio",
    "rich",
    "rnnkit.analysis",
    "rnnkit.builtin.metrics",
    "rnnkit.exchange",
    "rnnkit.inference.evaluate",
    "rnnkit.network.memory",
    "rnnkit.spec.read",
    "rnnkit.spec.schema",
    "rnnkit.sweep",
    "rnnkit.training",
)


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
    return set(json.loads(ran.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def modules(word_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each command imports."""
    folder = tmp_path_factory.mktemp("first_output")
    (folder / "lines.txt").write_text("the cat\nthe\n")
    rows = [{"text": "abc"[: n % 3 + 1], "label": "xy"[n % 2]} for n in range(20)]
    spec = plain_spec(epochs=1)
    del spec["train"]["window"]
    spec["data"] = sequences_data(folder, rows)
    run = trained(folder, spec)
    return {
        "sample": imported("sample", word_run, "--length", 9),
        "score": imported("score", word_run, folder / "lines.txt"),
        "predict": imported("predict", run, folder / "rows.jsonl"),
    }


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_compiled_code_is_loaded_without_the_compiler(
    modules: dict[str, set[str]], word_run: Path
) -> None:
    for found in [*modules.values(), imported("eval", word_run)]:
        assert "llvmlite.binding" in found and "numba" not in found


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_kernels_are_loaded_without_what_compiles_them(word_run: Path, tmp_path: Path) -> None:
    spec = word_run.parent / "spec.json"
    found = imported("run", spec, "--force", "--out", tmp_path / "run", "--max-steps", 2)
    assert "numba.core.dispatcher" in found
    assert not found & COMPILING


def test_a_question_imports_nothing_of_others(modules: dict[str, set[str]]) -> None:
    for found in modules.values():
        assert [name for name in sorted(found) if name.startswith(UNUSED)] == []
    assert "rnnkit.inference.predict" not in modules["score"] | modules["sample"]
