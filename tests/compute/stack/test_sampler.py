"""The compiled sampler gives the ids of the general path, and takes only what it knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import done, plain_spec, process, text, trained, write_stub
from layer_examples import build

import rnnkit.inference.generate as generation
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import AFFINE, INT8, KIND
from rnnkit.compute.quantize import quantized
from rnnkit.compute.stack import parameters
from rnnkit.compute.stack.sampler import tokens
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import DivergedError
from rnnkit.inference.generate import Sampling, choose_ids, choose_in_numpy, compiled, generate
from rnnkit.inference.model import load
from rnnkit.inference.sample_stream import grow
from rnnkit.network.network import Network
from rnnkit.types import Array, Params

needs_kernels = pytest.mark.skipif(not kernels_available(), reason="kernels are off")
IDS = Signal(11, ids=True)
PROMPT = np.array([3, 1, 4])
STACKS: dict[str, tuple[dict[str, Any], ...]] = {
    "lstm": (
        {"type": "embedding", "units": 5},
        {"type": "lstm", "units": 19},
        {"type": "dropout", "rate": 0.5},
        {"type": "lstm", "units": 6},
        {"type": "affine"},
    ),
    "gru": (
        {"type": "one_hot"},
        {"type": "dropout", "rate": 0.5, "locked": True},
        {"type": "gru", "units": 18},
        {"type": "affine", "bias": False},
    ),
    "rnn": (
        {"type": "one_hot"},
        {"type": "rnn", "units": 33},
        {"type": "rnn", "units": 4, "activation": "relu"},
        {"type": "affine", "units": 7},
        {"type": "affine"},
    ),
    "tied": (
        {"type": "embedding", "units": 9, "name": "table"},
        {"type": "gru", "units": 8},
        {"type": "lstm", "units": 9},
        {"type": "affine", "tie": "table"},
    ),
    "before": (
        {"type": "embedding", "units": 7},
        {"type": "gru_reset_before", "units": 21},
        {"type": "affine"},
    ),
    "norm": (
        {"type": "embedding", "units": 6},
        {"type": "layer_norm"},
        {"type": "gru", "units": 12},
        {"type": "residual", "layer": {"type": "gru", "units": 12}},
        {"type": "residual", "layer": {"type": "residual", "layer": {"type": "layer_norm"}}},
        {"type": "affine"},
    ),
    "bigram": ({"type": "one_hot"}, {"type": "affine"}),
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.4, "seed": 5},
    {"greedy": True},
    {"top_k": 3},
    {"top_p": 0.7, "seed": 2},
    {"top_k": 6, "top_p": 0.8, "temperature": 2.0},
)


def made(
    blocks: Sequence[dict[str, Any]], scale: float = 0.5
) -> tuple[Network, dict[str, dict[str, Array]]]:
    """Return a network with parameters large enough that no two ids are alike."""
    network = Network.sized([build(block) for block in blocks], SoftmaxCrossEntropy(), IDS, IDS)
    store = network.store(np.dtype(np.float32))
    store.flat[...] = np.random.default_rng(8).normal(0, scale, store.flat.size)
    return network, store.values


def start(network: Network) -> dict[str, tuple[Array, ...]]:
    return network.initial_states(1, np.dtype(np.float32))


def ids(
    network: Network,
    params: dict[str, dict[str, Array]],
    options: dict[str, Any],
    count: int = 1,
    prompt: Array = PROMPT,
    int8: bool = False,
) -> list[list[int]]:
    """Return 70 ids, more than two blocks, of each sample."""
    sampling = Sampling.model_validate(options)
    stream = generate(network, params, prompt, count, sampling, int8=int8)
    return np.stack(list(islice(stream, 70)), axis=1).tolist()


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> tuple[Network, dict[str, dict[str, Array]]]:
    return made(STACKS[request.param])


@needs_kernels
@pytest.mark.parametrize("folded", [0, 2**20])
def test_the_ids_of_the_general_path(
    stack: tuple[Network, dict[str, dict[str, Array]]],
    folded: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parameters, "FOLDED", folded)
    assert compiled(*stack, start(stack[0]))
    fast = [ids(*stack, options) for options in OPTIONS]
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    assert fast == [ids(*stack, options) for options in OPTIONS]
    assert fast[0] != fast[1] != fast[2]


@needs_kernels
@pytest.mark.parametrize("folded", [0, 2**20])
@pytest.mark.parametrize("name", STACKS)
def test_8_bits_give_the_ids_of_the_numbers_that_they_mean(
    name: str, folded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "FOLDED", folded)
    network, params = made(STACKS[name], 0.3)  # larger ones let a difference of rounding grow
    for own in params.values():
        for array in own.values():
            if array.ndim == 2:
                array[...] = quantized(array).floats()
    plan = compiled(network, params, start(network), int8=True)
    assert plan
    products = plan.bound.program[:, KIND] == AFFINE
    assert plan.bound.program[products, INT8].all()
    assert plan.bound.program[:, INT8].any() == (name != "bigram")
    held = [ids(network, params, options, int8=True) for options in OPTIONS]
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    assert held == [ids(network, params, options) for options in OPTIONS]


@needs_kernels
def test_the_state_of_the_general_path(
    stack: tuple[Network, dict[str, dict[str, Array]]],
) -> None:
    network, params = stack
    _, states, _ = network.scan(params, PROMPT[:, None], start(network), None, Context())
    before = {name: [a.copy() for a in state] for name, state in states.items()}
    plan = compiled(network, params, states)
    assert plan
    drawn = np.random.default_rng(1).random((40, 1))
    found = tokens([plan], np.array([2]), drawn, (1.0, 11, 1.0))[:, 0]
    read = np.array([2, *found[:-1]])[:, None]
    _, after, _ = network.scan(params, read, states, None, Context())
    wanted = [array for state in after.values() for array in state]
    assert [a.shape for a in plan.state] == [a.shape for a in wanted]
    for mine, array in zip(plan.state, wanted, strict=True):
        assert mine == pytest.approx(array, abs=1e-5)
    for name, state in states.items():  # it goes on from a copy
        assert all(map(np.array_equal, state, before[name]))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_each_of_many_draws_its_own_numbers(
    stack: tuple[Network, dict[str, dict[str, Array]]], count: int
) -> None:
    many, only = ids(*stack, {}, count), ids(*stack, {})[0]
    # Without kernels the BLAS rounds the product of one row otherwise than that of many; after some
    # tokens of weights as large as these the rounding decides an id.
    length = len(only) if kernels_available() else 40
    assert many[0][:length] == only[:length]
    assert len({tuple(sample) for sample in many}) == count


@needs_kernels
def test_a_prompt_of_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    network, params = made(STACKS["lstm"], scale=1.5)
    prompt = np.random.default_rng(3).integers(0, 11, 600)
    fast = ids(network, params, {}, prompt=prompt)
    monkeypatch.setattr(generation, "LOGITS", 50)
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    assert fast == ids(network, params, {}, prompt=prompt)
    assert fast != ids(network, params, {})


@needs_kernels
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_nan_is_no_crash_and_the_same_error_everywhere(
    stack: tuple[Network, dict[str, dict[str, Array]]],
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for views in stack[1].values():
        for view in views.values():
            view[...] = np.nan
    said = "step 1: the output of layer .*affine is not finite"
    with pytest.raises(DivergedError, match=said):
        ids(*stack, options)
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    with pytest.raises(DivergedError, match=said):
        ids(*stack, options)


@needs_kernels
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_choices_are_those_of_numpy(options: dict[str, Any]) -> None:
    sampling, random = Sampling.model_validate(options), np.random.default_rng(6)
    for size in (1, 2, 5, 300):
        logits = random.normal(0, 3, (500, size)).astype(np.float32)
        logits[100:] = logits[100:].round()  # many are equal
        drawn = random.random(500)
        drawn[::50] = 0
        assert np.array_equal(
            choose_ids(logits, sampling, drawn), choose_in_numpy(logits, sampling, drawn)
        )


@needs_kernels
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_logit_that_is_nan(options: dict[str, Any], place: int) -> None:
    logits = np.array([[1.0, 2.0, 5.0, 0.0, 1.0]], np.float32)
    logits[0, place] = np.nan
    sampling, drawn = Sampling.model_validate(options), np.array([0.9])
    found = choose_ids(logits, sampling, drawn)
    assert found == choose_in_numpy(logits, sampling, drawn) == [place if sampling.greedy else 0]


@pytest.mark.parametrize(
    "layers",
    [
        ({"type": "one_hot"},),
        ({"type": "embedding", "units": 11},),
        ({"type": "one_hot"}, {"type": "layer_norm"}),
        (
            {"type": "embedding", "units": 11},
            {"type": "residual", "layer": {"type": "affine", "units": 11}},
        ),
    ],
    ids=lambda layers: layers[-1]["type"],
)
def test_stacks_without_a_state(layers: Sequence[dict[str, Any]]) -> None:
    network, params = made(layers)
    assert (compiled(network, params, start(network)) is not None) == kernels_available()
    assert len(ids(network, params, {})[0]) == 70


@needs_kernels
@pytest.mark.parametrize("other", [False, True])
def test_a_subclass_with_a_scan_of_its_own_takes_the_general_path(other: bool) -> None:
    class Same(LSTM):
        """Has other fields, but the same equations."""

    class Other(LSTM):
        """Does something else with the same parameters."""

        def scan(self, *arguments: Any) -> Any:
            return super().scan(*arguments)

    kind = Other if other else Same
    network, params = made(STACKS["lstm"])
    layers = [kind(units=x.units) if isinstance(x, LSTM) else x for x in network.layers]
    network = Network(tuple(layers), network.loss, IDS, IDS)
    assert (compiled(network, params, start(network)) is None) == other


def test_a_plugin_takes_the_general_path(site: Path, tmp_path: Path) -> None:
    write_stub(site)
    spec = plain_spec(epochs=1)
    spec["model"]["layers"][1]["type"] = "slow"
    model = load(trained(tmp_path, spec))
    states = start(model.network)
    assert [len(state) for state in states.values()] == [2]
    assert compiled(model.network, model.store.values, states) is None
    assert len(model.sample("ab", 40)) == 40


def test_without_kernels_the_text_is_the_same(word_run: Path) -> None:
    for options in ((), ("--top-p", 0.8, "-t", 0.7), ("--greedy",), ("-n", 3, "--top-k", 4)):
        line = ("sample", word_run, "--prompt", "the cat", "--length", 90, "--seed", 3, *options)
        ran = process(line, RNNKIT_KERNELS="numpy")
        assert (ran.returncode, ran.stdout) == (0, done(*line).out), ran.stderr


@needs_kernels
def test_only_the_first_process_compiles_the_sampler(word_run: Path) -> None:
    process(("sample", word_run, "--length", 9))
    ran = process(("sample", word_run, "--length", 9))
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_kernels
def test_stop_within_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(trained(tmp_path, plain_spec(), content=text(300)))
    assert compiled(model.network, model.store.values, start(model.network))
    whole = model.sample("a", 100)
    stop = whole[45:48]
    (fast,) = list(grow(model, "a", 100, 1, Sampling(), stop))[-1].texts
    assert fast == whole[: whole.index(stop)]
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    (slow,) = list(grow(model, "a", 100, 1, Sampling(), stop))[-1].texts
    assert (slow, model.sample("a", 100)) == (fast, whole)


def test_a_score_holds_few_logits_at_once(word_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = load(word_run), "the cat b " * 40
    whole = model.score(said)[1]
    lengths: list[int] = []
    forward = Network.forward

    def watched(self: Network, params: dict[str, Params], xs: Array, *rest: Any) -> Any:
        lengths.append(len(xs))
        return forward(self, params, xs, *rest)

    monkeypatch.setattr(Network, "forward", watched)
    monkeypatch.setattr(generation, "LOGITS", 10 * model.network.outputs.known())
    assert model.score(said)[1] == pytest.approx(whole, abs=1e-6)
    assert max(lengths) == 10
