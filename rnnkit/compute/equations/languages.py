"""How operations, names and numbers are written: as text that is nearly Python, and as LaTeX.

A space between two is the product with a matrix, as in x Wx; it binds more tightly than a sum and
stands in parentheses beside another operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

COMPARISON, SUM, MATRIX_PRODUCT, PRODUCT, ATOM = range(5)
"""How tightly what is written holds together."""

FUNCTIONS = ("tanh", "sigmoid", "exp", "log", "softplus", "sqrt", "relu", "abs", "max", "min")

GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta kappa mu nu xi rho tau phi chi psi omega".split()
)
"""Names that LaTeX writes as a letter; that of sigma is the function."""


class Form(NamedTuple):
    """How an operation is written: #1, #2, #3 are its arguments.

    An argument that holds together less tightly than its number in `needs` gets parentheses.
    """

    pattern: str
    strength: int
    needs: tuple[int, ...]

    def filled(self, args: list[tuple[str, int]]) -> tuple[str, int]:
        """Return the operation of some arguments, each with its strength, and its own strength."""
        parts = [
            text if strength >= needed else f"({text})"
            for (text, strength), needed in zip(args, self.needs, strict=True)
        ]
        text = re.sub(r"#(\d)", lambda found: parts[int(found[1]) - 1], self.pattern)
        return text, self.strength


class Language(NamedTuple):
    """How operations, by name, and names and numbers are written.

    The operation "scale" is a product with a number, "dot" one with a matrix.
    """

    forms: Mapping[str, Form]
    name: Callable[[str], str]
    number: Callable[[float], str]


def _call(pattern: str, arguments: int = 1) -> Form:
    return Form(pattern, ATOM, (COMPARISON,) * arguments)


def _plain_number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _latex_number(value: float) -> str:
    digits, _, power = _plain_number(value).partition("e")
    if not power:
        return digits
    factor = "" if digits == "1" else rf"{digits} \cdot "
    return f"{factor}10^{{{int(power)}}}"


def _latex_name(name: str) -> str:
    """Return a name as LaTeX: Wx_i has a superscript and an index, a word is upright."""
    word = name.removesuffix("'")
    base, _, index = word.partition("_")
    if not (base and index):
        base, index = word, ""
    matrix = re.fullmatch(r"W([a-z]+)", base)
    written = f"W^{_braced(matrix[1])}" if matrix else _latex_word(base)
    return written + (f"_{_braced(index)}" if index else "") + "'" * name.endswith("'")


def _braced(word: str) -> str:
    return word if len(word) == 1 else f"{{{_latex_word(word)}}}"


def _latex_word(word: str) -> str:
    if word in GREEK:
        return f"\\{word}"
    return word if len(word) == 1 else rf"\mathrm{{{word}}}".replace("_", r"\_")


TEXT = Language(
    {
        "<": Form("#1 < #2", COMPARISON, (SUM, SUM)),
        "<=": Form("#1 <= #2", COMPARISON, (SUM, SUM)),
        "+": Form("#1 + #2", SUM, (SUM, SUM)),
        "-": Form("#1 - #2", SUM, (SUM, MATRIX_PRODUCT)),
        "neg": Form("-#1", SUM, (MATRIX_PRODUCT,)),
        "dot": Form("#1 #2", MATRIX_PRODUCT, (ATOM, ATOM)),
        "*": Form("#1 * #2", PRODUCT, (PRODUCT, PRODUCT)),
        "scale": Form("#1 * #2", PRODUCT, (PRODUCT, PRODUCT)),
        "/": Form("#1 / #2", PRODUCT, (PRODUCT, ATOM)),
        **{name: _call(f"{name}(#1)") for name in FUNCTIONS},
        "max": _call("max(#1, #2)", 2),
        "min": _call("min(#1, #2)", 2),
        "where": _call("where(#1, #2, #3)", 3),
    },
    lambda name: name,
    _plain_number,
)

_CASES = r"\begin{cases} #2 & \text{if } #1 \\ #3 & \text{otherwise} \end{cases}"

LATEX = Language(
    {
        **TEXT.forms,
        "<=": Form(r"#1 \le #2", COMPARISON, (SUM, SUM)),
        "*": Form(r"#1 \odot #2", PRODUCT, (PRODUCT, PRODUCT)),
        "scale": Form(r"#1 \cdot #2", PRODUCT, (PRODUCT, PRODUCT)),
        "/": _call(r"\frac{#1}{#2}", 2),
        **{name: _call(rf"\{name}(#1)") for name in ("tanh", "exp", "log")},
        **{name: _call(rf"\{name}(#1, #2)", 2) for name in ("max", "min")},
        **{name: _call(rf"\operatorname{{{name}}}(#1)") for name in ("softplus", "relu")},
        "sigmoid": _call(r"\sigma(#1)"),
        "sqrt": _call(r"\sqrt{#1}"),
        "abs": _call(r"\lvert #1 \rvert"),
        "where": Form(_CASES, COMPARISON, (COMPARISON,) * 3),
    },
    _latex_name,
    _latex_number,
)
