"""Metrics of a split: by hand, against plain definitions, and in any cut of the windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy
from rnnkit.builtin.losses.huber import Huber
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.builtin.metrics.accuracy import Accuracy
from rnnkit.builtin.metrics.choice import choose_metrics
from rnnkit.builtin.metrics.errors import Errors
from rnnkit.builtin.metrics.exact_match import ExactMatch
from rnnkit.builtin.metrics.labels import Labels
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.metric import Metric
from rnnkit.contracts.target_info import Meaning, Naive, meaning_of
from rnnkit.core.signal import Signal
from rnnkit.errors import SpecError
from rnnkit.types import Array

Window = tuple[Array, Array, Array, Array]


def one_hot(ids: Any, width: int) -> Array:
    return np.eye(width, dtype=np.float32)[np.asarray(ids)]


def case(steps: int = 12, streams: int = 3, width: int = 4) -> Window:
    """Return a window of labels, some wrong, some that weigh nothing, resets in the middle."""
    random = np.random.default_rng(5)
    wanted = random.integers(0, width, (steps, streams)).astype(np.int32)
    chosen = np.where(random.random(wanted.shape) < 0.7, wanted, (wanted + 1) % width)
    weights = random.choice([0, 1, 1, 0.5], wanted.shape).astype(np.float32)
    wanted[random.random(wanted.shape) < 0.1] = -1
    resets = random.random(wanted.shape) < 0.2
    resets[0] = True
    return one_hot(chosen, width), wanted, weights, resets


def reported(metric: Metric, window: Window, cuts: tuple[int, ...] = ()) -> dict[str, float]:
    for piece in zip(*(np.split(array, cuts) for array in window), strict=True):
        metric.add(*piece)
    return metric.report()


def test_labels_by_hand() -> None:
    wanted = np.array([[0], [0], [0], [1], [1], [2]])
    chosen = np.array([[0], [0], [1], [1], [0], [0]])
    metric = Labels(SoftmaxCrossEntropy(), 4, ("a", "b", "c", "never"))
    window = one_hot(chosen, 4), wanted, np.ones((6, 1)), np.zeros((6, 1), bool)
    f1 = [2 * 2 / 7, 2 * 1 / 4, 0.0]
    assert reported(metric, window) == pytest.approx(
        {"precision": (2 / 4 + 1 / 2 + 0) / 3, "recall": (2 / 3 + 1 / 2) / 3, "f1": sum(f1) / 3}
    )
    (table,) = metric.tables().values()
    assert table.records()[0] == pytest.approx(
        {"label": "a", "precision": 0.5, "recall": 2 / 3, "f1": f1[0], "targets": 3.0}
    )
    assert [row[0] for row in table.rows] == ["a", "b", "c", "never"]
    assert table.rows[3][1:] == (0, 0, 0, 0)


def test_labels_weigh_as_their_targets() -> None:
    ys, wanted, weights, resets = case()
    live = (weights > 0) & (wanted >= 0)
    f1 = []
    for label in range(4):
        hit = weights[live & (wanted == label) & (ys.argmax(-1) == label)].sum()
        both = (
            weights[live & (wanted == label)].sum() + weights[live & (ys.argmax(-1) == label)].sum()
        )
        f1.append(2 * hit / both)
    found = reported(Labels(SoftmaxCrossEntropy(), 4, None), (ys, wanted, weights, resets))
    assert found["f1"] == pytest.approx(np.mean(f1))


def test_answers_are_summed_in_float64() -> None:
    large = 2.0**24  # one more is none more in float32
    ys, wanted = np.ones((2, 1, 1), np.float32), np.array([[[1]], [[0]]], np.float32)
    weights = np.array([[1], [large]], np.float32)
    metric = Labels(BinaryCrossEntropy(), 1, None)
    found = reported(metric, (ys, wanted, weights, np.zeros((2, 1), bool)))
    assert found["precision"] == 1 / (large + 1) and found["recall"] == 1


def test_a_label_that_was_chosen_and_never_wanted_is_part_of_the_means() -> None:
    ys = np.eye(3, dtype=np.float32)[[[0], [1]]]
    one = np.ones((2, 1))
    metric = Labels(SoftmaxCrossEntropy(), 3, None)
    found = reported(metric, (ys, np.zeros((2, 1), np.int32), one, one > 0))
    assert found == pytest.approx({"precision": 1 / 2, "recall": 1 / 4, "f1": 1 / 3})


def test_labels_of_answers() -> None:
    loss = BinaryCrossEntropy()
    ys = np.array([[[1.0, -1.0]], [[1.0, 1.0]], [[-1.0, -1.0]]])
    wanted = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    metric = Labels(loss, 2, None)
    found = reported(metric, (ys, wanted, np.ones((3, 1)), np.zeros((3, 1), bool)))
    assert found == pytest.approx({"precision": 0.75, "recall": 0.75, "f1": 0.75})
    binary = np.array([[1], [0], [-1]])
    metric = Labels(loss, 2, ("no", "yes"))
    reported(metric, (ys[..., :1], binary, np.ones((3, 1)), np.zeros((3, 1), bool)))
    assert metric.tables()["labels"].rows[1] == ("yes", 0.5, 1.0, pytest.approx(2 / 3), 1.0)


def exact_by_hand(window: Window) -> float:
    """Return the share of the right sequences, stream by stream, step by step."""
    ys, wanted, weights, resets = window
    right = ys.argmax(-1) == wanted
    found: list[list[bool]] = []
    for b in range(weights.shape[1]):
        for t in range(len(weights)):
            if t == 0 or resets[t, b]:
                found.append([])
            if weights[t, b] and wanted[t, b] >= 0:
                found[-1].append(bool(right[t, b]))
    counted = [all(sequence) for sequence in found if sequence]
    return sum(counted) / len(counted)


def test_exact_match_is_of_whole_sequences() -> None:
    window = case(40, 5)
    share = exact_by_hand(window)
    assert 0 < share < 1
    assert reported(ExactMatch(SoftmaxCrossEntropy()), window) == {"exact_match": share}


def test_exact_match_of_answers_needs_them_all() -> None:
    ys = np.array([[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    wanted = np.array([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]])
    window = ys, wanted, np.ones((2, 2)), np.array([[True, True], [False, False]])
    assert reported(ExactMatch(BinaryCrossEntropy()), window) == {"exact_match": 0.5}


def test_a_batch_that_is_wider_closes_what_was_open() -> None:
    metric = ExactMatch(SoftmaxCrossEntropy())
    for streams in (2, 3):
        ys, wanted = one_hot(np.zeros((1, streams), int), 2), np.zeros((1, streams), int)
        metric.add(ys, wanted, np.ones((1, streams)), np.zeros((1, streams), bool))
    assert metric.report() == {"exact_match": 1.0}
    assert metric._seen + metric._open.sum() == 5


def values() -> Window:
    random = np.random.default_rng(3)
    ys, targets = random.standard_normal((2, 9, 2, 3)).astype(np.float32)
    weights = random.choice([0, 1, 2], (9, 2)).astype(np.float32)
    targets[weights == 0] = math.nan
    return ys, targets, weights, np.zeros((9, 2), bool)


def test_errors_are_in_the_units_of_the_data() -> None:
    ys, targets, weights, _ = values()
    scale, offset = np.array([2.0, 10.0, 0.5]), np.array([1.0, 2.0, 3.0])
    meaning = Meaning(("a", "b", "c"), unscaled=lambda v: v * scale + offset)
    metric = Errors(3, meaning, "valid")
    found = reported(metric, values())
    live = weights > 0
    errors = ((ys.astype(np.float64) - targets) * scale)[live]
    ws = weights[live][:, None] / weights.sum()
    mse, mae = (ws * errors**2).sum() / 3, (ws * np.abs(errors)).sum() / 3
    assert found == pytest.approx({"mse": mse, "rmse": math.sqrt(mse), "mae": mae})
    table = metric.tables()["columns"]
    assert table.head == ("column", "mse", "rmse", "mae")
    row = table.records()[1]
    assert row["column"] == "b" and row["mae"] == pytest.approx(
        (ws[:, 0] * abs(errors[:, 1])).sum()
    )
    assert row["rmse"] == pytest.approx(math.sqrt((ws[:, 0] * errors[:, 1] ** 2).sum()))


def test_errors_beside_naive_forecasts() -> None:
    asked: list[tuple[str, int]] = []

    def naive(split: str, targets: int) -> Naive:
        asked.append((split, targets))
        errors = {"persistence": np.array([1.0, 4.0]), "seasonal": np.array([2.0, 2.0])}
        return Naive(np.array([0.5, 2.0]), errors)

    metric = Errors(2, Meaning(naive=naive), "test")
    ys, targets = np.zeros((2, 5, 1, 2))
    targets[..., 0], targets[..., 1] = 1, -3
    weights = np.ones((5, 1))
    weights[0] = 0
    found = reported(metric, (ys, targets, weights, np.zeros((5, 1), bool)))
    assert set(asked) == {("test", 4)}
    assert found["mae"] == 2
    assert found["mase"] == pytest.approx((1 / 0.5 + 3 / 2) / 2)
    assert found["mase_persistence"] == pytest.approx(2.0)
    assert found["mase_seasonal"] == pytest.approx((2 / 0.5 + 2 / 2) / 2)
    assert metric.tables()["columns"].records()[1] == pytest.approx(
        {"column": "1", "mse": 9.0, "rmse": 3.0, "mae": 3.0, "mase": 1.5}
    )
    assert metric.tables()["forecasts"].records() == [
        {"forecast": "model", "mae": 2.0, "mase": 1.75},
        {"forecast": "persistence", "mae": 2.5, "mase": 2.0},
        {"forecast": "seasonal", "mae": 2.0, "mase": 2.5},
    ]
    assert metric.remarks() == [
        "mase 1.75: on the training part a naive forecast is nearer than that"
    ]


@pytest.mark.parametrize(
    ("error", "remark"),
    [
        (0.5, []),
        (1.25, ["mase 1.25: on the training part a naive forecast is nearer than that"]),
        (1.5, ["no better than a naive forecast: mase 1.5, seasonal has 1.5"]),
        (2.5, ["no better than a naive forecast: mase 2.5, persistence has 2, seasonal has 1.5"]),
    ],
)
def test_a_forecast_beside_the_naive_ones_in_a_sentence(error: float, remark: list[str]) -> None:
    naive = Naive(np.ones(1), {"persistence": np.array([2.0]), "seasonal": np.array([1.5])})
    metric = Errors(1, Meaning(naive=lambda split, targets: naive), "test")
    assert metric.remarks() == []
    ys = np.full((5, 1, 1), error)
    metric.add(ys, np.zeros((5, 1, 1)), np.ones((5, 1)), np.zeros((5, 1), bool))
    assert metric.remarks() == remark


def test_columns_that_mase_leaves_out_are_named() -> None:
    naive = Naive(np.array([0.0, 1.0]), {"persistence": np.array([0.5, 2.0])})
    meaning = Meaning(names=("set", "load"), naive=lambda split, targets: naive)
    metric = Errors(2, meaning, "test")
    ones = np.ones((5, 1, 2))
    found = reported(metric, (0.5 * ones, 0 * ones, ones[..., 0], np.zeros((5, 1), bool)))
    assert found["mase"] == 0.5
    assert metric.remarks() == [
        "mase leaves out set, where a naive forecast of the training part has no error"
    ]


def test_a_naive_forecast_is_never_asked_for_no_targets() -> None:
    def naive(split: str, targets: int) -> Naive:
        assert targets > 0
        return Naive(np.ones(1), {"persistence": np.ones(1)})

    metric = Errors(1, Meaning(naive=naive), "valid")
    found = metric.report()
    assert list(found) == ["mse", "rmse", "mae", "mase", "mase_persistence"]
    assert all(map(math.isnan, found.values()))


def test_a_column_that_never_moved_has_no_scaled_error() -> None:
    naive = Naive(np.zeros(1), {"persistence": np.zeros(1)})
    metric = Errors(1, Meaning(naive=lambda split, targets: naive), "valid")
    found = metric.report()
    assert math.isnan(found["mase"]) and math.isnan(found["mase_persistence"])
    assert list(metric.tables()) == ["forecasts"]


def test_the_mean_is_over_the_columns_that_moved() -> None:
    naive = Naive(np.array([0.0, 2.0]), {"persistence": np.array([1.0, 4.0])})
    metric = Errors(2, Meaning(naive=lambda split, targets: naive), "test")
    ys, targets = np.zeros((2, 5, 1, 2))
    targets[..., 0], targets[..., 1] = 1, -3
    found = reported(metric, (ys, targets, np.ones((5, 1)), np.zeros((5, 1), bool)))
    assert (found["mase"], found["mase_persistence"], found["mae"]) == (1.5, 2.0, 2.0)
    assert math.isnan(metric.tables()["columns"].records()[0]["mase"])


MAKE: dict[str, tuple[Callable[[], Metric], Window]] = {
    "labels": (lambda: Labels(SoftmaxCrossEntropy(), 4, None), case()),
    "accuracy": (lambda: Accuracy(SoftmaxCrossEntropy()), case()),
    "exact_match": (lambda: ExactMatch(SoftmaxCrossEntropy()), case()),
    "errors": (lambda: Errors(3, Meaning(), "valid"), values()),
}
every_metric = pytest.mark.parametrize("name", MAKE)


@every_metric
def test_any_cut_of_a_window_gives_the_same(name: str) -> None:
    make, window = MAKE[name]
    whole = reported(make(), window)
    for cuts in ((3,), (1, 2, 3, 8), tuple(range(1, 9))):
        assert reported(make(), window, cuts) == pytest.approx(whole, rel=1e-12)


@every_metric
def test_nothing_seen_has_the_same_names(name: str) -> None:
    make, window = MAKE[name]
    empty = make().report()
    assert list(empty) == list(reported(make(), window))
    assert all(map(math.isnan, empty.values()))
    rows = [row for table in make().tables().values() for row in table.rows]
    assert all(math.isnan(value) for row in rows for value in row[1:4])


@every_metric
def test_inputs_are_unharmed(name: str) -> None:
    make, window = MAKE[name]
    before = [array.copy() for array in window]
    for array in window:
        array.setflags(write=False)
    reported(make(), window)
    for array, copy in zip(window, before, strict=True):
        np.testing.assert_array_equal(array, copy)


class Told:
    """A source that is nothing but its targets and what they mean."""

    def __init__(self, targets: Signal, meaning: Meaning | None = None, unit: str = "step") -> None:
        self.unit = unit
        self.inputs = self.targets = targets
        self.vocabulary = None
        if meaning is not None:
            self.meaning = lambda: meaning


def names(loss: Loss, source: Told, *asked: Any) -> list[str]:
    width = 1 if loss.type == "binary_cross_entropy" and source.targets.ids else 3
    metrics = choose_metrics(loss, width, source, "valid", asked)
    return [name for metric in metrics for name in metric.report()]


def test_what_suits_loss_and_data_comes_of_itself() -> None:
    f1, errors = ["precision", "recall", "f1"], ["mse", "rmse", "mae"]
    ids, numbers = Signal(3, ids=True), Signal(3)
    cross = SoftmaxCrossEntropy()
    assert meaning_of(Told(ids)) == Meaning()
    assert names(cross, Told(ids)) == ["accuracy"]
    assert names(cross, Told(ids), "f1", "exact_match") == ["accuracy", "exact_match", *f1]
    assert names(cross, Told(ids, Meaning(("a", "b", "c")))) == ["accuracy", *f1]
    whole = Told(ids, Meaning(("a", "b", "c"), whole=True))
    assert names(cross, whole) == ["accuracy", "exact_match", *f1]
    text = Told(ids, Meaning(("a", "b", "c"), whole=True), "character")
    assert names(cross, text) == ["accuracy", "exact_match"]
    assert names(MSE(), Told(ids)) == ["accuracy"]
    assert names(MSE(), Told(ids, Meaning(whole=True))) == ["accuracy", "exact_match"]
    assert names(Huber(), Told(numbers, Meaning(whole=True))) == errors
    assert names(BinaryCrossEntropy(), Told(Signal(2, ids=True)), "f1") == ["accuracy", *f1]
    answers = Told(numbers, Meaning(("a", "b", "c")))
    assert names(BinaryCrossEntropy(), answers) == ["accuracy", *f1]
    naive = Naive(np.ones(3), {"persistence": np.ones(3)})
    forecast = Told(numbers, Meaning(naive=lambda split, targets: naive))
    assert names(MSE(), forecast) == [*errors, "mase", "mase_persistence"]


def test_a_metric_that_the_loss_cannot_give() -> None:
    with pytest.raises(SpecError) as caught:
        names(MSE(), Told(Signal(3)), "f1")
    assert str(caught.value) == (
        "[SPEC_METRIC] evaluate.metrics: f1 needs a loss that decides among labels, received mse "
        "over values of width 3 (take it out)"
    )
