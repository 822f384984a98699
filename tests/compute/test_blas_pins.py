"""What a pinned BLAS kernel costs is measured, and told in the user's numbers."""

from __future__ import annotations

import subprocess

import pytest

from rnnkit.cli.doctor import _warning
from rnnkit.compute import blas_pins


def test_only_what_is_set_is_named() -> None:
    assert blas_pins.pins({"OPENBLAS_CORETYPE": "Haswell", "HOME": "/"}) == {
        "OPENBLAS_CORETYPE": "Haswell"
    }
    assert blas_pins.pins({}) == {}


def test_the_cost_is_the_ratio_of_the_best_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    times = {True: iter([0.4, 0.5]), False: iter([0.3, 0.2])}
    monkeypatch.setattr(blas_pins, "_seconds", lambda e: next(times["OPENBLAS_CORETYPE" in e]))
    assert blas_pins.cost() == pytest.approx(2.0)


def test_a_probe_that_fails_leaves_the_cost_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(environment: dict[str, str]) -> float:
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(blas_pins, "_seconds", fails)
    assert blas_pins.cost() is None


def test_the_probe_measures_something() -> None:
    assert 0 < blas_pins._seconds({}) < 60


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (None, "an older one than the processor's can halve their speed"),
        (1.01, "that costs nothing here, measured on 1000 x 1000 in float32"),
        (1.87, "one takes 1.9 times as long here, measured on 1000 x 1000 in float32"),
    ],
)
def test_wording(times: float | None, said: str) -> None:
    assert _warning({"OPENBLAS_CORETYPE": "Haswell"}, times) == (
        f"OPENBLAS_CORETYPE=Haswell pins the kernel of matrix products: {said} (unset it)"
    )
