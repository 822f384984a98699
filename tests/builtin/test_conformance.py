"""The conformance kit, over every layer that the registry can find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_examples import EXAMPLES, GROUP, REGISTRY, build, examples, label

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.core.params import ParamSpec, ParamStore, Shared, check_shared
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.testing import CHECKS, check_layer
from rnnkit.types import DType

NAMES = REGISTRY.names(GROUP)
BLOCKS = [block for name in NAMES for block in examples(name)]
FLOAT64: DType = np.dtype(np.float64)

EXPECTED_SKIPS = {
    "accumulates": {"it has no parameters"},
    "alias": {"it has no state"},
    "causal": {"its outputs depend on later inputs (causal=False)"},
    "halves": {"its outputs depend on later inputs (causal=False)"},
    "input_gradient": {"it reads ids"},
    "nan": {"nothing it gives depends on a number that it is given"},
    "parameter_gradient": {"it has no parameters"},
    "random": {"training and evaluation give the same: it draws nothing"},
    "run": {"it has no run() beside its scan()"},
    "shortcuts": {"it has no compiled equations, no scan() beside its step(), and no linear()"},
    "state_gradient": {"it has no state"},
    "used": {"it has no parameters and no state"},
}


@pytest.mark.parametrize("block", BLOCKS, ids=label)
def test_every_layer_keeps_the_contract(block: dict[str, Any]) -> None:
    report = check_layer(build(block))
    assert set(report.ran) | set(report.skipped) == {check.name for check in CHECKS}
    for name, reason in report.skipped.items():
        assert reason in EXPECTED_SKIPS[name], str(report)


def test_every_registered_layer_of_rnnkit_has_an_example() -> None:
    own = {p.name for p in REGISTRY.plugins if p.group == GROUP and p.distribution == "rnnkit"}
    assert own == set(EXAMPLES), "tests/layer_examples.py: add an example block for each"


def test_every_example_stands_under_its_own_type() -> None:
    assert all(block["type"] == name for name, blocks in EXAMPLES.items() for block in blocks)


@pytest.mark.parametrize("name", ["gru", "gru_reset_before", "lstm", "rnn"])
def test_cells_check_everything_but_randomness(name: str) -> None:
    skipped = set(check_layer(build({"type": name, "units": 3})).skipped)
    assert skipped - ({"shortcuts"} if not kernels_available() else set()) == {"random"}


def test_a_tied_affine_declares_the_table_and_shares_its_memory() -> None:
    tied = build({"type": "affine", "units": 3, "tie": "table"})
    table = build({"type": "embedding", "units": 5})
    declared = {
        "table": table.declared(Signal(3, ids=True)),
        "1.affine": tied.declared(Signal(5)),
    }
    store = ParamStore(declared, FLOAT64)
    assert declared["1.affine"]["W"] == Shared("table", "W", (3, 5))
    assert isinstance(declared["1.affine"]["b"], ParamSpec)
    assert store.values["1.affine"]["W"] is store.values["table"]["W"]
    assert store.grads["1.affine"]["W"] is store.grads["table"]["W"]
    assert store.flat.size == 3 * 5 + 3


def test_a_tied_affine_of_another_width_is_refused() -> None:
    tied = build({"type": "affine", "units": 3, "tie": "table"})
    table = build({"type": "embedding", "units": 4})
    declared = {
        "table": table.declared(Signal(3, ids=True)),
        "1.affine": tied.declared(Signal(5)),
    }
    said = "shares table/W and needs it of shape 3x5, but it is 3x4 .leave the tie out."
    with pytest.raises(ShapeError, match=said):
        check_shared(declared, "1.affine")
    with pytest.raises(ShapeError, match="shares table/W, which does not exist"):
        check_shared({"1.affine": declared["1.affine"]}, "1.affine")
