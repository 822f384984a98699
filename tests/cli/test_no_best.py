"""A run that will have no best model says so at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import done, plain_spec, text
from helpers import write_spec as write


@pytest.mark.parametrize(
    ("split", "train", "said"),
    [
        (
            [0.6, 0.2, 0.2],
            {"every": {"evaluate": None}},
            'valid_loss is never measured: "evaluate" is null in "every" (give "epoch", or a '
            "number of steps)",
        ),
        (
            [1, 0, 0],
            {"best": {"metric": "valid_accuracy", "mode": "max"}},
            "valid_accuracy is never measured: there is no validation split (give the data one, "
            'such as by its "split")',
        ),
        ([0.6, 0.2, 0.2], {}, ""),
        ([1, 0, 0], {"every": {"evaluate": None}}, ""),
    ],
    ids=["no evaluation", "no validation", "a best model", "no metric was chosen"],
)
def test_a_run_without_a_best_model(
    tmp_path: Path, split: list[float], train: dict[str, Any], said: str
) -> None:
    value = plain_spec(epochs=1, **train)
    value["data"]["split"] = split
    ran = done("run", write(tmp_path, value, text(300)), "--out", tmp_path / "run")
    assert ran.err.count(f"no best.h5 is written, as {said}\n") == bool(said)
    assert ran.err.count("no best.h5") == bool(said)
    assert (tmp_path / "run" / "best.h5").exists() == (split[1] > 0 and "every" not in train)
