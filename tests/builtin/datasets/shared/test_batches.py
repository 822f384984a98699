"""Whole sequences in batches: each once an epoch, right-aligned, in an order to be resumed."""

from __future__ import annotations

import numpy as np
import pytest

from rnnkit.builtin.datasets.shared.batches import Order, count_batches
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.ragged import EMPTY, Ragged, restarting, valid_steps
from rnnkit.core.context import keyed_generator

LENGTHS = np.random.default_rng(0).integers(1, 60, 103)
TRAIN, TEST = Layout(4, 1), Layout(4, 1, tail=True)


def rows(order: Order, layout: Layout = TRAIN, cursor: object = None) -> list[list[int]]:
    return [turn.rows.tolist() for turn in order.turns(LENGTHS, layout, cursor)]


@pytest.mark.parametrize("bucket", [1, 3, 50])
@pytest.mark.parametrize("layout", [TRAIN, TEST])
def test_an_epoch_reads_every_sequence_once(bucket: int, layout: Layout) -> None:
    found = rows(Order(bucket=bucket), layout)
    assert len(found) == count_batches(103, layout) == 26
    assert sorted(sum(found, [])) == [EMPTY, *range(103)]


def test_evaluation_reads_in_the_order_of_the_file() -> None:
    assert sum(rows(Order(), TEST), []) == [*range(103), EMPTY]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    later = {"epoch": 1, "batch": 0}
    found = [rows(Order()), rows(Order(), cursor=later), rows(Order(seed=1))]
    assert found[0] != found[1] and found[0] != found[2] and found[1] != found[2]
    assert rows(Order()) == found[0]


def test_every_cursor_goes_on_exactly() -> None:
    order = Order(seed=5)
    turns = list(order.turns(LENGTHS, TRAIN, {"epoch": 2, "batch": 0}))
    assert turns[-1].next_cursor == {"epoch": 3, "batch": 0}
    for index, turn in enumerate(turns[:-1]):
        rest = rows(order, cursor=turn.next_cursor)
        assert rest == [t.rows.tolist() for t in turns[index + 1 :]]


def test_buckets_hold_similar_lengths() -> None:
    def padding(bucket: int) -> int:
        found = [[LENGTHS[i] for i in batch if i != EMPTY] for batch in rows(Order(bucket=bucket))]
        return sum(max(batch) * len(batch) - sum(batch) for batch in found)

    assert padding(50) < 0.2 * padding(1)


def test_batches_of_a_bucket_are_not_sorted() -> None:
    longest = [max(LENGTHS[i] for i in batch) for batch in rows(Order())]
    assert longest != sorted(longest)


def test_sequences_are_right_aligned_after_zeros() -> None:
    ragged = Ragged.of([np.array([1, 2, 3]), np.array([4]), np.array([5, 6])], np.int32)
    assert ragged.batch(np.array([1, EMPTY, 2, 0]), 3).T.tolist() == [
        [0, 0, 4],
        [0, 0, 0],
        [0, 5, 6],
        [1, 2, 3],
    ]
    assert len(ragged) == 3 and ragged.lengths.tolist() == [3, 1, 2]


def test_rows_of_numbers_keep_their_width() -> None:
    ragged = Ragged.of([np.ones((2, 3)), np.full((1, 3), 2.0)], np.float32)
    found = ragged.batch(np.array([0, 1]), 2)
    assert found.dtype == np.float32
    assert found[:, 1].tolist() == [[0, 0, 0], [2, 2, 2]]


def test_steps_that_carry_data_and_restart() -> None:
    lengths = np.array([3, 0, 2])
    assert valid_steps(lengths, 3).T.tolist() == [[True] * 3, [False] * 3, [False, True, True]]
    assert restarting(lengths, 3).T.tolist() == [
        [True, False, False],
        [True, False, False],
        [True, True, False],
    ]


def test_equal_lengths_keep_the_order_that_was_drawn() -> None:
    lengths = np.full(97, 5)
    drawn = [t.rows for t in Order(bucket=1).turns(lengths, TRAIN, None)]
    sorted_by_length = [t.rows for t in Order(bucket=50).turns(lengths, TRAIN, None)]
    assert {tuple(rows) for rows in drawn} == {tuple(rows) for rows in sorted_by_length}


def test_a_bucket_of_one_is_the_permutation_itself() -> None:
    found = sum((t.rows.tolist() for t in Order(seed=3, bucket=1).turns(LENGTHS, TRAIN, None)), [])
    drawn = keyed_generator(3, "order", step=0).permutation(len(LENGTHS))
    assert found == [*drawn.tolist(), EMPTY]
