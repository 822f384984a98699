"""What equations read of their cell, and what is planned of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from rnnkit.compute.equations import source as generated
from rnnkit.compute.equations import tanh
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.core.context import Context
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import ParamSpec
from rnnkit.core.signal import Signal
from rnnkit.core.source_digest import package_digest
from rnnkit.errors import PluginError

FLOAT64 = np.dtype(np.float64)


class Scaled(EquationCell):
    """Reads its units and a list among its fields."""

    type: Literal["scaled"] = "scaled"
    gates = ("n",)
    scales: list[float] = [1.5, 2.0]

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return tanh(self.scales[0] * x.n + r.n / self.units**0.5)


class Solver(EquationCell):
    """Four steps of Runge and Kutta: each value is read many times."""

    type: Literal["solver"] = "solver"
    gates = ("z",)
    recurrent = False

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        def slope(v: Any) -> Any:
            return tanh(x.z + v) - v

        v = s.h
        for _ in range(4):
            a = slope(v)
            b = slope(v + 0.5 * a)
            c = slope(v + 0.5 * b)
            v = v + (a + 2 * b + 2 * c + slope(v + c)) / 10
        return v


class Choosing(EquationCell):
    """Asks Python about a value."""

    type: Literal["choosing"] = "choosing"
    gates = ("n",)

    def equations(self, x: Any, r: Any, s: Any, p: Any) -> Any:
        return x.n if x.n > 0 else r.n


def one_step(cell: EquationCell) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, Any]:
    random = np.random.default_rng(1)
    declared = cell.params(Signal(3))
    params = {name: random.standard_normal(spec.shape) for name, spec in declared.items()}
    xs = random.standard_normal((1, 2, 3))
    h = random.standard_normal((2, cell.units))
    ys, _, _ = cell.scan(params, xs, (h,), None, Context(dtype=FLOAT64))
    return params, xs[0], h, ys[0]


@pytest.mark.parametrize("units", [1, 4, 9])
def test_units_and_lists_are_what_they_are(units: int) -> None:
    params, x, h, y = one_step(Scaled(units=units))
    z = 1.5 * (x @ params["Wx"] + params["b"]) + h @ params["Wh"] / units**0.5
    np.testing.assert_allclose(y, np.tanh(z), rtol=1e-12)


def test_a_solver_is_planned_and_right() -> None:
    params, x, v, y = one_step(Solver(units=2))
    z = x @ params["Wx"] + params["b"]
    for _ in range(4):
        a = np.tanh(z + v) - v
        b = np.tanh(z + v + 0.5 * a) - (v + 0.5 * a)
        c = np.tanh(z + v + 0.5 * b) - (v + 0.5 * b)
        v = v + (a + 2 * b + 2 * c + np.tanh(z + v + c) - (v + c)) / 10
    np.testing.assert_allclose(y, v, rtol=1e-10)


def test_what_makes_no_step_is_refused_where_widths_are_asked() -> None:
    with pytest.raises(PluginError, match="Choosing.equations, line .* Python's if"):
        Choosing(units=2).output(Signal(3))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"matrices": lambda self: {"V": ("units",)}}, r"`matrices` gave \('units',\) for V: name"),
        ({"matrices": lambda self: {"V": "units"}}, "`matrices` gave 'units' for V: name what it"),
        ({"matrices": lambda self: {"V": (3, 3)}}, r"`matrices` gave \(3, 3\) for V: name what it"),
        ({"matrices": lambda self: None}, "`matrices` gave None: return a dict, {} for nothing"),
        ({"extra": lambda self, inputs: None}, "`extra` gave None: return a dict, {} for nothing"),
        ({"extra": lambda self, inputs: {"u": (3,)}}, "`extra` gave a tuple of 1 for u: it is one"),
        (
            {"extra": lambda self, inputs: {"u": ParamSpec((1,), Zeros())}},
            r"`extra` gave \(1,\) for u: it is one number a unit, ParamSpec\(\(self.units,",
        ),
        ({"recurrent": None}, "`recurrent` is None: write True, False or some gates"),
        ({"states": ()}, "`states` names none: the first is the output"),
    ],
)
def test_declarations_of_another_form_are_refused(declared: dict[str, Any], said: str) -> None:
    kind = type("Odd", (Scaled,), {"__module__": __name__, **declared})
    with pytest.raises(PluginError, match=f"Odd.equations, line .*: {said}"):
        kind(units=3).output(Signal(2))


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_a_damaged_file_of_generated_source_is_written_anew(tmp_path: Path) -> None:
    file = generated._written(tmp_path, "rnnkit_equations_1", "A = 1\n")
    file.write_bytes(b"")
    again = generated._written(tmp_path, "rnnkit_equations_1", "A = 1\n")
    assert again == file and file.read_text() == "A = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_the_package_of_a_base_class_counts_as_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base_cells_of_another.py"
    base.write_text(
        "from rnnkit import EquationCell\nclass Base(EquationCell):\n    gates = ('n',)\n"
        "    def equations(self, x, r, s, p): return x.n + r.n\n"
    )
    (tmp_path / "own_cells_of_this.py").write_text(
        "from base_cells_of_another import Base\nclass Own(Base): type: str = 'own'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_cells_of_this").Own
    before = package_digest(own)
    base.write_text(base.read_text().replace("x.n + r.n", "x.n - r.n"))
    assert before and package_digest(own) != before
    for name in ("own_cells_of_this", "base_cells_of_another"):
        monkeypatch.delitem(sys.modules, name)
