"""Of several BLAS in a process, NumPy's own is found whatever the order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnkit.compute import numpy_blas as module
from rnnkit.compute.numpy_blas import numpy_blas

NUMPY = Path(np.__file__).parent
OWN = NUMPY.with_name("numpy.libs") / "libopenblas64_.so"
MAC = NUMPY / ".dylibs" / "libopenblas64_.dylib"
SCIPY = NUMPY.with_name("scipy.libs") / "libopenblas.so"
SYSTEM = Path("/usr/lib/libopenblas.so.0")
OTHER = Path("/opt/mkl/libmkl_rt.so")


def loaded(paths: list[Path]) -> Any:
    libraries = [SimpleNamespace(filepath=str(path)) for path in paths]
    chosen = SimpleNamespace(lib_controllers=libraries)
    return lambda: SimpleNamespace(select=lambda user_api: chosen)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        ([OWN, SCIPY], OWN),
        ([SCIPY, OWN], OWN),
        ([SCIPY, MAC], MAC),
        ([SCIPY, SYSTEM], SYSTEM),
        ([SYSTEM, SCIPY], SYSTEM),
        ([SYSTEM, OTHER], OTHER),
        ([OTHER, SYSTEM], OTHER),
    ],
)
def test_it_is_the_one_that_numpy_uses(
    monkeypatch: pytest.MonkeyPatch, paths: list[Path], wanted: Path
) -> None:
    monkeypatch.setattr(module, "ThreadpoolController", loaded(paths))
    found = numpy_blas()
    assert found and found.filepath == str(wanted)


def test_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ThreadpoolController", loaded([]))
    assert numpy_blas() is None
