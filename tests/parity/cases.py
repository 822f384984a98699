"""The stacks that are compared with PyTorch, by name."""

from __future__ import annotations

from typing import Any

from rnnkit.core.signal import Signal

Case = tuple[list[dict[str, Any]], Signal]

CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"type": "rnn", "units": 3},
    "rnn_relu": {"type": "rnn", "units": 3, "activation": "relu"},
    "lstm": {"type": "lstm", "units": 3},
    "gru": {"type": "gru", "units": 3},
}

VALUES = Signal(4)


def _both(cell: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bidirectional", "layer": cell}


CASES: dict[str, Case] = {
    **{name: ([cell], VALUES) for name, cell in CELLS.items()},
    **{f"two_{name}": ([cell, cell], VALUES) for name, cell in CELLS.items()},
    **{f"bidirectional_{name}": ([_both(cell)], VALUES) for name, cell in CELLS.items()},
    "two_bidirectional_lstm": ([_both(CELLS["lstm"]), _both(CELLS["lstm"])], VALUES),
    "gru_reset_before": ([{"type": "gru_reset_before", "units": 3}], VALUES),
    "affine": ([{"type": "affine", "units": 3}], VALUES),
    "layer_norm": ([{"type": "layer_norm"}], VALUES),
    "embedding": ([{"type": "embedding", "units": 3}], Signal(5, ids=True)),
}
