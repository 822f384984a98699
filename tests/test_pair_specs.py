"""The specs of encoder and decoder: shortened, each learns, and more than the one before."""

from __future__ import annotations

from pathlib import Path

from test_mode_specs import measured

UNITS = [f"model.{part}.layers[1].units=64" for part in ("encoder", "decoder")]
SHORT = ["data.count=6000", "train.epochs=6", "train.streams=64", "train.optimizer.lr=0.006"]


def test_reversing_helps_and_peeking_more(tmp_path: Path) -> None:
    losses = [
        measured(f"addition_{name}", tmp_path / name, *SHORT, *UNITS, split="valid")["loss"]
        for name in ("plain", "reversed", "peeky")
    ]
    plain, turned, peeky = losses
    assert plain > turned + 0.02 and turned > peeky + 0.05, losses
    assert plain < 1.5, "doing nothing scores about 1.9"
