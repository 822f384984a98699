"""A checkpoint of every released schema loads for ever: one file each, never rewritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import done, newest, small_spec, text, trained
from record import CHECKPOINTS, IDS, PROMPT, SAMPLED

import rnnkit
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.seal import SCHEMA
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.inference.states import load_states


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_it_loads(schema: int) -> None:
    path = CHECKPOINTS / f"schema-{schema}.h5"
    assert path.exists(), "run: python tests/record.py checkpoint, once for a new schema"
    facts = json.loads((CHECKPOINTS / f"schema-{schema}.json").read_text())
    progress = load_snapshot(path).meta.progress
    assert (progress.step, progress.best.step, progress.lines) == tuple(facts["progress"])
    model = rnnkit.load(path)
    assert model.spec.data.text_tokenizer().verbatim  # type: ignore[union-attr]
    logits, state = model.forward(IDS)
    np.testing.assert_allclose(logits, facts["logits"], atol=1e-5)
    assert {name: len(arrays) for name, arrays in state.items()} == facts["state"]


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_a_file_of_states_goes_on(schema: int) -> None:
    model = rnnkit.load(CHECKPOINTS / f"schema-{schema}.h5")
    stored = load_states(CHECKPOINTS / f"state-{schema}.h5", model)
    expected = model.after(PROMPT, [model.encode(SAMPLED).tolist()])
    assert (stored.streams, stored.last, stored.drawn) == (1, expected.last, expected.drawn)
    assert stored.states.keys() == expected.states.keys()
    for name, arrays in stored.states.items():
        for array, wanted in zip(arrays, expected.states[name], strict=True):
            np.testing.assert_allclose(array, wanted, atol=1e-5)


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_a_run_of_it_goes_on(schema: int, tmp_path: Path) -> None:
    spec = small_spec()
    spec["data"]["tokenizer"]["verbatim"] = True  # as all text was read
    whole = trained(tmp_path / "whole", spec, content=text(85))
    run = trained(tmp_path / "old", spec, "--max-steps", 10, content=text(85))
    (run / "best.h5").unlink()
    for _, file in RunDir(run).step_files():
        file.unlink()
    file = RunDir(run).step_file(10)
    file.write_bytes((CHECKPOINTS / f"schema-{schema}.h5").read_bytes())
    ran = done("resume", run)
    note = f"{file}: written by rnnkit 0.1.0 in schema {schema}; saved in schema {SCHEMA} from now"
    assert ran.err.count(note) == (schema < SCHEMA)
    assert (newest(run).schema, newest(run).meta.progress.step) == (SCHEMA, 15)
    for name, array in newest(whole).arrays.items():
        np.testing.assert_allclose(newest(run).arrays[name], array, atol=1e-5)
    assert "in schema" not in done("resume", run).err


def test_an_older_schema_is_told_once(tmp_path: Path) -> None:
    file = CHECKPOINTS / "schema-1.h5"
    told = f"{file}: written by rnnkit 0.1.0 in schema 1; saved in schema {SCHEMA} from now on"
    for line in (["sample", file, "--length", 1], ["show", file]):
        assert done(*line).err.splitlines() == [told]
    assert done("sample", CHECKPOINTS / f"schema-{SCHEMA}.h5", "--length", 1).err == ""
