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
    write_cell_step(source, piece, name)
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


WRITERS: dict[str, StepWriter] = {
    "affine": _affine,
    "dropout": _dropout,
    "embedding": _embedding,
    "layer_norm": _layer_norm,
    "one_hot": _one_hot,
}
"""What writes each type of layer without a state."""

REASONS = {
    "bidirectional": "it reads later inputs, which a step does not have",
    "attention": "it reads what an encoder gave, and a step has one input",
}


def reason(piece: Piece) -> str | None:
    """Return why a layer has no C form; None where it has one."""
    if piece.type in {"residual", *WRITERS}:
        return None
    return REASONS.get(piece.type, f"the type {piece.type!r} has no C form")
