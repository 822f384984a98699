"""Stored arrays of an independent implementation, and the stored names of every parameter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from layer_examples import declared
from windows import Arrays, Block, assert_close, rnnkit_results

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = sorted(GOLDEN.glob("*.npz"))
NAMES = GOLDEN / "parameters.json"


def _stored(path: Path) -> tuple[list[Block], Arrays, Arrays]:
    """Return the blocks, what is given, and what PyTorch found."""
    with np.load(path) as file:
        stored = dict(file.items())
    given = {k.removeprefix("given/"): v for k, v in stored.items() if k.startswith("given/")}
    found = {k.removeprefix("found/"): v for k, v in stored.items() if k.startswith("found/")}
    return json.loads(str(stored["blocks"])), given, found


def test_the_stored_arrays_are_there_and_small() -> None:
    assert len(ARRAYS) >= 16, "python tests/record.py arrays"
    assert sum(path.stat().st_size for path in ARRAYS) < 200_000


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: path.stem)
def test_rnnkit_gives_the_stored_arrays(path: Path) -> None:
    blocks, given, wanted = _stored(path)
    hint = f"{path.name} holds PyTorch's numbers; to record it again: python tests/record.py arrays"
    assert_close(rnnkit_results(blocks, given), wanted, hint)


def test_two_gates_in_the_wrong_order_are_seen() -> None:
    blocks, given, wanted = _stored(GOLDEN / "lstm.npz")
    i, f, o, g = np.split(given["params.0.Wx"], 4, axis=1)
    given["params.0.Wx"] = np.concatenate([f, i, o, g], axis=1)
    with pytest.raises(AssertionError):
        assert_close(rnnkit_results(blocks, given), wanted)


def test_parameters_keep_their_names_and_shapes() -> None:
    hint = (
        "a stored checkpoint would no longer fit (raise `version` and write `migrate`); "
        "to record the names again: python tests/record.py names"
    )
    assert declared() == json.loads(NAMES.read_text()), hint
