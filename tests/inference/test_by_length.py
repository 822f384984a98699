"""Sequences of like length stand in one batch; answers stand where the questions did."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.inference.by_length import in_batches


def batches(lengths: list[int], streams: int) -> list[list[int]]:
    """Return the lengths of each batch."""
    found: list[list[int]] = []

    def answer(batch: list[int]) -> list[int]:
        found.append(batch)
        return [10 * length for length in batch]

    assert in_batches(lengths, lengths, streams, answer) == [10 * length for length in lengths]
    return found


@pytest.mark.parametrize("streams", [1, 2, 32, 1000])
def test_none_is_less_than_half_as_long_as_the_first(streams: int) -> None:
    lengths = np.random.default_rng(1).geometric(0.05, 200).tolist()
    found = batches(lengths, streams)
    assert all(len(batch) <= streams and 2 * batch[-1] >= batch[0] for batch in found)
    assert sum(found, []) == sorted(lengths, reverse=True)


def test_a_long_one_runs_alone_and_empty_ones_together() -> None:
    assert batches([3, 0, 900, 2, 0, 4], 32) == [[900], [4, 3, 2], [0, 0]]
    assert batches([], 32) == []


def test_those_of_one_length_stay_in_their_order() -> None:
    seen: list[str] = []
    in_batches("abcd", [1, 1, 2, 1], 2, lambda batch: seen.extend(batch) or batch)
    assert seen == ["c", "a", "b", "d"]
