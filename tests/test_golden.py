"""Stored arrays of an independent implementation, and the stored names of every parameter.

python tests/record.py          writes the arrays again (needs torch)
python tests/test_golden.py     writes the names again
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_examples import EXAMPLES, build, label
from windows import Arrays, Block, assert_close, rnnkit_results

from rnnkit.core.params import ParamSpec
from rnnkit.testing.subject import Subject

GOLDEN = Path(__file__).parent / "golden"
ARRAYS = sorted(GOLDEN.glob("*.npz"))
NAMES = GOLDEN / "parameters.json"


def declared() -> dict[str, Any]:
    """Return the parameters and state sizes that every example block declares."""
    return {label(block): _declared(block) for blocks in EXAMPLES.values() for block in blocks}


def _declared(block: dict[str, Any]) -> dict[str, Any]:
    subject = Subject(build(block), None, 0)
    params = subject.layer.declared(subject.inputs)
    return {
        "reads": str(subject.inputs),
        "gives": str(subject.outputs),
        "params": {name: [list(spec.shape), _storage(spec)] for name, spec in params.items()},
        "state": list(subject.layer.state_sizes(subject.inputs)),
    }


def _storage(spec: Any) -> str:
    if isinstance(spec, ParamSpec):
        return "decayed" if spec.decay else "not decayed"
    return f"shared with {spec.layer}/{spec.name}"


def _stored(path: Path) -> tuple[list[Block], Arrays, Arrays]:
    """Return the blocks, what is given, and what PyTorch found."""
    with np.load(path) as file:
        stored = dict(file.items())
    given = {k.removeprefix("given/"): v for k, v in stored.items() if k.startswith("given/")}
    found = {k.removeprefix("found/"): v for k, v in stored.items() if k.startswith("found/")}
    return json.loads(str(stored["blocks"])), given, found


def _text() -> str:
    lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in declared().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def test_the_stored_arrays_are_there_and_small() -> None:
    assert len(ARRAYS) >= 16, "python tests/record.py"
    assert sum(path.stat().st_size for path in ARRAYS) < 200_000


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: path.stem)
def test_rnnkit_gives_the_stored_arrays(path: Path) -> None:
    blocks, given, wanted = _stored(path)
    hint = f"{path.name} holds PyTorch's numbers; to record it again: python tests/record.py"
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
        "to record the names again: python tests/test_golden.py"
    )
    assert declared() == json.loads(NAMES.read_text()), hint


if __name__ == "__main__":
    NAMES.write_text(_text())
