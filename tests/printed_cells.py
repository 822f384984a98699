"""Cells by their equations, of which each has something in print that others do not."""

from __future__ import annotations

from typing import Literal

from rnnkit import EquationCell
from rnnkit.compute.equations import dot, maximum, minimum, sigmoid, tanh, where
from rnnkit.compute.equations.notation import Notation
from rnnkit.contracts.printed_equations import printed_equations
from rnnkit.core.initializers import Zeros
from rnnkit.core.params import ParamSpec
from rnnkit.core.signal import Signal


class LongShort(EquationCell):
    type: Literal["long_short"] = "long_short"
    gates = ("i", "f", "o", "g")
    states = ("h", "c")

    def equations(self, x, r, s, p):
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c


class Gated(EquationCell):
    type: Literal["gated"] = "gated"
    gates = ("q", "z", "n")

    def extra(self, inputs: Signal) -> dict[str, ParamSpec]:
        return {"bn": ParamSpec((self.units,), Zeros())}

    def equations(self, x, r, s, p):
        h = s.h
        reset, z = sigmoid(x.q + r.q), sigmoid(x.z + r.z)
        n = tanh(x.n + reset * (r.n + p.bn))
        return (1.0 - z) * n + z * h


class Mixed(EquationCell):
    """Matrices of its own, a gate that is read twice, a state that is another's old value."""

    type: Literal["mixed"] = "mixed"
    gates = ("in", "out")
    recurrent = ("in",)
    states = ("h", "m")

    def matrices(self) -> dict[str, tuple[str, ...]]:
        return {"Q": ("units", "inputs"), "K": ("inputs", "units", "a", "b")}

    def equations(self, x, r, s, p):
        y = x.input * (2.0 * sigmoid(dot(s.h * s.m, p.Q)))
        alpha = where(getattr(x, "in") + getattr(r, "in") < -0.5, abs(s.m) / (1 + s.h), 1e-7)
        low = minimum(maximum(x.out, 0.25), tanh(x.out) - (s.m - s.h))
        return alpha * dot(y, p.K.a) + low * -dot(y, p.K.b), s.h


class Plain(EquationCell):
    type: Literal["plain"] = "plain"
    gates = ("n",)

    def equations(self, x, r, s, p):
        z = x.n + r.n
        return tanh(z)


class Product(Plain):
    """Its base's equations, and names that are taken."""

    type: Literal["product"] = "product"
    gates = ("n", "k")

    def extra(self, inputs: Signal) -> dict[str, ParamSpec]:
        return {"b_k": ParamSpec((self.units,), Zeros()), "h": ParamSpec((self.units,), Zeros())}

    def equations(self, x, r, s, p):
        value = super().equations(x, r, s, p)
        tanh = x.k + r.k * p.b_k
        h = (value - p.h) * tanh
        return h * h + (s.h + tanh) / (s.h + tanh)


class Minimal(EquationCell):
    """The cell of docs/guide/plugins.md."""

    type: Literal["minimal"] = "minimal"
    gates = ("f", "n")

    def equations(self, x, r, s, p):
        f = sigmoid(x.f + r.f)
        n = tanh(x.n + f * r.n)
        return (1 - f) * s.h + f * n


CELLS = [LongShort, Gated, Mixed, Plain, Product]


def notation(cell: EquationCell) -> Notation:
    found = printed_equations("cell", cell)["cell"]
    assert found is not None
    return found
