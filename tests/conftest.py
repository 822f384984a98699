"""The strictest numeric mode for every test, and where the benchmark data may lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def ptb() -> Path:
    """The Penn Treebank, which may not be redistributed."""
    folder = DATA / "ptb"
    if not folder.is_dir():
        pytest.skip("the Penn Treebank is not beside the project (../shared/data/ptb)")
    return folder
