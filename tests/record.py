"""Write what PyTorch finds into tests/golden, for tests that run without it.

python tests/record.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from parity.cases import CASES
from parity.twins import torch_results
from windows import draw

GOLDEN = Path(__file__).parent / "golden"


def record(folder: Path) -> None:
    """Write one file for each case: the blocks, what is given, what PyTorch finds."""
    for number, (name, (blocks, inputs)) in enumerate(CASES.items()):
        given = draw(blocks, inputs, steps=3, streams=2, seed=100 + number)
        arrays = {f"given/{k}": v for k, v in given.items()}
        arrays |= {f"found/{k}": v for k, v in torch_results(blocks, given).items()}
        np.savez_compressed(folder / f"{name}.npz", blocks=json.dumps(blocks), **arrays)


if __name__ == "__main__":
    record(GOLDEN)
