"""The specs of encoder and decoder: shortened, each learns, and more than the one before."""

from __future__ import annotations

from pathlib import Path

from helpers import measured

CELLS = ["model.encoder.layers[1]", "model.decoder.layers[1]"]
STARTS = [*CELLS, "model.encoder.layers[0]", "model.decoder.layers[0]", "model.decoder.layers[2]"]

# The published start is slow to learn; from rnnkit's own, 560 steps tell the three apart.
SHORT = [
    "data.count=6000",
    "train.epochs=6",
    "train.streams=64",
    "train.optimizer.lr=0.006",
    *(f"{cell}.{value}" for cell in CELLS for value in ("units=64", "forget_bias=1.0")),
    *(f"{layer}.init={{}}" for layer in STARTS),
]


def test_reversing_helps_and_peeking_more(tmp_path: Path) -> None:
    losses = [
        measured(f"addition_{name}", tmp_path / name, *SHORT, split="valid")["loss"]
        for name in ("plain", "reversed", "peeky")
    ]
    plain, turned, peeky = losses
    assert plain > turned + 0.02 and turned > peeky + 0.05, losses
    assert plain < 1.5, "guessing has a loss of about 1.9"
