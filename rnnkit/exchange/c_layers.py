"""The layers of rnnkit as C99 functions of one step each, without allocation.

Each reads x and writes y; a layer with a state reads and writes the fields of the struct that its
function is given, in the order of the equations of its class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rnnkit.exchange.c_equations import write_cell_step
from rnnkit.exchange.c_source import SourceFile, c_identifier
from rnnkit.exchange.pieces import Piece

StepWriter: TypeAlias = Callable[[SourceFile, Piece, str], None]
"""`write(source, piece, name)` adds the function `name` of a layer."""

VALUES = "const float *x, float *y"
CELL = "const float *x, float *h, float *y"


def write_step(source: SourceFile, piece: Piece, name: str, state: str) -> str:
    """Add a layer, its state as fields that begin with `state`; return a call with x and y open.

    The call is a format: `.format(x=..., y=...)`.
    """
    if piece.type == "residual":
        return _residual(source, piece, name, state)
    if not piece.states:
        WRITERS[piece.type](source, piece, name)
        return f"{name}({{x}}, {{y}});"
    fields = [f"{state}_{c_identifier(array)}" for array in piece.states]
    source.fields += zip(fields, piece.states.values(), strict=True)
    (write_cell_step if piece.step else CELLS[piece.type])(source, piece, name)
    return f"{name}({{x}}, {', '.join(f'state->{each}' for each in fields)}, {{y}});"


def _residual(source: SourceFile, piece: Piece, name: str, state: str) -> str:
    """Run the inner layer and add x, in place: y is read by nobody before."""
    inner = write_step(source, piece.held["layer"], f"{name}_layer", state)
    add = source.function(
        f"{name}_add",
        VALUES,
        f"for (int j = 0; j < {piece.gives.known()}; j++)\n    y[j] += x[j];",
    )
    return f"{inner} {add}({{x}}, {{y}});"


def _embedding(source: SourceFile, piece: Piece, name: str) -> None:
    units, W = piece.gives.known(), source.array(piece.arrays["W"], f"{name}_W")
    body = f"memcpy(y, {W} + (size_t)x * {units}, {units} * sizeof(float));"
    source.function(name, "int32_t x, float *y", body)


def _one_hot(source: SourceFile, piece: Piece, name: str) -> None:
    body = f"memset(y, 0, {piece.gives.known()} * sizeof(float));\ny[x] = 1.0f;"
    source.function(name, "int32_t x, float *y", body)


def _dropout(source: SourceFile, piece: Piece, name: str) -> None:
    source.function(name, VALUES, f"memcpy(y, x, {piece.gives.known()} * sizeof(float));")


def _affine(source: SourceFile, piece: Piece, name: str) -> None:
    n, m = piece.reads.known(), piece.gives.known()
    if "b" in piece.arrays:
        b = source.array(piece.arrays["b"], f"{name}_b")
        start = f"memcpy(y, {b}, {m} * sizeof(float));"
    else:
        start = f"memset(y, 0, {m} * sizeof(float));"
    W = source.array(piece.arrays["W"], f"{name}_W")
    if piece.settings["tie"]:
        source.function(name, VALUES, f"{start}\nadd_product_transposed(x, {n}, {W}, {m}, y);")
    else:
        source.function(name, VALUES, f"{start}\nadd_product(x, {n}, {W}, {m}, {m}, y);")


def _layer_norm(source: SourceFile, piece: Piece, name: str) -> None:
    gain, bias = (source.array(piece.arrays[k], f"{name}_{k}") for k in ("gain", "bias"))
    body = f"""
float mean = 0.0f, variance = 0.0f;
for (int j = 0; j < N; j++)
    mean += x[j];
mean /= N;
for (int j = 0; j < N; j++)
    variance += (x[j] - mean) * (x[j] - mean);
const float scale = 1.0f / sqrtf(variance / N + {float(piece.settings["epsilon"])!r}f);
for (int j = 0; j < N; j++)
    y[j] = {gain}[j] * (x[j] - mean) * scale + {bias}[j];
"""
    source.function(name, VALUES, body.replace("N", str(piece.gives.known())))


def _rnn(source: SourceFile, piece: Piece, name: str) -> None:
    act = {"tanh": "tanhf(z[j])", "relu": "z[j] > 0.0f ? z[j] : 0.0f"}[piece.settings["activation"]]
    body = f"""
{_gates(source, piece, name, 1)}
for (int j = 0; j < H; j++)
    y[j] = h[j] = {act};
"""
    _cell(source, piece, name, CELL, body)


def _lstm(source: SourceFile, piece: Piece, name: str) -> None:
    body = f"""
{_gates(source, piece, name, 4)}
for (int j = 0; j < H; j++) {{
    const float i = sigmoid(z[j]), f = sigmoid(z[H + j]), o = sigmoid(z[2 * H + j]);
    c[j] = f * c[j] + i * tanhf(z[3 * H + j]);
    y[j] = h[j] = o * tanhf(c[j]);
}}
"""
    _cell(source, piece, name, "const float *x, float *h, float *c, float *y", body)


def _gru(source: SourceFile, piece: Piece, name: str) -> None:
    n = piece.reads.known()
    b, Wx, Wh = (source.array(piece.arrays[k], f"{name}_{k}") for k in ("b", "Wx", "Wh"))
    bn = source.array(piece.arrays["bn"], f"{name}_bn")
    body = f"""
float zx[3 * H], zh[3 * H] = {{0}};
memcpy(zx, {b}, sizeof zx);
add_product(x, {n}, {Wx}, 3 * H, 3 * H, zx);
add_product(h, H, {Wh}, 3 * H, 3 * H, zh);
for (int j = 0; j < H; j++) {{
    const float r = sigmoid(zx[j] + zh[j]), z = sigmoid(zx[H + j] + zh[H + j]);
    const float n = tanhf(zx[2 * H + j] + r * (zh[2 * H + j] + {bn}[j]));
    y[j] = h[j] = (1.0f - z) * n + z * h[j];
}}
"""
    _cell(source, piece, name, CELL, body)


def _gru_reset_before(source: SourceFile, piece: Piece, name: str) -> None:
    n = piece.reads.known()
    b, Wx, Wh = (source.array(piece.arrays[k], f"{name}_{k}") for k in ("b", "Wx", "Wh"))
    body = f"""
float z[3 * H], reset[H];
memcpy(z, {b}, sizeof z);
add_product(x, {n}, {Wx}, 3 * H, 3 * H, z);
add_product(h, H, {Wh}, 3 * H, 2 * H, z);
for (int j = 0; j < H; j++)
    reset[j] = sigmoid(z[j]) * h[j];
add_product(reset, H, {Wh} + 2 * H, 3 * H, H, z + 2 * H);
for (int j = 0; j < H; j++) {{
    const float keep = sigmoid(z[H + j]);
    y[j] = h[j] = (1.0f - keep) * tanhf(z[2 * H + j]) + keep * h[j];
}}
"""
    _cell(source, piece, name, CELL, body)


def _gates(source: SourceFile, piece: Piece, name: str, gates: int) -> str:
    """Return what computes z = b + x Wx + h Wh."""
    b, Wx, Wh = (source.array(piece.arrays[k], f"{name}_{k}") for k in ("b", "Wx", "Wh"))
    return f"""\
float z[{gates} * H];
memcpy(z, {b}, sizeof z);
add_product(x, {piece.reads.known()}, {Wx}, {gates} * H, {gates} * H, z);
add_product(h, H, {Wh}, {gates} * H, {gates} * H, z);"""


def _cell(source: SourceFile, piece: Piece, name: str, signature: str, body: str) -> None:
    width = f"enum {{ H = {piece.settings['units']} }};\n"
    source.function(name, signature, width + body.strip("\n"))


CELLS: dict[str, StepWriter] = {
    "gru": _gru,
    "gru_reset_before": _gru_reset_before,
    "lstm": _lstm,
    "rnn": _rnn,
}
WRITERS: dict[str, StepWriter] = {
    "affine": _affine,
    "dropout": _dropout,
    "embedding": _embedding,
    "layer_norm": _layer_norm,
    "one_hot": _one_hot,
}
"""What writes each type of layer, with a state and without."""

REASONS = {
    "bidirectional": "it reads later inputs, which a step does not have",
    "attention": "it reads what an encoder gave, and a step has one input",
}


def reason(piece: Piece) -> str | None:
    """Return why a layer has no C form; None where it has one."""
    if piece.type in {"residual", *CELLS, *WRITERS}:
        return None
    return REASONS.get(piece.type, f"the type {piece.type!r} has no C form")
