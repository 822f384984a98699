"""A C99 header and source in the making: arrays, functions, and the fields of the state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnkit.types import Array

HELPERS = """\
static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

static float softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); }

static float relu(float x) { return x < 0.0f ? 0.0f : x; }

static float maximum(float a, float b) { return a < b ? b : a; }

static float minimum(float a, float b) { return b < a ? b : a; }

/* y[0..m) += x[0..n) W, the rows of W being `stride` apart. */
static void add_product(const float *x, int n, const float *W, int stride, int m, float *y)
{
    for (int i = 0; i < n; i++) {
        const float v = x[i];
        const float *row = W + (size_t)i * (size_t)stride;
        if (v != 0.0f)
            for (int j = 0; j < m; j++)
                y[j] += v * row[j];
    }
}

/* y[0..m) += W x[0..n), the rows of W lying one after the other. */
static void add_product_transposed(const float *x, int n, const float *W, int m, float *y)
{
    for (int j = 0; j < m; j++) {
        const float *row = W + (size_t)j * (size_t)n;
        float sum = 0.0f;
        for (int i = 0; i < n; i++)
            sum += x[i] * row[i];
        y[j] += sum;
    }
}
"""
NAMES = (
    *("sigmoid", "softplus", "relu", "maximum", "minimum"),
    *("add_product", "add_product_transposed"),
)


@dataclass
class SourceFile:
    """Grows layer by layer."""

    arrays: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    fields: list[tuple[str, int]] = field(default_factory=list)
    """The arrays of the state, with their widths."""
    shared: dict[int, str] = field(default_factory=dict)
    """The names of arrays by their place in memory, so that a tied one stands once."""

    def array(self, values: Array, name: str) -> str:
        """Add a parameter; return its C name."""
        place = values.__array_interface__["data"][0]
        if place not in self.shared:
            self.shared[place] = name
            self.arrays.append(constants("static const float", name, values.ravel(), "f"))
        return self.shared[place]

    def function(self, name: str, signature: str, body: str) -> str:
        """Add a function of this file; return its name."""
        self.functions.append(f"static {definition('void', name, signature, body)}")
        return name

    def helpers(self) -> str:
        """Return the functions that all others call, as far as any of them does."""
        code = "".join(self.functions)
        parts = HELPERS.split("\n\n")
        used = [part for part, name in zip(parts, NAMES, strict=True) if f"{name}(" in code]
        return "\n\n".join(part.rstrip("\n") for part in used) + "\n"


def definition(result: str, name: str, signature: str, body: str) -> str:
    """Return a function; the body is indented here."""
    lines = "\n".join(f"    {line}".rstrip() for line in body.strip("\n").splitlines())
    return f"{result} {name}({signature})\n{{\n{lines}\n}}\n"


def constants(kind: str, name: str, values: Iterable[float], suffix: str = "") -> str:
    """Return an array of numbers, each in the fewest digits that give it back to the last bit."""
    numbers = [np.format_float_scientific(v, unique=True, trim="0") + suffix for v in values]
    return _array(kind, name, numbers)


def float_literal(value: float) -> str:
    """Return a number as a literal of type float."""
    rounded = np.float32(value)
    return f"{rounded!s}f" if np.isfinite(rounded) else "-INFINITY"[value > 0 :]


def c_identifier(text: str) -> str:
    """Return a name that C99 takes within a name: another letter than ASCII's as its number."""
    return re.sub(r"\W", "_", "".join(c if c.isascii() else f"u{ord(c):x}" for c in text))


def string_literals(kind: str, name: str, values: Sequence[str]) -> str:
    """Return an array of texts, in UTF-8."""
    return _array(kind, name, [quoted(value) for value in values], 4)


def _array(kind: str, name: str, items: Sequence[str], across: int = 8) -> str:
    rows = [", ".join(items[at : at + across]) for at in range(0, len(items), across)]
    inner = "".join(f"    {row},\n" for row in rows)
    return f"{kind} {name}[{len(items)}] = {{\n{inner}}};\n"


def quoted(text: str) -> str:
    """Return a C string literal: ASCII as it is, any other byte in octal."""
    return f'"{"".join(map(_escaped, text.encode(errors="surrogateescape")))}"'


def _escaped(byte: int) -> str:
    plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"
