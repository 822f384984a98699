"""Values and gradients equal PyTorch's, in float64, over two windows with the state carried."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="parity needs torch: pip install rnnkit[parity]")

from parity.cases import CASES
from parity.twins import torch_results
from windows import assert_close, draw, rnnkit_results


@pytest.mark.parametrize("name", CASES)
def test_rnnkit_equals_torch(name: str) -> None:
    blocks, inputs = CASES[name]
    given = draw(blocks, inputs, steps=7, streams=5, seed=1)
    assert_close(rnnkit_results(blocks, given), torch_results(blocks, given))
