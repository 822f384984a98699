"""A checkpoint of every released schema loads for ever: one file each, never rewritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import small_spec, text, trained

import rnnkit
from rnnkit.checkpoint.layout import SCHEMA
from rnnkit.checkpoint.snapshot import load_snapshot

FOLDER = Path(__file__).parent / "golden" / "checkpoints"
IDS = np.array([[0, 1], [2, 3], [4, 5], [1, 1]])


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_it_loads(schema: int) -> None:
    path = FOLDER / f"schema-{schema}.h5"
    assert path.exists(), "run: python tests/test_old_checkpoints.py FOLDER, once for a new schema"
    facts = json.loads((FOLDER / f"schema-{schema}.json").read_text())
    progress = load_snapshot(path).meta.progress
    assert (progress.step, progress.best.step, progress.lines) == tuple(facts["progress"])
    logits, state = rnnkit.load(path).forward(IDS)
    np.testing.assert_allclose(logits, facts["logits"], atol=1e-5)
    assert {name: len(arrays) for name, arrays in state.items()} == facts["state"]


def record(scratch: Path) -> None:
    """Write the files of today's schema from a run of ten steps."""
    run = trained(scratch, small_spec(), "--max-steps", 10, content=text(85))
    path = FOLDER / f"schema-{SCHEMA}.h5"
    assert not path.exists(), "a released schema is not recorded again"
    FOLDER.mkdir(exist_ok=True)
    path.write_bytes((run / "checkpoints" / "step-000000000010.h5").read_bytes())
    progress = load_snapshot(path).meta.progress
    logits, state = rnnkit.load(path).forward(IDS)
    facts = {
        "progress": [progress.step, progress.best.step, progress.lines],
        "logits": logits.tolist(),
        "state": {name: len(arrays) for name, arrays in state.items()},
    }
    path.with_suffix(".json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    import sys

    record(Path(sys.argv[1]))
