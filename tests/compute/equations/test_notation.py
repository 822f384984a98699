"""Equations in print: what is written of a cell."""

from __future__ import annotations

import cProfile
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from printed_cells import CELLS, Gated, LongShort, Minimal, Mixed, Plain, Product, notation

from rnnkit import EquationCell
from rnnkit.compute.equations import tanh, where
from rnnkit.compute.equations.notation import write_equations
from rnnkit.compute.equations.symbols import Symbols
from rnnkit.compute.equations.trace import Names
from rnnkit.contracts.printed_equations import printed_equations
from rnnkit.errors import PluginError

PRINTED = {
    LongShort: r"""
i = sigmoid(x Wx_i + b_i + h Wh_i)
f = sigmoid(x Wx_f + b_f + h Wh_f)
o = sigmoid(x Wx_o + b_o + h Wh_o)
c' = f * c + i * tanh(x Wx_g + b_g + h Wh_g)
h' = o * tanh(c')

i = \sigma(x W^x_i + b_i + h W^h_i)
f = \sigma(x W^x_f + b_f + h W^h_f)
o = \sigma(x W^x_o + b_o + h W^h_o)
c' = f \odot c + i \odot \tanh(x W^x_g + b_g + h W^h_g)
h' = o \odot \tanh(c')
""",
    Gated: r"""
reset = sigmoid(x Wx_q + b_q + h Wh_q)
z = sigmoid(x Wx_z + b_z + h Wh_z)
n = tanh(x Wx_n + b_n + reset * (h Wh_n + bn))
h' = (1 - z) * n + z * h

\mathrm{reset} = \sigma(x W^x_q + b_q + h W^h_q)
z = \sigma(x W^x_z + b_z + h W^h_z)
n = \tanh(x W^x_n + b_n + \mathrm{reset} \odot (h W^h_n + \mathrm{bn}))
h' = (1 - z) \odot n + z \odot h
""",
    Mixed: r"""
x_out = x Wx_out + b_out
y = x * 2 * sigmoid((h * m) Q)
alpha = where(x Wx_in + b_in + h Wh < -0.5, abs(m) / (1 + h), 1e-07)
low = min(max(x_out, 0.25), tanh(x_out) - (m - h))
h' = alpha * (y K_a) + low * (-y K_b)
m' = h

x_{\mathrm{out}} = x W^x_{\mathrm{out}} + b_{\mathrm{out}}
y = x \odot 2 \cdot \sigma((h \odot m) Q)
\alpha = \begin{cases} \frac{\lvert m \rvert}{1 + h} & \text{if } x W^x_{\mathrm{in}} + b_{\mathrm{in}} + h W^h < -0.5 \\ 10^{-7} & \text{otherwise} \end{cases}
\mathrm{low} = \min(\max(x_{\mathrm{out}}, 0.25), \tanh(x_{\mathrm{out}}) - (m - h))
h' = \alpha \odot (y K_a) + \mathrm{low} \odot (-y K_b)
m' = h
""",  # noqa: E501
    Plain: r"""
z = x Wx + b + h Wh
h' = tanh(z)

z = x W^x + b + h W^h
h' = \tanh(z)
""",
    Product: r"""
z = x Wx_n + b_n + h Wh_n
value = tanh(z)
tanh2 = x Wx_k + b_k2 + (h Wh_k) * b_k
h3 = (value - h2) * tanh2
v = h + tanh2
h' = h3 * h3 + v / v

z = x W^x_n + b_n + h W^h_n
\mathrm{value} = \tanh(z)
\mathrm{tanh2} = x W^x_k + b_{\mathrm{k2}} + (h W^h_k) \odot b_k
\mathrm{h3} = (\mathrm{value} - \mathrm{h2}) \odot \mathrm{tanh2}
v = h + \mathrm{tanh2}
h' = \mathrm{h3} \odot \mathrm{h3} + \frac{v}{v}
""",
}


@pytest.mark.parametrize("cls", CELLS)
def test_what_is_written(cls: type[EquationCell]) -> None:
    text, latex = PRINTED[cls].strip().split("\n\n")
    found = notation(cls(units=3))
    assert "\n".join(found.text) == text
    assert "\n".join(found.latex) == latex


def test_latex_is_one_environment() -> None:
    assert notation(Plain(units=3)).aligned() == (
        "\\begin{aligned}\n  z &= x W^x + b + h W^h \\\\\n  h' &= \\tanh(z)\n\\end{aligned}"
    )
    assert notation(LongShort(units=3)).aligned().count(r" \\") == 4


def test_cases_beside_an_operator_stand_in_parentheses() -> None:
    symbols = Symbols((), (), ("h",), ("u",), {})
    found = write_equations(lambda x, r, s, p: where(s.h <= 0, p.u, s.h) * 2e-7, symbols)
    assert found.text == ("h' = where(h <= 0, u, h) * 2e-07",)
    cases = r"\begin{cases} u & \text{if } h \le 0 \\ h & \text{otherwise} \end{cases}"
    assert found.latex == (rf"h' = ({cases}) \cdot 2 \cdot 10^{{-7}}",)


def test_words_and_greek_letters() -> None:
    def equations(x: Names, r: Names, s: Names, p: Names) -> Any:
        alpha, low_pass = s.h + p.u, s.h - p._a_b
        sigma, mu_1 = abs(alpha), abs(low_pass)
        return alpha * low_pass * sigma * mu_1

    found = write_equations(equations, Symbols((), (), ("h",), ("u", "_a_b"), {}))
    assert [line.split(" = ")[0] for line in found.latex] == [
        r"\alpha",
        r"\mathrm{low}_{\mathrm{pass}}",
        r"\mathrm{sigma}",
        r"\mu_1",
        "h'",
    ]
    assert found.latex[1].endswith(r" = h - \mathrm{\_a\_b}")


def test_equations_that_make_no_step_are_refused_with_their_line() -> None:
    class Wrong(Plain):
        def equations(self, x, r, s, p):
            return tanh(x.n + r.m)

    with pytest.raises(PluginError, match=r"Wrong\.equations, line \d+ of .*: r has no part m"):
        printed_equations("cell", Wrong(units=3))


def test_the_guide_prints_its_cell() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "plugins.md").read_text()
    assert inspect.getsource(Minimal.equations) in guide
    assert "```text\n" + "\n".join(notation(Minimal(units=3)).text) + "\n```" in guide


def test_a_profiler_goes_on() -> None:
    calls = []

    def note(frame: object, event: str, arg: object) -> None:
        calls.append(event)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        notation(Plain(units=3))
        assert sys.getprofile() is note
    finally:
        sys.setprofile(before)
    assert calls
    with cProfile.Profile() as profile:
        notation(Plain(units=3))
        expected = sys.getprofile()
    assert expected is None or expected is profile
