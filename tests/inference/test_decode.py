"""Greedy decoding and beam search, against every target there is; what attention looks at."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from seq2seq_cases import MODELS, batch_of, network_of

from rnnkit.builtin.metrics.exact_match import ExactMatch
from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.core.context import Context
from rnnkit.core.params import ParamStore
from rnnkit.errors import DivergedError
from rnnkit.inference.beams import Hypothesis, _best, _log_softmax, search_beams
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.inference.decoder import Decoder
from rnnkit.network.seq2seq import Seq2Seq

END, START, TOKENS = 3, 0, 7


def stored(network: Seq2Seq, seed: int = 1) -> ParamStore:
    store = network.store(np.dtype(np.float32))
    store.flat[:] = 0.6 * np.random.default_rng(seed).standard_normal(store.flat.size)
    return store


def reading(source: EncoderInputs, targets: list[list[int]]) -> Batch:
    """The batch in which a decoder reads its start and then targets of one length."""
    rows = [[START, *target[:-1]] for target in targets]
    inputs = np.ascontiguousarray(np.array(rows, np.int32).T)
    weights = np.ones(inputs.shape, np.float32)
    return Batch(inputs, inputs, weights, np.zeros(inputs.shape, bool), None, None, source)


def attended(network: Seq2Seq, store: ParamStore, batch: Batch) -> dict[str, np.ndarray]:
    visits = network.visits(store.values, batch, {}, Context())
    found = {v.name: v.layer.looks(v.params, v.xs, v.ctx) for v in visits}
    return {name: weights for name, weights in found.items() if weights is not None}


def source_of_one(stream: int = 0) -> EncoderInputs:
    source = batch_of().encoder
    assert source is not None
    return EncoderInputs(*(a[:, [stream]] for a in source))


def beam(
    network: Seq2Seq,
    store: ParamStore,
    source: EncoderInputs,
    limits: TargetLimits,
    width: int,
    alpha: float = 1.0,
) -> list[Hypothesis]:
    (found,) = search_beams(network, store.values, source, limits, width, alpha)
    return found


def log_probability(
    network: Seq2Seq, store: ParamStore, source: EncoderInputs, ids: list[int]
) -> float:
    batch = reading(source, [ids])
    # A BLAS may raise the flag of what is invalid over finite numbers: the numbers decide.
    with np.errstate(invalid="ignore"):
        ys = network.run(store.values, batch, {}, Context())[0][:, 0].astype(np.float64)
    assert np.isfinite(ys).all()
    logs = ys - np.log(np.exp(ys).sum(axis=1, keepdims=True))
    return float(sum(logs[t, token] for t, token in enumerate(ids)))


def every_target(steps: int, end: int | None) -> list[list[int]]:
    found = []
    for length in range(1, steps + 1):
        for ids in itertools.product(range(TOKENS), repeat=length):
            ended = end in ids
            if (ended and ids.index(end) == length - 1) or (length == steps and not ended):
                found.append(list(ids))
    return found


@pytest.mark.parametrize("name", ["peeky", "additive"])
@pytest.mark.parametrize("end", [END, None])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.6])
def test_a_wide_beam_finds_the_best_of_all(name: str, end: int | None, alpha: float) -> None:
    network, steps = network_of(name), 3
    store, source = stored(network), source_of_one(2)
    everything = [
        (log_probability(network, store, source, ids) / len(ids) ** alpha, ids)
        for ids in every_target(steps, end)
    ]
    best = sorted(everything, reverse=True)[:5]
    found = beam(network, store, source, TargetLimits(START, end, steps), TOKENS**2, alpha)
    assert [h.score for h in found[:5]] == pytest.approx([score for score, _ in best], abs=1e-5)
    assert list(found[0].ids) == [token for token in best[0][1] if token != end]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "attention last"])
@pytest.mark.parametrize("end", [END, None])
def test_a_beam_of_one_is_greedy(name: str, end: int | None) -> None:
    network, limits = network_of(name), TargetLimits(START, end, 6)
    store, source = stored(network, 2), batch_of().encoder
    assert source is not None
    together = decode_greedily(network, store.values, source, limits)
    for stream, target in enumerate(together):
        one = source_of_one(stream)
        assert decode_greedily(network, store.values, one, limits) == [target]
        (best,) = beam(network, store, one, limits, 1)
        ids = list(best.ids)
        assert ids == target
        whole = ids if len(ids) == limits.steps else [*ids, END]
        expected = log_probability(network, store, one, whole)
        assert best.log_probability == pytest.approx(expected, abs=1e-5)
        assert best.score == pytest.approx(expected / len(whole), abs=1e-5)


def searched(
    network: Seq2Seq, store: ParamStore, limits: TargetLimits, width: int, alpha: float
) -> list[tuple[tuple[int, ...], float]]:
    """Beam search as the paper says it, every prefix read from its start and no early stop."""
    one = source_of_one(1)
    live: list[tuple[int, ...]] = [()]
    done: list[tuple[tuple[int, ...], float]] = []
    for length in range(1, limits.steps + 1):
        grown = [(*ids, token) for ids in live for token in range(TOKENS)]
        logs = {ids: log_probability(network, store, one, list(ids)) for ids in grown}
        ranked = sorted(grown, key=lambda ids: -logs[ids])
        ends = [ids for ids in ranked if ids[-1] == limits.end or length == limits.steps]
        going = [ids for ids in ranked if ids not in ends][:width]
        among = ranked[: 2 * width]
        done += [(ids, logs[ids] / length**alpha) for ids in ends if ids in among]
        live = going
    return sorted(done, key=lambda found: -found[1])[:width]


@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_beam_is_the_search_of_the_paper(width: int, alpha: float) -> None:
    network, limits = network_of("plain"), TargetLimits(START, END, 4)
    for seed in (1, 2, 3, 7, 10, 26):
        store = stored(network, seed)
        found = beam(network, store, source_of_one(1), limits, width, alpha)
        expected = searched(network, store, limits, width, alpha)
        assert [h.ids for h in found] == [
            ids[:-1] if ids[-1] == END else ids for ids, _ in expected
        ]
        assert [h.score for h in found] == pytest.approx([s for _, s in expected], abs=1e-5)


def ending(name: str) -> tuple[Seq2Seq, ParamStore, EncoderInputs]:
    """A network whose targets end after different numbers of steps, and five sources."""
    network, source = network_of(name), batch_of(sources=(4, 2, 6, 1, 5), targets=(1,) * 5).encoder
    store = stored(network, 4)
    store.flat[:] *= 2
    store.values[network.names[-1]]["b"][END] += 3
    assert source is not None
    return network, store, source


@pytest.mark.parametrize("name", [name for name in MODELS if name != "attention last"])
@pytest.mark.parametrize("width", [1, 3])
def test_sources_side_by_side_are_searched_as_each_alone(name: str, width: int) -> None:
    """Where one ends, the rows of all after it move."""
    limits, (network, store, source) = TargetLimits(START, END, 7), ending(name)
    together = search_beams(network, store.values, source, limits, width)
    alone = [
        beam(network, store, EncoderInputs(*(a[:, [i]] for a in source)), limits, width)
        for i in range(5)
    ]
    assert [[h.ids for h in found] for found in together] == [
        [h.ids for h in found] for found in alone
    ]
    for found, expected in zip(together, alone, strict=True):
        wanted = [number for h in expected for number in (h.log_probability, h.score)]
        numbers = [number for h in found for number in (h.log_probability, h.score)]
        assert numbers == pytest.approx(wanted, abs=1e-5)
    targets = decode_greedily(network, store.values, source, limits)
    for stream, target in enumerate(targets):
        one = EncoderInputs(*(a[:, [stream]] for a in source))
        assert decode_greedily(network, store.values, one, limits) == [target]


@pytest.mark.parametrize("name", ["dot", "additive", "peeky"])
def test_as_many_rows_of_other_sources_read_those(name: str) -> None:
    """One beam of a source ends where another source has one more."""
    network, source = network_of(name), batch_of().encoder
    store, streams, tokens = stored(network), np.array([0, 1, 1]), np.array([1, 2, 4], np.int32)
    assert source is not None
    decoder = Decoder(network, store.values, source, 3)
    decoder.scores(np.full(3, START, np.int32))
    decoder.keep(streams)
    found = decoder.scores(tokens)
    for stream, token, scores in zip(streams, tokens, found, strict=True):
        alone = Decoder(network, store.values, source_of_one(stream), 1)
        alone.scores(np.full(1, START, np.int32))
        np.testing.assert_allclose(scores, alone.scores(token[None])[0], rtol=0, atol=1e-5)


def test_what_has_ended_is_run_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, (network, store, source) = TargetLimits(START, END, 30), ending("deep")
    rows: list[int] = []

    def scores(decoder: Decoder, ids: np.ndarray) -> np.ndarray:
        rows.append(len(ids))
        return honest(decoder, ids)

    honest = Decoder.scores
    monkeypatch.setattr(Decoder, "scores", scores)
    found = search_beams(network, store.values, source, limits, 2)
    assert rows[:2] == [5, 10] and rows[-1] < 10
    assert len(rows) >= max(len(best[0].ids) for best in found)
    rows.clear()
    targets = decode_greedily(network, store.values, source, limits)
    assert rows == [sum(len(target) >= step for target in targets) for step in range(len(rows))]
    assert rows[-1] < 5


@pytest.mark.parametrize("seed", range(5))
def test_the_best_are_those_of_a_whole_sort(seed: int) -> None:
    random = np.random.default_rng(seed)
    logs = random.integers(-4, 0, (3, 7)).astype(float)
    logs[random.random(logs.shape) < 0.3] = -np.inf
    order = [(row, token) for row in range(3) for token in range(7) if logs[row, token] > -np.inf]
    order.sort(key=lambda place: -logs[place])
    for count in (1, 4, 30):
        assert _best(logs, count) == order[:count]
    assert _best(np.full((2, 3), -np.inf), 2) == []


def test_scores_that_are_all_higher_are_the_same_distribution() -> None:
    """Beyond e^709 a softmax whose scores are not shifted has no number left."""
    network, limits = network_of("plain"), TargetLimits(START, END, 4)
    store = stored(network)
    plain = beam(network, store, source_of_one(1), limits, 3)
    store.values["decoder.2.affine"]["b"] += 1024
    higher = beam(network, store, source_of_one(1), limits, 3)
    assert [h.ids for h in higher] == [h.ids for h in plain]
    wanted = [h.log_probability for h in plain]
    assert [h.log_probability for h in higher] == pytest.approx(wanted, abs=1e-3)


def test_scores_that_lie_far_apart_have_a_distribution() -> None:
    assert _log_softmax(np.array([[0.0, 1024.0]])).tolist() == [[-1024, 0]]


def test_greedy_decoding_is_the_exact_match_of_true_targets() -> None:
    network = network_of("dot")
    store, source = stored(network, 5), batch_of().encoder
    assert source is not None
    targets = decode_greedily(network, store.values, source, TargetLimits(START, None, 4))
    targets[1][2] = (targets[1][2] + 1) % TOKENS
    batch = reading(source, targets)
    wanted = np.array(targets, np.int32).T
    ys = network.run(store.values, batch, {}, Context())[0]
    metric = ExactMatch(network.loss)
    resets = np.zeros(wanted.shape, bool)
    resets[0] = True
    metric.add(ys, wanted, np.ones(wanted.shape), resets)
    assert metric.report() == {"exact_match": pytest.approx(2 / 3)}


@pytest.mark.parametrize("name", ["dot", "additive", "both ways"])
def test_attention_looks_at_steps_with_data_alone(name: str) -> None:
    network = network_of(name)
    store, source = stored(network), batch_of(sources=(4, 2, 6)).encoder
    assert source is not None
    batch = reading(source, [[1, 2], [4, 5], [6, 1]])
    ((layer, weights),) = attended(network, store, batch).items()
    assert layer == "decoder.2.attention" and weights.shape == (3, 2, 6)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-6)
    assert (weights[0, :, :2] == 0).all() and (weights[0, :, 2:] > 0).all()
    assert (weights[1, :, :4] == 0).all() and (weights[2] > 0).all()


def test_dot_attention_is_the_softmax_of_products() -> None:
    network = network_of("dot")
    store, source = stored(network), source_of_one(0)
    batch = reading(source, [[1, 2, 3]])
    seen = {}
    for visit in network.visits(store.values, batch, {}, Context()):
        seen[visit.name] = visit.done()[0][:, 0].astype(np.float64)
    memory, asked = seen["encoder.1.lstm"][2:], seen["decoder.1.lstm"]
    scores = asked @ memory.T
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        attended(network, store, batch)["decoder.2.attention"][0, :, 2:], weights, rtol=1e-4
    )
    expected = np.concatenate([weights @ memory, asked], axis=1)
    np.testing.assert_allclose(seen["decoder.2.attention"], expected, rtol=1e-4, atol=1e-5)


def test_no_targets_are_empty() -> None:
    network = network_of("plain")
    store = stored(network)
    assert decode_greedily(network, store.values, source_of_one(), TargetLimits(START, END, 0)) == [
        []
    ]


@pytest.mark.parametrize("beams", [0, 2])
def test_what_overflows_writes_nothing(beams: int) -> None:
    network = network_of("plain")
    store = stored(network)
    store.flat[:] = 3e38
    source, limits = source_of_one(), TargetLimits(START, END, 5)
    with pytest.raises(DivergedError, match=r"step 1: the output of layer decoder.* is not finite"):
        if beams:
            beam(network, store, source, limits, beams)
        else:
            decode_greedily(network, store.values, source, limits)
