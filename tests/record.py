"""Write the files of tests/golden, which tests compare with.

python tests/record.py arrays        what PyTorch finds (needs PyTorch)
python tests/record.py names         the name and shape of every parameter
python tests/record.py checkpoint    a checkpoint and states of today's schema, once for each schema
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from helpers import done, small_spec, text, trained
from layer_examples import declared
from windows import draw

import rnnkit
from rnnkit.checkpoint.seal import SCHEMA
from rnnkit.checkpoint.snapshot import load_snapshot

GOLDEN = Path(__file__).parent / "golden"
CHECKPOINTS = GOLDEN / "checkpoints"
PROMPT, SAMPLED = "abcd", "ddddd"
"""What the file of states has read, and what was drawn after it."""
IDS = np.array([[0, 1], [2, 3], [4, 5], [1, 1]])


def record_arrays() -> None:
    """Write one file for each case: the blocks, what is given, what PyTorch finds."""
    from parity.cases import CASES
    from parity.twins import torch_results

    for number, (name, (blocks, inputs)) in enumerate(CASES.items()):
        given = draw(blocks, inputs, steps=3, streams=2, seed=100 + number)
        arrays = {f"given/{k}": v for k, v in given.items()}
        arrays |= {f"found/{k}": v for k, v in torch_results(blocks, given).items()}
        np.savez_compressed(GOLDEN / f"{name}.npz", blocks=json.dumps(blocks), **arrays)


def record_names() -> None:
    """Write what every example block declares, one line for each."""
    lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in declared().items())
    (GOLDEN / "parameters.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def record_checkpoint() -> None:
    """Write the files of today's schema from a run of ten steps."""
    path = CHECKPOINTS / f"schema-{SCHEMA}.h5"
    assert not path.exists(), "a released schema is not recorded again"
    with tempfile.TemporaryDirectory() as scratch:
        run = trained(Path(scratch), small_spec(), "--max-steps", 10, content=text(85))
        path.write_bytes((run / "checkpoints" / "step-000000000010.h5").read_bytes())
    progress = load_snapshot(path).meta.progress
    logits, state = rnnkit.load(path).forward(IDS)
    facts = {
        "progress": [progress.step, progress.best.step, progress.lines],
        "logits": logits.tolist(),
        "state": {name: len(arrays) for name, arrays in state.items()},
    }
    path.with_suffix(".json").write_text(json.dumps(facts) + "\n")
    state = CHECKPOINTS / f"state-{SCHEMA}.h5"
    options = ["--prompt", PROMPT, "--length", len(SAMPLED), "--greedy", "--state-out", state]
    assert done("sample", path, *options).out.strip() == PROMPT + SAMPLED


RECORDERS = {"arrays": record_arrays, "names": record_names, "checkpoint": record_checkpoint}

if __name__ == "__main__":
    RECORDERS[sys.argv[1]]()
