"""Compiled kernels equal their reference in NumPy, keep NaN, and can be switched off."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import process, results, small_spec, text, write_spec

import rnnkit
from rnnkit.builtin.cells.gru import GRU
from rnnkit.builtin.cells.gru_reset_before import GRUResetBefore
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.cells.rnn import RNN
from rnnkit.builtin.layers import layer_norm
from rnnkit.builtin.layers.layer_norm import LayerNorm
from rnnkit.compute.kernels.jit import COMPILING, kernels_available
from rnnkit.compute.products import scatter_add
from rnnkit.contracts.cell import Cell
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.context import Context, Pool
from rnnkit.core.signal import Signal

pytestmark = pytest.mark.skipif(
    not kernels_available(), reason="kernels are off (RNNKIT_KERNELS=numpy)"
)
CELLS = [
    LSTM(units=19),
    GRU(units=19),
    GRUResetBefore(units=19),
    RNN(units=19),
    RNN(units=19, activation="relu"),
]


class Window:
    """Random inputs, parameters and gradients for a cell, in a type."""

    def __init__(self, cell: Cell, dtype: str, resets: bool, indicators: bool = False) -> None:
        random = np.random.default_rng(3)
        inputs, steps, batch = Signal(7), 6, 5
        self.cell, self.dtype = cell, np.dtype(dtype)
        self.params = {
            name: random.normal(0, 0.5, spec.shape).astype(dtype)
            for name, spec in cell.params(inputs).items()
        }
        self.xs = random.standard_normal((steps, batch, 7)).astype(dtype)
        if indicators:
            self.xs = np.eye(7, dtype=dtype)[random.integers(0, 7, (steps, batch))]
        self.state = tuple(
            random.standard_normal((batch, n)).astype(dtype) for n in cell.state_sizes(inputs)
        )
        self.dys = random.standard_normal((steps, batch, cell.units)).astype(dtype)
        self.dstate = tuple(random.standard_normal(a.shape).astype(dtype) for a in self.state)
        self.resets = random.random((steps, batch)) < 0.2 if resets else None

    def run(self, learns_below: bool = True) -> dict[str, np.ndarray]:
        ctx = Context(dtype=self.dtype, pool=Pool(np.nan), learns_below=learns_below)
        ys, state, backward = self.cell.scan(self.params, self.xs, self.state, self.resets, ctx)
        grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        dxs, dstate = backward(self.dys, self.dstate, grads)
        found = {"ys": ys, **({} if dxs is None else {"dxs": dxs}), **grads}
        found |= {f"state{k}": array for k, array in enumerate(state)}
        return found | {f"dstate{k}": array for k, array in enumerate(dstate)}


@pytest.mark.parametrize("indicators", [False, True])
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("cell", CELLS, ids=lambda c: f"{c.type}-{getattr(c, 'activation', '')}")
def test_equal_to_numpy(
    cell: EquationCell,
    dtype: str,
    tolerance: float,
    resets: bool,
    indicators: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = Window(cell, dtype, resets, indicators)
    fused = window.run()
    monkeypatch.setattr(type(cell), "scan", type(cell).scan_by_numpy)
    plain = window.run()
    for name, value in plain.items():
        assert fused[name].dtype == value.dtype == np.dtype(dtype), name
        np.testing.assert_allclose(
            fused[name], value, rtol=tolerance, atol=tolerance * np.abs(value).max(), err_msg=name
        )


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: f"{c.type}-{getattr(c, 'activation', '')}")
def test_where_nothing_below_learns_the_rest_is_the_same(cell: Cell) -> None:
    window = Window(cell, "float64", resets=True)
    whole, part = window.run(), window.run(learns_below=False)
    assert set(whole) - set(part) <= {"dxs"}
    for name, value in part.items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: f"{c.type}-{getattr(c, 'activation', '')}")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_seen(cell: Cell, value: float) -> None:
    window = Window(cell, "float32", resets=False)
    window.state[0][2, 3] = value
    with np.errstate(all="ignore"):
        found = window.run()
    if np.isnan(value):
        assert np.isnan(found["ys"][0, 2]).all()
    assert np.isfinite(found["ys"][:, [0, 1, 3, 4]]).all()


def test_extreme_values_saturate() -> None:
    window = Window(LSTM(units=19), "float32", resets=False)
    window.params["b"][...] = 1e30
    found = window.run()
    assert np.isfinite(found["ys"]).all() and np.abs(found["ys"]).max() <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_added_as_by_numpy(dtype: str) -> None:
    random = np.random.default_rng(1)
    ids = random.integers(0, 5, 40).astype(np.int32)
    rows = random.standard_normal((40, 7)).astype(dtype)
    wanted = np.ones((6, 7), dtype)
    np.add.at(wanted, ids, rows)
    table = np.ones((6, 7), dtype)
    scatter_add(table, ids, rows)
    np.testing.assert_allclose(table, wanted, rtol=1e-5)
    for outside in (-1, 6):
        with pytest.raises(IndexError, match="no row"):
            scatter_add(table, np.array([outside], np.int32), rows[:1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_rows_of_one_1_are_indicators(dtype: str) -> None:
    from rnnkit.compute.kernels.rows import indicated

    wanted = np.array([3, 0, 6, 6], np.int32)
    rows, ids = np.eye(7, dtype=dtype)[wanted], np.empty(4, np.int32)
    assert indicated(rows, ids)
    np.testing.assert_array_equal(ids, wanted)
    for column, value in [(3, 0.5), (3, 0), (3, -1), (3, np.nan), (2, 1), (4, 1e-30), (0, np.inf)]:
        other = rows.copy()
        other[0, column] = value
        assert not indicated(other, ids), (column, value)


@pytest.mark.parametrize("kernels", ["numpy", ""])
def test_doctor_names_the_kernels(kernels: str) -> None:
    environment = {**os.environ, "RNNKIT_KERNELS": kernels}
    command = [sys.executable, "-m", "rnnkit.cli", "doctor"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (line,) = [x for x in said.stdout.splitlines() if x.startswith("kernels")]
    assert line.split()[1] == (kernels or "numba")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("a file where the cache directory should be")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(nowhere), "PYTHONDONTWRITEBYTECODE": "1"}
    code = (
        "import numpy as np, rnnkit; from rnnkit.core.context import Context;"
        "a, b = np.ones((1, 1), np.float32), np.ones(1, np.float32);"
        "params, xs = {'Wx': a, 'Wh': a, 'b': b}, np.ones((1, 1, 1), np.float32);"
        "ys, _, _ = rnnkit.RNN(units=1).scan(params, xs, (a,), None, Context());"
        "print(ys[0, 0, 0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(np.tanh(3), abs=1e-6)


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_changes(tmp_path: Path) -> None:
    package = tmp_path / "rnnkit"
    shutil.copytree(
        Path(rnnkit.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "caller.py").write_text(
        "from rnnkit.compute.kernels.functions import compiled_sigmoid\n"
        "from rnnkit.compute.kernels.jit import jit, kernel_set\n"
        "@jit\n"
        "def called(x): return compiled_sigmoid(x, 0.5)\n"
        "print(called(0.0), sum(called.stats.cache_hits.values()), kernel_set(), sep=';')\n"
    )

    def called() -> list[str]:
        environment = {name: v for name, v in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        command = [sys.executable, "caller.py"]
        environment["PYTHONPATH"] = str(tmp_path)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip().split(";")

    first, again = called(), called()
    assert first[:2] == ["0.5", "0"]
    assert again == ["0.5", "1", first[2]]
    functions = package / "compute" / "kernels" / "functions.py"
    source = functions.read_text()
    changed = source.replace("return half * compiled", "return 7 + half * compiled")
    assert changed != source
    functions.write_text(changed)
    anew = called()
    assert anew[:2] == ["7.5", "0"] and anew[2] != first[2]


CALLER = """
import os
from rnnkit.compute.kernels.jit import jit

def called(x): return x + 1

for _ in range(2):  # processes of their own, for which Numba is imported once
    if not os.fork():
        kernel = jit(called)
        print(kernel(1), kernel(1.5), sum(kernel.stats.cache_hits.values()), flush=True)
        os._exit(0)
    os.wait()
"""
ANEW = "2 2.5 0\n2 2.5 2\n"
"""What the two print where the first finds nothing in the cache, and the second what it left."""


def two_processes(folder: Path, **launched: str) -> subprocess.CompletedProcess[str]:
    """Run caller.py of a folder, with the cache there."""
    return subprocess.run(
        [sys.executable, "caller.py"],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), **launched},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with caller.py and the cache that it filled."""
    folder = tmp_path_factory.mktemp("caller")
    (folder / "caller.py").write_text(CALLER)
    ran = two_processes(folder)
    assert ran.stdout == ANEW and ran.stderr.count(COMPILING) == 1
    return folder


AROUND = """
from rnnkit.compute.kernels.jit import jit

def made():
    def inner(x): return x + 1
    called = jit(inner)
    def outer(x): return 2 * called(x)
    return jit(outer)
"""


def test_bytecode_that_python_keeps_compiles_no_kernel_again(tmp_path: Path) -> None:
    (tmp_path / "rnnkit_equations_probe.py").write_text(AROUND)
    (tmp_path / "caller.py").write_text(
        "from rnnkit_equations_probe import made\n"
        "kernel = made()\n"
        "print(kernel(1), sum(kernel.stats.cache_hits.values()))\n"
    )
    kept = {"PYTHONDONTWRITEBYTECODE": ""}
    assert [two_processes(tmp_path, **kept).stdout for _ in range(2)] == ["4 0\n", "4 1\n"]


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"no pickle", b"gone"], ids=["empty", "damaged", "gone"])
def test_a_cache_that_cannot_be_read_is_written_anew(
    caller: Path, suffix: str, content: bytes
) -> None:
    """Such as one of a version before, which names a class that has another name now."""
    if content == b"gone":
        import numba

        version = pickle.dumps(numba.__version__) if suffix == "nbi" else b""
        content = version + b"cno_such_module\nWindow\n."
    damaged = list((caller / "cache").rglob(f"*.{suffix}"))
    assert damaged
    for file in damaged:
        file.write_bytes(content)
    assert two_processes(caller).stdout == ANEW


@pytest.mark.parametrize(
    ("launched", "times"),
    [
        ({"PMI_RANK": "0"}, 1),
        ({"PMI_RANK": "1"}, 0),
        ({"SLURM_PROCID": "3"}, 0),
        ({"RNNKIT_WORKER": "1"}, 0),
    ],
)
def test_compiling_is_told_once_by_the_first_rank(
    caller: Path, tmp_path: Path, launched: dict[str, str], times: int
) -> None:
    shutil.copy(caller / "caller.py", tmp_path)
    assert two_processes(tmp_path, **launched).stderr.count(COMPILING) == times


def test_the_process_that_compiles_computes_what_the_next_one_loads(tmp_path: Path) -> None:
    spec = small_spec(streams=8, window=16, epochs=1, every={"log": 1, "save": 10**6})
    # Between them they call every kernel that a step of ours calls, in blocks of gates and apart.
    cells = [{"type": kind, "units": 64} for kind in ("lstm", "gru_reset_before")]
    spec["model"]["layers"] = [{"type": "embedding", "units": 16}, *cells, {"type": "affine"}]
    path = write_spec(tmp_path, spec, text(2000))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for name in ("compiles", "loads"):
        ran = process(["run", path, "--out", tmp_path / name, "--max-steps", 4], **cache)
        assert ran.returncode == 0, ran.stderr
    assert results(tmp_path / "compiles") == results(tmp_path / "loads")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
def test_layer_norm_equals_numpy(
    dtype: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(2)
    layer = LayerNorm()
    xs, dys = (random.normal(3, 2, (4, 5, 37)).astype(dtype) for _ in range(2))
    params = {name: random.standard_normal(37).astype(dtype) for name in ("gain", "bias")}

    def run() -> list[np.ndarray]:
        grads = {name: np.ones_like(value) for name, value in params.items()}
        ys, _, backward = layer.forward(params, xs, (), Context(dtype=np.dtype(dtype)))
        dxs, _ = backward(dys, (), grads)
        assert dxs is not None
        return [ys, dxs, *grads.values()]

    xs[1, 2, 3] = np.nan
    assert np.isnan(run()[0][1, 2]).all()
    xs[1, 2, 3] = 0
    compiled = run()
    monkeypatch.setattr(layer_norm, "kernel_module", lambda name: None)
    for found, wanted in zip(compiled, run(), strict=True):
        assert found.dtype == wanted.dtype == np.dtype(dtype)
        np.testing.assert_allclose(
            found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max()
        )
