"""Layers of one matrix or one vector: what they may be among ours."""

from __future__ import annotations

from rnnkit.exchange.incoming.theirs import TheirLayer, TheirParameter
from rnnkit.types import Array

EMBEDDINGS = ("encoder", "emb", "wte", "lookup", "tokens")
AFFINES = ("decoder", "fc", "out", "head", "lin", "proj", "dense", "logit")
"""Parts of the names that people give to a table of vectors, and to a product."""


def matrix_layer(
    name: str, W: tuple[str, Array], b: tuple[str, Array] | None, transposed: bool, usual: str = ""
) -> TheirLayer:
    """Return the layer of a matrix; `transposed` tells that a product's is (outputs, inputs)."""
    affine = {
        "W": TheirParameter(W[1].T, (W[0],), "transposed")
        if transposed
        else TheirParameter(W[1], (W[0],))
    }
    if b is not None:
        affine["b"] = TheirParameter(b[1], (b[0],))
        return TheirLayer(name, {"affine": affine}, "affine")
    forms = {"affine": affine, "embedding": {"W": TheirParameter(W[1], (W[0],))}}
    return TheirLayer(name, forms, usual or _usual(name))


def _usual(name: str) -> str:
    last = name.rpartition(".")[2].lower()
    if any(part in last for part in EMBEDDINGS):
        return "embedding"
    return "affine" if any(part in last for part in AFFINES) else ""
