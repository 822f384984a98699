"""What a network reads in training: the data, its best guesses, or draws from its own softmax."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import done, lines, pair_spec, plain_spec, results, small_spec, trained
from seq2seq_cases import batch_of, context, network_of, stored
from training_cases import fresh, opened
from window_cases import DROPOUT, STACKS, STREAMS, Case

from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool, keyed_generator
from rnnkit.inference.evaluate import evaluate
from rnnkit.network.network import Network
from rnnkit.spec.regime import Feed, Ramp
from rnnkit.training.scheduled_sampling import fed

GREEDY, SAMPLE = Feed(type="greedy"), Feed(type="sample")


def read(feed: Feed, case: Case, step: int = 3, given: int = 0, **keys: int) -> Batch:
    """Return the window as it is read."""
    ctx = Context(train=True, dtype=case.dtype, step=step, pool=Pool(fill=math.nan), **keys)
    return fed(feed, case.network, case.store.values, case.batch, case.states, ctx, given)


def logits(case: Case, inputs: Any) -> Any:
    """Return the outputs without dropout, of a window that reads these inputs."""
    ctx = Context(dtype=case.dtype)
    batch = case.batch._replace(inputs=inputs)
    return case.network.run(case.store.values, batch, case.states, ctx)[0]


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_every_guess_is_the_best_at_the_step_before(stack: list[Any]) -> None:
    case = Case(stack, np.float64)
    data, window = case.batch, read(GREEDY, case)
    best = logits(case, window.inputs).argmax(axis=2)
    own = data.resets.copy()
    own[0] = True
    assert np.array_equal(window.inputs[own], data.inputs[own])
    assert np.array_equal(window.inputs[1:][~own[1:]], best[:-1][~own[1:]])
    assert (window.inputs != data.inputs).any() and window.inputs.dtype == data.inputs.dtype
    assert all(a is b for a, b in zip(window[1:], data[1:], strict=True))


def test_a_draw_is_one_of_the_softmax() -> None:
    """The ids follow from the numbers of the window: the first whose cumulated p passes them."""
    case = Case(STACKS["gru"], np.float64)
    window = read(SAMPLE, case, step=5, seed=4)
    numbers = keyed_generator(4, "feedback", step=5).random((2, *case.batch.resets.shape))[1]
    ys = logits(case, window.inputs)
    p = np.exp(ys) / np.exp(ys).sum(axis=2, keepdims=True)
    drawn = (np.cumsum(p, axis=2)[:-1] > numbers[1:, :, None]).argmax(axis=2)
    free = ~case.batch.resets[1:]
    assert np.array_equal(window.inputs[1:][free], drawn[free])


def test_draws_have_the_frequencies_of_the_softmax() -> None:
    case = Case(STACKS["rnn"], np.float64, steps=13)
    case.batch.resets[:] = False
    p = np.exp(logits(case, case.batch.inputs)[0, 0])
    found = np.zeros(len(p))
    for step in range(1, 801):
        found[read(SAMPLE, case, step).inputs[1, 0]] += 1
    np.testing.assert_allclose(found / 800, p / p.sum(), atol=0.06)


@pytest.mark.parametrize("feed", [GREEDY, SAMPLE], ids=lambda feed: feed.type)
def test_the_probability_is_the_share_of_guesses(feed: Feed) -> None:
    case = Case(STACKS["rnn"], np.float64)
    case.batch.resets[:] = False
    some = feed.model_copy(update={"probability": 0.25})
    coins = np.array(
        [keyed_generator(0, "feedback", step=s).random((2, 23, STREAMS))[0] for s in range(1, 60)]
    )
    for step in (1, 2, 3):
        window = read(some, case, step)
        kept = coins[step - 1] >= 0.25
        kept[0] = True
        assert np.array_equal(window.inputs[kept], case.batch.inputs[kept])
        best = logits(case, window.inputs).argmax(axis=2)
        if feed.type == "greedy":
            assert np.array_equal(window.inputs[1:][~kept[1:]], best[:-1][~kept[1:]])
    assert math.isclose((coins < 0.25).mean(), 0.25, abs_tol=0.02)


def test_without_a_guess_the_window_is_the_data() -> None:
    case = Case(STACKS["rnn"], np.float64)
    assert read(Feed(), case) is case.batch
    assert read(Feed(type="sample", probability=0.0), case) is case.batch
    ramp = Ramp(type="linear", steps=10)
    assert read(Feed(type="sample", schedule=ramp), case, step=1) is case.batch


def test_what_stands_before_the_window_is_read_as_it_is() -> None:
    case = Case(STACKS["rnn"], np.float64)
    window = read(GREEDY, case, given=6)
    assert np.array_equal(window.inputs[:7], case.batch.inputs[:7])
    assert (window.inputs[7:] != case.batch.inputs[7:]).any()


def test_draws_follow_from_seed_step_and_shard() -> None:
    case = Case(STACKS["rnn"], np.float64)
    again = read(SAMPLE, case).inputs
    assert np.array_equal(again, read(SAMPLE, case).inputs)
    assert (again != read(SAMPLE, case, step=4).inputs).any()
    assert (again != read(SAMPLE, case, seed=1).inputs).any()
    assert (again != read(SAMPLE, case, shard=1).inputs).any()


def test_a_guess_is_made_without_dropout() -> None:
    case = Case(DROPOUT, np.float64)
    window = read(GREEDY, case)
    best = logits(case, window.inputs).argmax(axis=2)
    free = ~case.batch.resets[1:]
    assert np.array_equal(window.inputs[1:][free], best[:-1][free])


@pytest.mark.parametrize("feed", [GREEDY, SAMPLE], ids=lambda feed: feed.type)
def test_the_gradient_is_that_of_the_window_with_its_ids_frozen(feed: Feed) -> None:
    case = Case(STACKS["lstm"], np.float64)
    case.batch = read(feed, case)
    gradient = case.learned(Network.learn)["gradient"] - 1
    start, along = case.store.flat.copy(), case.random.normal(size=case.store.flat.size)
    totals = []
    for step in (1e-6, -1e-6):
        case.store.flat[:] = start + step * along
        totals.append(float(case.learned(Network.learn)["total"]))
    assert math.isclose((totals[0] - totals[1]) / 2e-6, float(gradient @ along), rel_tol=1e-6)


@pytest.mark.parametrize("name", ["plain", "output", "peeky", "deep", "dot", "additive"])
def test_a_decoder_reads_its_guesses(name: str) -> None:
    network, batch = network_of(name), batch_of()
    params = stored(network).values
    window = fed(GREEDY, network, params, batch, {}, context())
    ys, _ = network.run(params, window, {}, context())
    assert np.array_equal(window.inputs[1:], ys.argmax(axis=2)[:-1])
    assert np.array_equal(window.inputs[0], batch.inputs[0])
    assert (window.inputs != batch.inputs).any() and window.encoder is batch.encoder


@pytest.mark.parametrize(
    ("ramp", "parts"),
    [
        (("linear", 10), {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        (("exponential", 10), {0: 0.0, 10: 1 - math.exp(-1), 10**6: 1.0}),
        (("inverse_sigmoid", 10), {0: 1 / 11, 10: 1 - 10 / (10 + math.e), 10**9: 1.0}),
    ],
)
def test_a_schedule_raises_the_probability(ramp: tuple[str, int], parts: dict[int, float]) -> None:
    feed = Feed(type="sample", probability=0.5, schedule=Ramp(type=ramp[0], steps=ramp[1]))
    for step, part in parts.items():
        assert math.isclose(feed.chance(step), 0.5 * part, rel_tol=1e-9)
    assert Feed(type="sample", probability=0.5).chance(0) == 0.5
    assert Feed().chance(10**6) == 0


# Runs.

KINDS = {
    "greedy": {"type": "greedy"},
    "sample": {"type": "sample", "probability": 0.5},
    "scheduled": {"type": "sample", "schedule": {"type": "linear", "steps": 12}},
}


@pytest.mark.parametrize("feed", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("bptt", [{"style": "window"}, {"style": "true", "steps": 3}])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, feed: Any, bptt: Any) -> None:
    whole = trained(tmp_path / "whole", small_spec(feed=feed, bptt=bptt))
    assert results(whole) != results(trained(tmp_path / "data", small_spec(bptt=bptt)))
    for step in (1, 8, 13):
        run = trained(tmp_path / str(step), small_spec(feed=feed, bptt=bptt), "--max-steps", step)
        done("resume", run)
        assert results(run) == results(whole)


def test_a_decoder_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    spec = pair_spec(feed={"type": "sample", "probability": 0.5}, epochs=2, streams=10)
    spec["data"]["count"] = 60
    whole = trained(tmp_path / "whole", spec)
    run = trained(tmp_path / "part", spec, "--max-steps", 4)
    done("resume", run)
    assert results(run) == results(whole)


def test_the_step_is_that_of_the_fed_window(tmp_path: Path) -> None:
    spec, source = opened(tmp_path, plain_spec(feed={"type": "greedy"}))
    batch = next(source.batches("train", spec.train.layout(), None))
    one, other = fresh(spec, source), fresh(spec, source)
    window = one.learner.window(one.part(batch))
    assert (window.inputs != batch.inputs).any()
    other.spec = spec.model_copy(update={"train": spec.train.model_copy(update={"feed": Feed()})})
    assert one.step(batch) == other.step(window)
    assert np.array_equal(one.store.flat, other.store.flat)


def test_blocks_of_a_long_window_read_the_same(tmp_path: Path) -> None:
    spec = plain_spec(window=9, feed={"type": "greedy"})
    resolved, source = opened(tmp_path, spec)
    batch = next(source.batches("train", resolved.train.layout(), None))
    found = []
    for recompute in (False, True):
        train = resolved.train.model_copy(update={"recompute": recompute})
        training = fresh(resolved.model_copy(update={"train": train}), source)
        found.append(training.step(batch))
    assert math.isclose(found[0].total, found[1].total, rel_tol=1e-12)


def test_an_evaluation_reads_the_data(tmp_path: Path) -> None:
    run = trained(tmp_path, plain_spec(feed={"type": "greedy"}))
    spec, source = opened(tmp_path / "plain", plain_spec())
    from rnnkit import load

    model = load(run / "checkpoints" / sorted(p.name for p in (run / "checkpoints").iterdir())[-1])
    layout = spec.evaluation_layout(source, "valid")
    found = evaluate(model.network, model.store.values, source, "valid", layout)
    assert math.isclose(found.metrics["loss"], lines(run)[-1]["valid_loss"], rel_tol=1e-6)


def test_a_resume_may_change_it(tmp_path: Path) -> None:
    run = trained(tmp_path, small_spec(), "--max-steps", 3)
    told = done("resume", run, "-s", 'train.feed={"type":"sample","probability":0.1}').err
    assert '"teacher" -> "sample": later windows read other inputs; from here on' in told
