"""What outputs say of tokens: a loss gives a distribution, or decides, or neither."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import pytest
from layer_examples import build
from seq2seq_cases import batch_of, network_of

from rnnkit import Loss
from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.cli.score import _as_json
from rnnkit.contracts.token_scores import TokenScores
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.inference.beams import search_beams
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.inference.generate import Sampling, compiled, generate
from rnnkit.inference.score import log_probabilities
from rnnkit.inference.stream_state import StreamState
from rnnkit.network.network import Network
from rnnkit.types import Array

TOKENS, MORE = 5, 3
YS = np.random.default_rng(3).normal(0, 2, (4, TOKENS + MORE)).astype(np.float32)


class Copying(Loss):
    """A loss over MORE logits ahead of V others, whose first is a second way to the first token."""

    type: Literal["copying"] = "copying"

    def check(self, outputs: Signal, targets: Signal) -> None:
        pass

    def probabilities(self, ys: Array) -> Array:
        whole: Array = SoftmaxCrossEntropy().probabilities(ys[..., MORE - 1 :])
        found = whole[..., 1:].copy()
        found[..., 0] += whole[..., 0]
        return found


class Sharpened(SoftmaxCrossEntropy):
    """A softmax of twice the logits."""

    def probabilities(self, ys: Array) -> Array:
        return super().probabilities(2 * ys)


class Independent(Loss):
    """Answers that are each yes or no."""

    type: Literal["independent"] = "independent"

    def probabilities(self, ys: Array) -> Array:
        return BinaryCrossEntropy().probabilities(ys)


def softmax(scores: Array) -> Array:
    return SoftmaxCrossEntropy().probabilities(scores.astype(np.float64))


def test_the_scores_of_a_softmax_are_its_logits() -> None:
    scores = TokenScores(SoftmaxCrossEntropy(), 8, 8)
    assert scores.are_outputs and not scores.no_distribution and not scores.no_choice
    assert scores.of(YS) is YS


@pytest.mark.parametrize("loss", [Copying(), Sharpened()], ids=lambda loss: loss.type)
def test_a_loss_that_gives_probabilities_is_taken_at_its_word(loss: Loss) -> None:
    ys = YS if isinstance(loss, Copying) else YS[:, :TOKENS]
    scores = TokenScores(loss, ys.shape[1], TOKENS)
    assert not scores.are_outputs and not scores.no_distribution
    found = scores.of(ys)
    assert found.dtype == np.float32 and found.shape == (4, TOKENS)
    np.testing.assert_allclose(softmax(found), loss.probabilities(ys.astype(float)), rtol=1e-5)
    assert scores.choice(ys).tolist() == softmax(found).argmax(axis=1).tolist()


def test_one_logit_is_a_distribution_over_two_tokens() -> None:
    scores = TokenScores(BinaryCrossEntropy(), 1, 2)
    ys = np.array([[-3.0], [0.5]], np.float32)
    p = 1 / (1 + np.exp(-ys.astype(float)))
    np.testing.assert_allclose(softmax(scores.of(ys)), np.hstack([1 - p, p]), rtol=1e-6)
    assert scores.choice(ys).tolist() == [0, 1]


def test_what_is_impossible_is_never_likely() -> None:
    scores = TokenScores(BinaryCrossEntropy(), 1, 2)
    assert scores.of(np.array([[80.0]], np.float32))[0, 0] == -np.inf


def test_a_loss_that_only_decides() -> None:
    scores = TokenScores(MSE(), TOKENS, TOKENS)
    assert scores.no_distribution == "the loss mse gives no probabilities of tokens"
    assert not scores.no_choice
    ys = YS[:, :TOKENS]
    np.testing.assert_array_equal(scores.choice(ys), ys.argmax(axis=1))


@pytest.mark.parametrize(
    ("loss", "outputs", "reason"),
    [
        (Independent(), TOKENS, "the probabilities of the loss independent do not add up to 1"),
        (Independent(), 2, "the loss independent gives 2 probabilities for 5 tokens"),
        (
            SoftmaxCrossEntropy(),
            8,
            "the loss softmax_cross_entropy gives 8 probabilities for 5 tokens",
        ),
    ],
    ids=["independent", "narrow", "wide"],
)
def test_what_is_no_distribution(loss: Loss, outputs: int, reason: str) -> None:
    assert TokenScores(loss, outputs, TOKENS).no_distribution == reason


def test_a_loss_that_decides_nothing() -> None:
    scores = TokenScores(Independent(), TOKENS, TOKENS)
    assert scores.no_choice == "the loss independent decides for no token"


def made(loss: Loss, units: int) -> tuple[Network, dict[str, dict[str, Array]]]:
    blocks: list[dict[str, Any]] = [
        {"type": "one_hot"},
        {"type": "lstm", "units": 6},
        {"type": "affine", "units": units},
    ]
    ids = Signal(TOKENS, ids=True)
    network = Network.sized([build(block) for block in blocks], loss, ids, ids)
    store = network.store(np.dtype(np.float32))
    store.flat[...] = np.random.default_rng(8).normal(0, 1, store.flat.size)
    return network, store.values


def test_samples_and_scores_follow_the_probabilities() -> None:
    network, params = made(Copying(), TOKENS + MORE)
    states = network.initial_states(1, np.dtype(np.float32))
    assert compiled(network, params, states) is None
    prompt, count = np.array([1, 3]), 4000
    first = next(iter(generate(network, params, prompt, count, Sampling())))
    ys = network.scan(params, prompt[:, None], states, None, Context())[0]
    expected = network.loss.probabilities(ys[-1].astype(float))
    assert expected is not None
    np.testing.assert_allclose(np.bincount(first, minlength=TOKENS) / count, expected[0], atol=0.03)
    logs, _ = log_probabilities(
        network, params, np.array([3, 0]), StreamState.zero(network, last=1)
    )
    both = network.loss.probabilities(ys[:, 0].astype(float))
    assert both is not None
    np.testing.assert_allclose(logs, np.log([both[0, 3], both[1, 0]]), rtol=1e-5)


def test_an_overridden_softmax_is_not_compiled_away() -> None:
    ids = {}
    for loss in (SoftmaxCrossEntropy(), Sharpened()):
        network, params = made(loss, TOKENS)
        steps = generate(network, params, np.array([1]), 1, Sampling())
        ids[type(loss)] = [int(found[0]) for found in islice(steps, 200)]
    half = generate(
        *made(SoftmaxCrossEntropy(), TOKENS), np.array([1]), 1, Sampling(temperature=0.5)
    )
    assert ids[Sharpened] == [int(found[0]) for found in islice(half, 200)]
    assert ids[Sharpened] != ids[SoftmaxCrossEntropy]


def test_a_decoder_follows_the_probabilities_too() -> None:
    plain = network_of("plain")
    source = batch_of().encoder
    assert source is not None
    store = plain.store(np.dtype(np.float32))
    store.flat[:] = 0.6 * np.random.default_rng(1).standard_normal(store.flat.size)
    one = type(source)(*(a[:, [0]] for a in source))
    limits = TargetLimits(0, 3, 6)
    sharp = replace(plain, loss=Sharpened())
    assert decode_greedily(sharp, store.values, source, limits) == decode_greedily(
        plain, store.values, source, limits
    )
    twice, once = (
        search_beams(n, store.values, one, limits, 7, alpha=0.0)[0][0] for n in (sharp, plain)
    )
    assert twice.log_probability != pytest.approx(once.log_probability, rel=1e-3)


def test_json_has_no_infinity_for_a_token_that_cannot_be() -> None:
    record = {"text": "ab", "log_probability": -np.inf, "per_token": [("a", -0.5), ("b", -np.inf)]}
    assert _as_json(record) == {
        "text": "ab",
        "log_probability": None,
        "per_token": [("a", -0.5), ("b", None)],
    }
