"""A checkpoint of every released schema loads for ever: one file each, never rewritten."""

from __future__ import annotations

import json

import numpy as np
import pytest
from record import CHECKPOINTS, IDS

import rnnkit
from rnnkit.checkpoint.layout import SCHEMA
from rnnkit.checkpoint.snapshot import load_snapshot


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_it_loads(schema: int) -> None:
    path = CHECKPOINTS / f"schema-{schema}.h5"
    assert path.exists(), "run: python tests/record.py checkpoint, once for a new schema"
    facts = json.loads((CHECKPOINTS / f"schema-{schema}.json").read_text())
    progress = load_snapshot(path).meta.progress
    assert (progress.step, progress.best.step, progress.lines) == tuple(facts["progress"])
    logits, state = rnnkit.load(path).forward(IDS)
    np.testing.assert_allclose(logits, facts["logits"], atol=1e-5)
    assert {name: len(arrays) for name, arrays in state.items()} == facts["state"]
