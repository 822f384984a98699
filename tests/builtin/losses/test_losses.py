"""Losses: stored values, PyTorch's values, gradients by direction, and what must not change."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from loss_cases import accuracy, context, random_case

from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy
from rnnkit.builtin.losses.huber import Huber
from rnnkit.builtin.losses.mae import MAE
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.quantile import Quantile
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.target_info import Meaning
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError, ShapeError, SpecError
from rnnkit.types import Array

YS = np.array([[[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], [[0.0, 0.0, 2.0], [-1.5, 0.75, 0.5]]])
LABELS = np.array([[2, 1], [-1, 0]], np.int32)
VALUES = np.array([[[0.5, -1.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 0.5, 2.5], [-1.0, 0.25, 0.5]]])
ONES = np.ones((2, 2))


CASES = [
    (SoftmaxCrossEntropy(), "labels"),
    (SoftmaxCrossEntropy(label_smoothing=0.1), "labels"),
    (SoftmaxCrossEntropy(class_weights=(1, 0.5, 2, 3, 1, 0.1)), "labels"),
    (SoftmaxCrossEntropy(), "values"),
    (SoftmaxCrossEntropy(label_smoothing=0.1), "values"),
    (MSE(), "labels"),
    (MSE(), "values"),
    (MAE(), "labels"),
    (MAE(), "values"),
    (Huber(), "labels"),
    (Huber(delta=2.5), "values"),
    (Quantile(level=0.2), "labels"),
    (Quantile(level=0.9), "values"),
    (BinaryCrossEntropy(), "binary"),
    (BinaryCrossEntropy(), "values"),
    (BinaryCrossEntropy(pos_weight=2.5), "binary"),
    (BinaryCrossEntropy(pos_weight=(2.5, 0.5, 1, 3, 1, 0.1)), "values"),
]
BOUNDED_SLOPE = (MAE, Huber, Quantile, BinaryCrossEntropy)
every_case = pytest.mark.parametrize(("loss", "kind"), CASES)

# From PyTorch 2.13, cross_entropy(ignore_index=-1, reduction="sum").
CROSS_ENTROPY = {
    0.0: (
        3.967136435430012,
        [
            [0.6037488961486258, 0.030058887569574, -0.6338077837181998],
            [0.0590697575925102, -0.0759935264921331, 0.0169237688996228],
            [0, 0, 0],
            [-0.944061551780665, 0.530729219800871, 0.4133323319797941],
        ],
    ),
    0.1: (
        4.117136435430012,
        [
            [0.5704155628152925, -0.0032744457637593, -0.5671411170515331],
            [0.0257364242591769, -0.0093268598254664, -0.0164095644337105],
            [0, 0, 0],
            [-0.8773948851139983, 0.4973958864675376, 0.3799989986464608],
        ],
    ),
}


@pytest.mark.parametrize("smoothing", CROSS_ENTROPY)
def test_cross_entropy_has_the_stored_values(smoothing: float) -> None:
    total, gradient = CROSS_ENTROPY[smoothing]
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
    found, weight, backward = loss.forward(YS, LABELS, ONES, context())
    assert found == pytest.approx(total, rel=1e-14)
    assert weight == 3
    np.testing.assert_allclose(backward().reshape(4, 3), gradient, rtol=0, atol=1e-14)


def test_mse_has_the_values_of_its_definition() -> None:
    total, weight, backward = MSE().forward(YS, VALUES, ONES, context())
    squares = [0.25 + 1 + 0.25, 0.5625 + 4 + 4, 0.25 + 0.25, 0.25 + 0.25]
    assert total == pytest.approx(sum(squares) / 3, rel=1e-15)
    assert weight == 4
    np.testing.assert_allclose(backward(), 2 / 3 * (YS - VALUES), rtol=1e-15)


@every_case
def test_gradient_is_that_of_the_sum(loss: Loss, kind: str) -> None:
    ys, targets, weights = random_case(kind)
    direction = np.random.default_rng(1).standard_normal(ys.shape)

    def total(step: float) -> float:
        return loss.forward(ys + step * direction, targets, weights, context())[0]

    numeric = (total(1e-5) - total(-1e-5)) / 2e-5
    gradient = loss.forward(ys, targets, weights, context())[2]()
    assert np.vdot(gradient, direction) == pytest.approx(numeric, rel=1e-8)


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_inputs_are_unharmed(loss: Loss, kind: str, dtype: Any) -> None:
    case = random_case(kind, dtype)
    before = [array.copy() for array in case]
    for array in case:
        array.setflags(write=False)
    total, weight, backward = loss.forward(*case, context(dtype))
    first = backward().copy()
    assert first.dtype == dtype and first.shape == case[0].shape
    np.testing.assert_array_equal(backward(), first)
    loss.decisions(*case[:2])
    assert type(total) is float and type(weight) is float
    for array, copy in zip(case, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_case
def test_float32_is_close_to_float64(loss: Loss, kind: str) -> None:
    totals, gradients = [], []
    for dtype in (np.float32, np.float64):
        total, _, backward = loss.forward(*random_case(kind, dtype), context(dtype))
        totals.append(total)
        gradients.append(backward())
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0, atol=2e-6)


@every_case
def test_what_weighs_nothing_changes_nothing(loss: Loss, kind: str) -> None:
    ys, targets, weights = random_case(kind)
    silent = weights == 0 if kind == "values" else (weights == 0) | (targets < 0)
    total, weight, backward = loss.forward(ys, targets, weights, context())
    broken = np.where(silent[..., None], math.nan, ys)
    with np.errstate(invalid="ignore"):
        same, same_weight, same_backward = loss.forward(broken, targets, weights, context())
    assert (same, same_weight) == (total, weight)
    if not getattr(loss, "class_weights", None):
        assert weight == pytest.approx(weights[~silent].sum())
    np.testing.assert_array_equal(same_backward(), backward())
    assert not backward()[silent].any()


@every_case
def test_a_window_is_the_sum_of_its_halves(loss: Loss, kind: str) -> None:
    ys, targets, weights = random_case(kind)
    whole = loss.forward(ys, targets, weights, context())
    parts = [
        loss.forward(ys[part], targets[part], weights[part], context())
        for part in (slice(0, 2), slice(2, None))
    ]
    assert whole[0] == pytest.approx(sum(part[0] for part in parts), rel=1e-14)
    assert whole[1] == pytest.approx(sum(part[1] for part in parts), rel=1e-14)
    halves = np.concatenate([part[2]() for part in parts])
    np.testing.assert_allclose(whole[2](), halves, rtol=1e-13)


@every_case
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_seen(loss: Loss, kind: str, bad: float) -> None:
    ys, targets, weights = random_case(kind)
    targets = np.maximum(targets, 0)
    ys[0, 0, -1] = bad if kind != "binary" else bad * (1 - 2 * targets[0, 0])
    total, _, backward = loss.forward(ys, targets, weights, context())
    assert not math.isfinite(total)
    if math.isnan(bad) or not isinstance(loss, BOUNDED_SLOPE):
        assert not np.isfinite(backward()[0, 0]).all()
    assert np.isfinite(backward()[1:]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_exact(dtype: Any) -> None:
    big = float(np.finfo(dtype).max)
    ys = np.array([[[big, -big, 0.0]], [[1e4, 1e4, -1e4]], [[-1e4, 0.0, 1e4]]], dtype)
    targets = np.array([[0], [1], [2]])
    total, _, backward = SoftmaxCrossEntropy().forward(ys, targets, np.ones((3, 1)), context(dtype))
    assert total == pytest.approx(math.log(2), rel=1e-6)
    np.testing.assert_allclose(backward()[:, 0], [[0, 0, 0], [0.5, -0.5, 0], [0, 0, 0]])


def test_one_hot_rows_equal_their_labels() -> None:
    ys, labels, weights = random_case("labels")
    labels = np.abs(labels)
    smooth = SoftmaxCrossEntropy(label_smoothing=0.2)
    for loss in (smooth, MSE(), MAE(), Huber(), Quantile(level=0.3)):
        by_label = loss.forward(ys, labels, weights, context())
        by_row = loss.forward(ys, np.eye(6)[labels], weights, context())
        assert by_label[0] == pytest.approx(by_row[0], rel=1e-14)
        np.testing.assert_allclose(by_label[2](), by_row[2](), atol=1e-15)
        if not loss.estimates:
            assert accuracy(loss, ys, labels, weights) == pytest.approx(
                accuracy(loss, ys, np.eye(6)[labels], weights)
            )


def test_classes_weigh_as_they_are_told_in_training_alone() -> None:
    plain, weighed = SoftmaxCrossEntropy(), SoftmaxCrossEntropy(class_weights=(0.5, 2.0, 4.0))
    total, weight, backward = weighed.forward(YS, LABELS, ONES, context())
    by_hand = np.array([[4.0, 2.0], [1.0, 0.5]])
    expected = plain.forward(YS, LABELS, by_hand, context())
    assert (total, weight) == (expected[0], 6.5)
    np.testing.assert_array_equal(backward(), expected[2]())
    evaluation = context(train=False)
    found = weighed.forward(YS, LABELS, ONES, evaluation)[:2]
    assert found == plain.forward(YS, LABELS, ONES, evaluation)[:2]


def test_smoothing_keeps_the_weights_of_the_classes() -> None:
    """PyTorch's value: every class weighs what it weighs in the smoothed part too."""
    loss = SoftmaxCrossEntropy(label_smoothing=0.3, class_weights=(1.0, 5.0, 1.0))
    ys, label, one = np.array([[[2.0, 0.0, -1.0]]]), np.array([[0]]), np.ones((1, 1))
    total, weight, backward = loss.forward(ys, label, one, context())
    assert (total, weight) == (pytest.approx(1.537784, abs=5e-7), 1.0)
    assert backward() == pytest.approx(_slope(loss, ys, label, one), abs=1e-8)
    assert loss.forward(ys, np.array([[1]]), one, context())[1] == 5.0
    ignored = loss.forward(ys, np.array([[-1]]), one, context())
    assert ignored[:2] == (0.0, 0.0) and not ignored[2]().any()
    evaluation = context(train=False)
    plain = SoftmaxCrossEntropy().forward(ys, label, one, evaluation)[:2]
    assert loss.forward(ys, label, one, evaluation)[:2] == plain


def _slope(loss: Loss, ys: Array, targets: Array, weights: Array) -> Array:
    """Return the gradient by differences."""
    found, step = np.zeros_like(ys), 1e-6
    for place in np.ndindex(*ys.shape):
        ends = []
        for sign in (1, -1):
            moved = ys.copy()
            moved[place] += sign * step
            ends.append(loss.forward(moved, targets, weights, context())[0])
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


NAMED = Meaning(names=("neg", "pos", "none"), counts=(6, 2, 4))


@pytest.mark.parametrize(
    ("given", "by_id"),
    [({"pos": 3.0}, (1.0, 3.0, 1.0)), ("balanced", (12 / 18, 2.0, 1.0)), ((1.0, 2.0, 3.0), None)],
)
def test_weights_by_name_and_balanced_are_those_of_ids(given: Any, by_id: Any) -> None:
    loss = SoftmaxCrossEntropy(class_weights=given).fitted(NAMED)
    assert loss.id_weights == by_id and loss.class_weights == given
    assert loss.fitted(NAMED) == loss
    listed = SoftmaxCrossEntropy(class_weights=by_id or given)
    found = [each.forward(YS, LABELS, ONES, context())[:2] for each in (loss, listed)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("given", "meaning", "message"),
    [
        ({"pso": 3.0}, NAMED, "there is no label 'pso' (there are 'neg', 'pos', 'none')"),
        (
            "balanced",
            Meaning(),
            "the data names no labels (give a list of weights, one for each id)",
        ),
        (
            "balanced",
            NAMED._replace(counts=(6, 0, 4)),
            "no target of training is 'pos', so nothing balances the classes (give weights by "
            "name)",
        ),
        (
            "balanced",
            NAMED._replace(counts=(5_999_998, 1, 1)),
            "'pos' has 1 of 6,000,000 targets of training, for which 2,000,000 balances it, above "
            "1,000,000 (give weights by name)",
        ),
    ],
)
def test_weights_that_labels_do_not_tell(given: Any, meaning: Meaning, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        SoftmaxCrossEntropy(class_weights=given).fitted(meaning)
    assert str(caught.value) == f"[SPEC_CLASS_WEIGHTS] model.loss.class_weights: {message}"


def test_a_yes_weighs_more_in_training_alone() -> None:
    """PyTorch's BCEWithLogitsLoss(pos_weight=torch.tensor([3.0, 0.5]), reduction="sum") / 2."""
    ys, targets = np.array([[[0.5, -1.0]], [[-2.0, 4.0]]]), np.array([[[1.0, 1.0]], [[1.0, 0.0]]])
    loss, ones = BinaryCrossEntropy(pos_weight=(3.0, 0.5)), np.ones((2, 1))
    total, weight, backward = loss.forward(ys, targets, ones, context())
    by_hand = [
        3 * np.log1p(np.exp(-0.5)),
        0.5 * np.log1p(np.exp(1.0)),
        3 * np.log1p(np.exp(2.0)),
        np.log1p(np.exp(4.0)),
    ]
    assert (total, weight) == (pytest.approx(sum(by_hand) / 2), 2)
    assert backward() == pytest.approx(_slope(loss, ys, targets, ones), abs=1e-8)
    evaluation = context(train=False)
    plain = BinaryCrossEntropy().forward(ys, targets, ones, evaluation)[:2]
    assert loss.forward(ys, targets, ones, evaluation)[:2] == plain


def test_a_small_weight_of_a_yes_is_not_rounded_away() -> None:
    ys, targets = np.array([[[-3.0], [2.0]]], np.float32), np.ones((1, 2, 1), np.float32)
    case = ys, targets, np.ones((1, 2), np.float32), context(np.float32)
    total, _, backward = BinaryCrossEntropy(pos_weight=1e-6).forward(*case)
    whole, _, slope = BinaryCrossEntropy().forward(*case)
    assert total == pytest.approx(1e-6 * whole, rel=1e-5)
    np.testing.assert_allclose(backward(), 1e-6 * slope(), rtol=1e-5)


def test_check_of_pos_weight() -> None:
    loss = BinaryCrossEntropy(pos_weight=(1.0, 2.0))
    loss.check(Signal(2), Signal(2))
    BinaryCrossEntropy(pos_weight=3.0).check(Signal(4), Signal(4))
    with pytest.raises(ShapeError, match=r"has 2 numbers as pos_weight for 1 answer \(give one"):
        loss.check(Signal(1), Signal(2, ids=True))


def test_check_of_class_weights() -> None:
    loss = SoftmaxCrossEntropy(class_weights=(1.0, 2.0))
    loss.check(Signal(2), Signal(2, ids=True))
    loss.check(Signal(None), Signal(None, ids=True))
    with pytest.raises(ShapeError, match="has 2 class_weights for 3 classes .*one for each"):
        loss.check(Signal(3), Signal(3, ids=True))
    with pytest.raises(ShapeError, match="targets are no ids .*leave them out"):
        loss.check(Signal(2), Signal(2))


def test_smoothing_is_for_training_alone() -> None:
    plain, smooth = SoftmaxCrossEntropy(), SoftmaxCrossEntropy(label_smoothing=0.3)
    evaluation = context(train=False)
    expected = plain.forward(YS, LABELS, ONES, evaluation)[0]
    assert smooth.forward(YS, LABELS, ONES, evaluation)[0] == expected
    assert smooth.forward(YS, LABELS, ONES, context())[0] > expected


def test_accuracy() -> None:
    weights = np.array([[1.0, 2.0], [4.0, 8.0]])
    right = np.array([[0, 1], [-1, 0]])
    assert accuracy(SoftmaxCrossEntropy(), YS, right, weights) == 3 / 11
    assert math.isnan(accuracy(MSE(), YS, VALUES, weights))  # nothing was decided
    assert accuracy(MSE(), YS, right, weights) == 3 / 11


def test_accuracy_of_answers() -> None:
    weights = np.array([[1.0, 2.0], [4.0, 8.0]])
    wanted = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]], np.float32)
    right = 1 * 2 / 3 + 2 * 2 / 3 + 4 * 1 / 3 + 8 * 2 / 3
    assert accuracy(BinaryCrossEntropy(), YS, wanted, weights) == pytest.approx(right / 15)
    binary = np.array([[1, 0], [-1, 1]])
    assert accuracy(BinaryCrossEntropy(), YS[..., :1], binary, weights) == 1 / 11


def test_decisions() -> None:
    labels = np.array([[0, 1], [-1, 0]])
    for loss in (SoftmaxCrossEntropy(), MSE(), MAE(), Huber()):
        chosen, wanted = loss.decisions(YS, labels)
        np.testing.assert_array_equal(chosen, [[0, 1], [2, 1]])
        np.testing.assert_array_equal(wanted, labels)
    assert MSE().decisions(YS, VALUES) is None
    np.testing.assert_array_equal(SoftmaxCrossEntropy().decisions(YS, VALUES)[1], [[0, 0], [2, 2]])
    chosen, wanted = BinaryCrossEntropy().decisions(YS[..., :1], labels)
    np.testing.assert_array_equal(chosen, [[1, 1], [1, 0]])
    np.testing.assert_array_equal(wanted, labels)
    chosen, wanted = BinaryCrossEntropy().decisions(YS, VALUES)
    np.testing.assert_array_equal(chosen, YS >= 0)
    np.testing.assert_array_equal(wanted, VALUES >= 0.5)


def test_metrics() -> None:
    loss = SoftmaxCrossEntropy()
    words = {"loss": 2.0, "perplexity": pytest.approx(math.e**2)}
    assert loss.metrics(2.0, "sequence") == loss.metrics(2.0, "step") == {"loss": 2.0}
    bits = pytest.approx(2 / math.log(2))
    assert loss.metrics(2.0, "word") == words
    assert loss.metrics(2.0, "character") == {**words, "bits_per_character": bits}
    assert loss.metrics(2.0, "byte") == {**words, "bits_per_byte": bits}
    for other in (MSE(), MAE(), Huber(), BinaryCrossEntropy()):
        assert other.metrics(0.25, "row") == {"loss": 0.25}


def test_a_huge_loss_has_a_finite_perplexity() -> None:
    found = SoftmaxCrossEntropy().metrics(1e6, "word")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["perplexity"] == math.exp(709)
    assert math.isnan(SoftmaxCrossEntropy().metrics(math.nan, "word")["perplexity"])


def test_a_quantile_has_the_values_of_its_definition() -> None:
    ys, targets = np.array([[[3.0, 1.0, 2.0]]]), np.array([[[1.0, 5.0, 2.0]]])
    total, _, backward = Quantile(level=0.9).forward(ys, targets, np.ones((1, 1)), context())
    assert total == pytest.approx((0.1 * 2 + 0.9 * 4) / 3)
    np.testing.assert_allclose(backward()[0, 0], [0.1 / 3, -0.9 / 3, 0], rtol=1e-12)


def test_the_best_constant_is_the_quantile() -> None:
    targets = np.random.default_rng(1).exponential(size=(1001, 1, 1))
    answers = np.linspace(0, 5, 501)
    for level in (0.1, 0.5, 0.9):
        losses = [
            Quantile(level=level).forward(
                np.full(targets.shape, answer), targets, np.ones((1001, 1)), context()
            )[0]
            for answer in answers
        ]
        best = answers[int(np.argmin(losses))]
        assert best == pytest.approx(np.quantile(targets, level), abs=0.01)


def test_mae_and_huber_have_the_values_of_their_definition() -> None:
    errors = np.array([0.5, 1, 0.5, 0.75, 2, 2, 0, 0.5, 0.5, 0.5, 0.5, 0])
    total, weight, backward = MAE().forward(YS, VALUES, ONES, context())
    assert (total, weight) == (pytest.approx(errors.sum() / 3, rel=1e-15), 4)
    np.testing.assert_allclose(backward(), np.sign(YS - VALUES) / 3, rtol=1e-15)
    total, _, backward = Huber(delta=0.75).forward(YS, VALUES, ONES, context())
    large = np.array([1, 2, 2])
    small = np.array([0.5, 0.5, 0.75, 0.5, 0.5, 0.5, 0.5])
    expected = (small**2 / 2).sum() + (0.75 * (large - 0.375)).sum()
    assert total == pytest.approx(expected / 3, rel=1e-15)
    np.testing.assert_allclose(backward(), np.clip(YS - VALUES, -0.75, 0.75) / 3, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_answers_are_exact(dtype: Any) -> None:
    big = float(np.finfo(dtype).max)
    ys = np.array([big, -big, 1e4, 100.0, -1e4, 0.0], dtype).reshape(6, 1, 1)
    targets = np.array([[1], [0], [0], [1], [1], [1]])
    ones = np.ones((6, 1))
    total, _, backward = BinaryCrossEntropy().forward(ys, targets, ones, context(dtype))
    assert total == pytest.approx(2e4 + math.log(2), rel=1e-6)
    np.testing.assert_allclose(backward().ravel(), [0, 0, 1, 0, -1, -0.5], atol=1e-7)


def test_check_of_answers() -> None:
    loss = BinaryCrossEntropy()
    for targets, width in ((Signal(2, ids=True), 1), (Signal(None, ids=True), 1), (Signal(4), 4)):
        loss.check(Signal(width), targets)
    with pytest.raises(ShapeError, match="two labels, but .* ids below 5 .*softmax_cross_entropy"):
        loss.check(Signal(1), Signal(5, ids=True))
    with pytest.raises(ShapeError, match="labels 0 and 1, .* width 2 .*units.* to 1"):
        loss.check(Signal(2), Signal(2, ids=True))
    with pytest.raises(ShapeError, match="each answer, .* width 3 .*units.* to 4"):
        loss.check(Signal(3), Signal(4))


REGRESSIONS = [MSE(), MAE(), Huber(), Quantile(level=0.3)]


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), *REGRESSIONS], ids=lambda loss: loss.type)
def test_check_says_the_widths_and_what_to_do(loss: Loss) -> None:
    for targets in (Signal(5, ids=True), Signal(5), Signal(None, ids=True)):
        loss.check(Signal(5), targets)
    loss.check(Signal(None), Signal(5))
    with pytest.raises(ShapeError, match="5.* values of width 7 .*units.* to 5.*affine"):
        loss.check(Signal(7), Signal(5, ids=True))
    with pytest.raises(ShapeError, match="embedding or one_hot"):
        loss.check(Signal(5, ids=True), Signal(5, ids=True))


@pytest.mark.parametrize("odd", [5.0, -3.0, 1.5])
def test_an_answer_that_is_no_probability_is_refused(odd: float) -> None:
    ys, weights = np.zeros((2, 3, 1)), np.ones((2, 3))
    targets = np.zeros((2, 3, 1))
    targets[1, 2] = odd
    loss = BinaryCrossEntropy()
    with pytest.raises(DataError, match=rf"needs targets from 0 to 1, and one is {odd:g} \(give 0"):
        loss.forward(ys, targets, weights, context())
    weights[1, 2] = 0
    assert math.isclose(loss.forward(ys, targets, weights, context())[0], 5 * math.log(2))


@pytest.mark.parametrize(
    ("odd", "shown"), [([0.5, 0.6], "0.5, 0.6"), ([1.5, -0.5], "1.5, -0.5"), ([0.3], "0.3")]
)
def test_numbers_are_no_distribution(odd: list[float], shown: str) -> None:
    ys, weights = np.zeros((2, 3, len(odd))), np.ones((2, 3))
    targets = np.zeros((2, 3, len(odd)))
    targets[..., 0] = 1
    targets[1, 2] = odd
    loss = SoftmaxCrossEntropy()
    said = rf"probabilities that sum to 1, as a target, and one is \[{shown}\] \(take mse"
    with pytest.raises(DataError, match=said):
        loss.forward(ys, targets, weights, context())
    weights[1, 2] = 0
    assert math.isclose(
        loss.forward(ys, targets, weights, context())[0], 5 * math.log(len(odd)), abs_tol=1e-12
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("given", ["class_weights", "id_weights"])
def test_weights_of_classes_weigh_no_distributions(given: str, smoothing: float) -> None:
    loss = SoftmaxCrossEntropy.model_validate({"label_smoothing": smoothing, given: (1, 2, 3)})
    ys, targets, weights = np.zeros((2, 3, 3)), np.full((2, 3, 3), 1 / 3), np.ones((2, 3))
    for refused in (
        lambda: loss.check(Signal(3), Signal(3)),
        lambda: loss.forward(ys, targets, weights, context()),
    ):
        with pytest.raises(ShapeError, match='^has "class_weights", but the targets are no ids'):
            refused()


def test_an_answer_that_is_not_a_number_is_refused() -> None:
    targets = np.array([[[0.5]], [[math.nan]]])
    with pytest.raises(DataError, match="needs targets from 0 to 1, and one is nan"):
        BinaryCrossEntropy().forward(np.zeros((2, 1, 1)), targets, np.ones((2, 1)), context())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("weight", [None, 1e-6, 1e6])
def test_sure_answers_keep_their_digits(dtype: Any, tolerance: float, weight: float | None) -> None:
    """The slope of an answer that is nearly right, and the probability of one that is unlikely."""
    zs = np.array([-70, -40, -18, -1e-3, 1e-3, 18, 40, 70], dtype)
    small = np.exp(-np.abs(zs.astype(np.longdouble)))
    p = np.where(zs < 0, small, 1) / (1 + small)
    loss, ones = BinaryCrossEntropy(pos_weight=weight), np.ones((8, 1), dtype)
    for wanted, slopes in ((0, p), (1, -p[::-1] * (weight or 1))):
        targets = np.full((8, 1, 1), wanted, dtype)
        _, _, backward = loss.forward(zs.reshape(8, 1, 1), targets, ones, context(dtype))
        np.testing.assert_allclose(backward().ravel(), slopes, rtol=tolerance)
    found = loss.probabilities(zs)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, p, rtol=tolerance)
