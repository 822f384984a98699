"""The shapes that a network declares are those of the arrays that training stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import pair_spec, plain_spec, small_spec
from training_cases import fresh, opened

from rnnkit.network.stored_arrays import stored_shapes
from rnnkit.training.session import arrays

TRUE = {"bptt": {"style": "true", "steps": 3}}


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (small_spec(), {"params", "optimizer", "state"}),
        (plain_spec(bptt={"style": "true", "steps": 3}), {"params", "state", "history"}),
        (pair_spec(), {"params", "optimizer"}),
    ],
)
def test_every_array_is_declared(tmp_path: Path, spec: dict[str, Any], parts: set[str]) -> None:
    training = fresh(*opened(tmp_path, spec))
    stored = {name: array.shape for name, array in arrays(training).items()}
    assert stored_shapes(training.spec, training.network) == stored
    assert {name.split("/")[0] for name in stored} == parts
