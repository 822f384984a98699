"""The fingerprint of the arithmetic: equal where bits are, different where they are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import command, copy, process, results, small_spec, trained

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.numerics import VARIABLES, Numerics, fingerprint, limited_threads

PROGRAM = "from rnnkit.compute.numerics import fingerprint; print(fingerprint().model_dump_json())"


def elsewhere(**environment: str) -> Numerics:
    """Return the fingerprint of a process with this environment."""
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
    )
    return Numerics.model_validate_json(found.stdout)


@pytest.fixture(scope="module")
def here() -> Numerics:
    return elsewhere()


def other_kernel(here: Numerics) -> str:
    """Return a kernel that every x86-64 has and this process does not use."""
    if "openblas" not in here.blas or os.uname().machine != "x86_64":
        pytest.skip(f"no other kernel to choose in {here.blas} on {os.uname().machine}")
    return "Nehalem" if here.kernel != "Nehalem" else "Prescott"


def needs_two_threads() -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core: the BLAS has no second thread")


def test_equal_in_two_processes(here: Numerics) -> None:
    other = elsewhere(PYTHONHASHSEED="7")
    assert other == here and here.differences(other) == []


def test_equal_twice_in_this_process() -> None:
    assert fingerprint() == fingerprint()


def test_two_threads_are_another_arithmetic(here: Numerics) -> None:
    """Whether the probe's own bits differ depends on the kernel; the number of threads tells."""
    needs_two_threads()
    two = elsewhere(OPENBLAS_NUM_THREADS="2")
    assert (here.threads, two.threads) == (1, 2) and here != two
    assert here.differences(two) == ["threads: 1 then, 2 now"]


def test_the_option_for_threads_is_what_counts(here: Numerics) -> None:
    needs_two_threads()
    with limited_threads(2):
        two = fingerprint()
    with limited_threads(1):
        one = fingerprint()
    assert one == here
    assert two.threads == 2 and two != one


def test_another_kernel_is_another_arithmetic(here: Numerics) -> None:
    other = elsewhere(OPENBLAS_CORETYPE=other_kernel(here))
    assert other.digest != here.digest
    assert here.differences(other) == [f"kernel: {here.kernel} then, {other.kernel} now"]


@pytest.mark.parametrize(
    "environment",
    [
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        {"NUMBA_OPT": "0"},
        {"NUMBA_LOOP_VECTORIZE": "0"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_another_compiler_is_another_arithmetic(
    here: Numerics, environment: dict[str, str]
) -> None:
    if not kernels_available():
        pytest.skip("kernels are off (RNNKIT_KERNELS=numpy)")
    other = elsewhere(**environment)
    assert other.digest != here.digest
    assert here.differences(other) == [f"compiler: {here.compiler} then, {other.compiler} now"]


def test_the_first_version_did_not_ask_for_the_compiler(here: Numerics) -> None:
    stored = here.model_dump(mode="json")
    del stored["compiler"]
    then = Numerics.model_validate(stored)
    assert then.differences(here) == here.differences(then) == []


def test_a_switch_of_numba_turns_kernels_off(here: Numerics) -> None:
    off = elsewhere(NUMBA_DISABLE_JIT="1")
    assert (off.kernels, off.compiler) == ("numpy", "")
    assert off == elsewhere(RNNKIT_KERNELS="numpy")


def test_a_processor_of_the_baseline_alone(here: Numerics) -> None:
    """NumPy leaves "found" out of its report where nothing was."""
    plain = elsewhere(NPY_DISABLE_CPU_FEATURES=" ".join(extensions().get("found", ())))
    assert plain.simd == " ".join(extensions()["baseline"])


def extensions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = np.show_config(mode="dicts")["SIMD Extensions"]
    return found


def test_a_report_without_simd_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert fingerprint().simd == ""


def test_a_quota_of_processors_limits_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_two_threads()
    monkeypatch.setattr("rnnkit.compute.numerics.processors", lambda: 1)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with limited_threads(2):
        assert fingerprint().threads == 2
        with limited_threads(None):
            assert fingerprint().threads == 1
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")  # the user's word
        with limited_threads(None):
            assert fingerprint().threads == 2


def test_other_bits_without_a_reason_are_told_too(here: Numerics) -> None:
    other = here.model_copy(update={"digest": "0" * 16})
    assert here.differences(other) == [f"digest: {here.digest} then, {'0' * 16} now"]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one thread, stopped."""
    return trained(tmp_path_factory.mktemp("half"), small_spec(), "--max-steps", "7")


@pytest.mark.parametrize("kind", ["threads", "kernel"])
def test_a_resume_tells_it_and_exact_refuses(
    half: Path, here: Numerics, tmp_path: Path, kind: str
) -> None:
    if kind == "kernel":
        environment = {"OPENBLAS_CORETYPE": other_kernel(here)}
    else:
        needs_two_threads()
        environment = {"OPENBLAS_NUM_THREADS": "2"}
    field = "kernel: " if kind == "kernel" else "threads: 1 then, 2 now"
    run = copy(half, tmp_path / "run")
    before = results(run)
    exact = process(["resume", run, "--exact"], **environment)
    assert exact.returncode == 8, exact.stderr
    assert "[EXACT_ENV]" in exact.stderr and field in exact.stderr
    assert results(run) == before
    told = process(["resume", run], **environment)
    assert told.returncode == 0, told.stderr
    assert f"no longer be bit-identical: {field}" in told.stderr


def test_exact_counts_the_option_for_threads(half: Path, tmp_path: Path) -> None:
    needs_two_threads()
    run = copy(half, tmp_path / "run")
    ran = command("resume", run, "--exact", "--threads", "2")
    assert ran.code == 8 and "threads: 1 then, 2 now" in ran.err
    assert command("resume", run, "--exact", "--threads", "1").code == 0


def test_exact_goes_on_where_nothing_differs(half: Path, here: Numerics, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    exact = process(["resume", run, "--exact"])
    assert exact.returncode == 0, exact.stderr
    assert "bit-identical" not in exact.stderr
    stored = json.loads((run / "run.json").read_text())["numerics"]
    assert Numerics.model_validate(stored) == here
