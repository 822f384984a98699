"""What doctor says of variables that slow matrix products down, and of versions."""

from __future__ import annotations

import importlib.metadata

import pytest
from helpers import done

from rnnkit.cli.doctor import _version, _warning
from rnnkit.compute.numerics import limited_threads

TWO = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "9"}
PINS = "OPENBLAS_CORETYPE=Haswell OPENBLAS_L2_SIZE=9 pins the kernel of matrix products: "


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (None, "an older one than the processor's can halve their speed"),
        (1.04, "that costs nothing here, measured on 1000 x 1000 in float32"),
        (1.05, "one takes 1.1 times as long here, measured on 1000 x 1000 in float32"),
        (2.26, "one takes 2.3 times as long here, measured on 1000 x 1000 in float32"),
    ],
)
def test_what_a_pinned_kernel_costs(times: float | None, said: str) -> None:
    assert _warning(TWO, times) == f"{PINS}{said} (unset it)"


def test_rows_hold_names_with_values_or_none(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from rnnkit.cli import doctor

    for name in doctor.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    lines = dict(line.split(None, 1) for line in done("doctor").out.splitlines())
    assert lines["environment"] == "none"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    request.getfixturevalue("without_kernels")
    lines = dict(line.split(None, 1) for line in done("doctor").out.splitlines())
    assert lines["environment"] == "OMP_NUM_THREADS 2, RNNKIT_KERNELS numpy"
    assert f"rnnkit {doctor.VERSION}, numpy " in lines["packages"]


def test_threads_are_those_of_a_run_within_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnkit.compute.numerics import VARIABLES

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("rnnkit.compute.numerics.processors", lambda: 1)
    with limited_threads(2):  # what the BLAS began with
        lines = dict(line.split(None, 1) for line in done("doctor").out.splitlines())
    assert lines["threads"] == "1"


def test_the_version_is_that_of_the_code_or_of_the_metadata() -> None:
    assert _version("click") == importlib.metadata.version("click")
    assert _version("json.tool") == "unknown"
