"""An object file is found again, never taken for another one, and made anew where it is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rnnkit.compute.kernels import object_code
from rnnkit.compute.kernels.jit import COMPILING, kernels_available
from rnnkit.compute.kernels.object_code import array_address

pytestmark = pytest.mark.skipif(not kernels_available(), reason="kernels are off")

SOURCE = """
from __future__ import annotations

from rnnkit.compute.kernels import object_code
from rnnkit.compute.kernels.object_code import NO_MEMORY, entry

def make():
    from rnnkit.compute.kernels.memory import doubles

    def fill(into: int, size: int, value: float) -> int:
        if size > 9:
            return NO_MEMORY
        for k in range(size):
            doubles(into, size)[k] = value / (k + 1)
        return 0

    return fill

fill = entry("fill", "a test", make)
"""
CALLER = """
import numpy as np
from fills import fill

found = np.full(4, 9.0)
fill(found.ctypes.data, 3, 3.0)
print(found.tolist(), "numba" in __import__("sys").modules)
"""
COMPILED, LOADED = "[3.0, 1.5, 1.0, 9.0] True\n", "[3.0, 1.5, 1.0, 9.0] False\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fills.py").write_text(SOURCE)
    (tmp_path / "caller.py").write_text(CALLER)
    return tmp_path


def run(folder: Path, **settings: str) -> str:
    """Run the caller with a cache in its folder; return what it prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), **settings}
    command = [sys.executable, "caller.py"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    compiled = ran.stdout == COMPILED
    assert ran.stderr.startswith(COMPILING + "\n") if compiled else not ran.stderr
    return ran.stdout


def test_the_second_process_needs_no_compiler(folder: Path) -> None:
    assert [run(folder), run(folder)] == [COMPILED, LOADED]
    assert run(folder, NUMBA_OPT="0") == COMPILED, "of other code"
    assert run(folder, NUMBA_NUM_THREADS="1") == LOADED, "of the same code"


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "name"])
def test_a_damaged_file_is_made_anew(folder: Path, damage: str) -> None:
    run(folder)
    (file,) = (folder / "cache").glob("*.code")
    whole = bytearray(file.read_bytes())
    if damage == "empty":
        whole = bytearray()
    elif damage == "cut":
        whole = whole[:-1]
    else:
        whole[len(whole) // 2 if damage == "bit" else 70] ^= 1
    file.write_bytes(whole)
    assert [run(folder), run(folder)] == [COMPILED, LOADED]


def test_where_nothing_can_be_kept_each_process_compiles(folder: Path) -> None:
    (folder / "fills.py").write_text(
        SOURCE.replace("fill = entry", "object_code.cache_folders = lambda: iter(())\nfill = entry")
    )
    assert [run(folder), run(folder)] == [COMPILED, COMPILED]


def test_what_cannot_be_linked_runs_where_it_was_compiled(folder: Path) -> None:
    """As code that calls a library of the compiler's own would."""
    (folder / "fills.py").write_text(
        SOURCE.replace("fill = entry", "object_code.OF_THE_COMPILER.clear()\nfill = entry")
    )
    assert run(folder).endswith("True\n")
    assert not list((folder / "cache").glob("*.code"))


@pytest.fixture
def fill(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(object_code, "cache_folders", lambda: iter([folder / "cache"]))
    import fills  # type: ignore[import-not-found]

    yield fills.fill
    del sys.modules["fills"]


def test_a_function_that_gets_no_memory_says_so(fill: Callable[..., None]) -> None:
    found = np.zeros(4)
    with pytest.raises(MemoryError, match="no memory for the steps of a window"):
        fill(found.ctypes.data, 10, 1.0)
    fill(found.ctypes.data, 4, 2.0)
    assert found.tolist() == [2, 1, 2 / 3, 0.5]


def test_one_calls_another_by_its_symbol(fill: Callable[..., None]) -> None:
    """As compiled code of a stack calls the product, which is compiled once for all stacks."""

    def make() -> Callable[..., int]:
        from numba import types

        called = types.ExternalFunction(
            "fill_of_a_test", types.int32(types.int64, types.int64, types.float64)
        )

        def fill_twice(first: int, second: int, size: int) -> int:
            called(first, size, 2.0)
            return int(called(second, size, 6.0))

        return fill_twice

    for _ in ("compiled", "linked"):
        twice = object_code.entry("fill_twice", "a test", make, {"fill_of_a_test": fill})
        found = np.full((2, 3), 9.0)
        twice(*map(array_address, found), 2)
        assert found.tolist() == [[2.0, 1.0, 9.0], [6.0, 3.0, 9.0]]
    with pytest.raises(MemoryError):
        twice(*map(array_address, found), 10)


def test_addresses() -> None:
    array = np.arange(6, dtype=np.float32)
    assert array_address(None) == 0
    assert array_address(array) == array_address(array[:0]) == array.ctypes.data
    array.flags.writeable = False
    assert array_address(array) == array.ctypes.data
