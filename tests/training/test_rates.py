"""Layers that are frozen, or learn at a rate of their own: against sums and torch of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers import (
    JSONObject,
    command,
    done,
    newest,
    pair_spec,
    plain_spec,
    results,
    small_spec,
    told,
    trained,
    write_spec,
)
from seq2seq_cases import MODELS, batch_of, network_of
from training_cases import NAMES, fresh, opened, plain_gradient
from window_cases import STACKS, Case

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.embedding import Embedding
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute.workers import Workers
from rnnkit.contracts.dataset import Batch
from rnnkit.core.context import Context, Pool
from rnnkit.core.signal import Signal
from rnnkit.network.builder import build_network
from rnnkit.network.memory import memory
from rnnkit.network.network import Network
from rnnkit.training.learning import Learner, Part
from rnnkit.types import Array, Backward, Grads, Params, State

WAYS: dict[str, JSONObject] = {
    "whole": {},
    "recompute": {"recompute": True},
    "true truncation": {"bptt": {"style": "true", "steps": 3}},
    "shards": {"shards": 3},
    "scheduled sampling": {"feed": {"type": "sample", "probability": 0.5}},
}
FROZEN = [["0.embedding"], ["1.lstm"], ["0.embedding", "1.lstm"], ["3.residual", "5.affine"]]


def gradients(folder: Path, spec: JSONObject, frozen: list[str]) -> dict[str, Array]:
    """Return the gradient of the first window of a spec, in float64, by layer and parameter."""
    start = {"freeze": frozen} if frozen else None
    spec = {**spec, "train": {**spec["train"], "start": start}}
    training = fresh(*opened(folder, spec), np.float64)
    batch = next(opened(folder, spec)[1].batches("train", training.spec.train.layout(), None))
    training.learner.learn(training.part(batch))
    return {
        name: array.copy() for name, array in training.store.learned(training.store.grad).items()
    }


@pytest.mark.parametrize("frozen", FROZEN, ids=" ".join)
@pytest.mark.parametrize("way", WAYS)
def test_the_gradient_of_the_rest_does_not_depend_on_it(
    tmp_path: Path, way: str, frozen: list[str]
) -> None:
    spec = small_spec(**WAYS[way])
    whole, part = (gradients(tmp_path, spec, names) for names in ([], frozen))
    assert {name.split("/")[0] for name in whole.keys() - part.keys()} == {*frozen}
    for name, gradient in part.items():
        assert np.abs(gradient).max() > 0
        np.testing.assert_array_equal(gradient, whole[name])


@pytest.mark.parametrize("name", STACKS)
def test_of_every_stack_each_layer_may_be_frozen(name: str) -> None:
    case = Case(STACKS[name], np.float64)
    layers = [layer for layer, declaration in case.network.declared().items() if declaration]
    for layer in layers:
        network = replace(case.network, rates={layer: 0.0})
        store, ctx = network.store(case.dtype), Context(train=True, dtype=case.dtype, step=3)
        for key, array in store.stored().items():
            array[...] = case.store.stored()[key]
        train = fresh_train()
        learner = Learner(train, network, store, Workers())
        learner.learn(Part(case.batch, case.states, None, ctx))
        case.store.grad.fill(0)
        case.network.learn(case.store.values, case.store.grads, case.batch, case.states, ctx)
        whole = case.store.learned(case.store.grad)
        for key, gradient in store.learned(store.grad).items():
            np.testing.assert_array_equal(gradient, whole[key])
        assert not {key for key in store.learned(store.grad) if key.startswith(f"{layer}/")}


def fresh_train() -> Any:
    import json

    from rnnkit.contracts.registry import Registry
    from rnnkit.spec.read import parse_spec

    return parse_spec(json.dumps(plain_spec(streams=4)).encode(), "spec", Registry()).spec.train


@pytest.mark.parametrize("name", MODELS)
def test_of_an_encoder_and_decoder_too(name: str) -> None:
    network, batch = network_of(name), batch_of()
    dtype = np.dtype(np.float64)
    store = network.store(dtype)
    store.flat[:] = 0.4 * np.random.default_rng(2).standard_normal(store.flat.size)
    ctx = Context(train=True, dtype=dtype, step=1, pool=Pool())
    network.learn(store.values, store.grads, batch, {}, ctx)
    whole = store.learned(store.grad)
    encoder = [layer for layer in whole_layers(network) if layer.startswith("encoder.")]
    lowest = [*encoder, "decoder.0.embedding"]
    for frozen in (encoder, lowest, ["encoder.0.embedding"], ["decoder.1.lstm"], ["decoder.1.gru"]):
        if not {*frozen} <= {*whole_layers(network)}:
            continue
        part = replace(network, rates=dict.fromkeys(frozen, 0.0))
        own = part.store(dtype)
        for key, array in own.stored().items():
            array[...] = store.stored()[key]
        Learner(fresh_train(), part, own, Workers()).learn(Part(batch, {}, None, ctx))
        found = own.learned(own.grad)
        assert {key.split("/")[0] for key in whole.keys() - found.keys()} == {*frozen}
        for key, gradient in found.items():
            np.testing.assert_array_equal(gradient, whole[key])


def whole_layers(network: Network) -> list[str]:
    return [layer for layer, declaration in network.declared().items() if declaration]


class Silent(LSTM):
    """An LSTM that must not be asked for a gradient, and notes what it is told."""

    told: ClassVar[list[bool]] = []

    def scan(
        self, params: Params, xs: Array, state: State, resets: Array | None, ctx: Context
    ) -> tuple[Array, State, Backward]:
        ys, after, _ = super().scan(params, xs, state, resets, ctx)

        def refuse(dys: Array, dstate: State, grads: Grads) -> tuple[None, State]:
            raise AssertionError("nothing below learns")

        self.told.append(ctx.learns_below)
        return ys, after, refuse


def test_below_the_lowest_that_learns_nothing_is_computed() -> None:
    ids = Signal(7, ids=True)
    layers = [Embedding(units=3), Silent(units=4), Silent(units=5), Affine()]
    network = Network.sized(layers, SoftmaxCrossEntropy(), ids, ids)
    frozen = dict.fromkeys(["0.embedding", "1.lstm", "2.lstm"], 0.0)
    network = replace(network, rates=frozen)
    assert network.reached == {"3.affine"} and not network.dropped
    store = network.store(np.dtype(np.float32))
    store.initialize(1)
    inputs, targets = np.random.default_rng(1).integers(0, 7, (2, 5, 3)).astype(np.int32)
    batch = Batch(inputs, targets, np.ones((5, 3), np.float32), np.zeros((5, 3), bool), 0)
    states = network.initial_states(3, store.flat.dtype)
    network.learn(store.values, store.grads, batch, states, Context(train=True, step=1))
    assert Silent.told == [False, False]
    assert np.abs(store.grad).max() > 0


def test_each_layer_moves_at_its_rate(tmp_path: Path) -> None:
    rates = {"0.embedding": 0.25, "2.affine": 3.0}
    start = {"rates": rates, "freeze": ["1.rnn"]}
    spec, source = opened(tmp_path, plain_spec(start=start, clip=None))
    training = fresh(spec, source)
    batch = next(source.batches("train", spec.train.layout(), None))
    values = training.store.values
    begin = {key: values[layer][name].copy() for key, (layer, name) in NAMES.items()}
    of_stream = [
        plain_gradient(begin, batch.inputs[:, s], batch.targets[:, s], np.zeros(5))[1]
        for s in range(3)
    ]
    training.step(batch)
    for key, (layer, name) in NAMES.items():
        gradient = sum(g[key] for g in of_stream) / 12
        lr = 0.0 if layer == "1.rnn" else 0.1 * rates[layer]
        np.testing.assert_allclose(values[layer][name], begin[key] - lr * gradient, atol=1e-12)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_as_the_parameter_groups_of_torch(tmp_path: Path, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer = {"type": kind, "lr": 0.02, "weight_decay": 0.1}
    optimizer |= {"momentum": 0.9} if kind == "sgd" else {}
    rates = {"0.embedding": 0.25, "2.affine": 3.0}
    start = {"rates": rates, "freeze": ["1.rnn"]}
    spec, source = opened(tmp_path, plain_spec(start=start, clip=None, optimizer=optimizer))
    training = fresh(spec, source)
    values = training.store.values
    twins = {
        key: torch.nn.Parameter(torch.tensor(values[layer][name]))
        for key, (layer, name) in NAMES.items()
        if layer != "1.rnn"
    }
    groups = [
        {
            "params": [twin],
            "lr": 0.02 * rates[NAMES[key][0]],
            "weight_decay": 0.1 if NAMES[key][1] == "W" else 0.0,
        }
        for key, twin in twins.items()
    ]
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[kind]
    other = make(groups, **({"momentum": 0.9} if kind == "sgd" else {}))
    hs = [np.zeros(5)] * 3
    batches = source.batches("train", spec.train.layout(), None)
    for batch, _ in zip(batches, range(3), strict=False):
        now = {key: values[layer][name].copy() for key, (layer, name) in NAMES.items()}
        found = [
            plain_gradient(now, batch.inputs[:, s], batch.targets[:, s], hs[s]) for s in range(3)
        ]
        hs = [h for *_, h in found]
        for key, twin in twins.items():
            twin.grad = torch.tensor(sum(g[key] for _, g, _ in found) / 12)
        other.step()
        training.step(batch)
        for key, twin in twins.items():
            layer, name = NAMES[key]
            np.testing.assert_allclose(values[layer][name], twin.detach().numpy(), atol=1e-10)


START = {"freeze": ["0.embedding", "1.lstm"], "rates": {"5.affine": 0.5}}


@pytest.mark.parametrize("way", [*WAYS, "averaged"])
def test_stopped_and_resumed_is_the_same_and_frozen_is_as_drawn(tmp_path: Path, way: str) -> None:
    averaged = {"shards": 3, "sync": {"every": 2}}
    spec = small_spec(start=START, **WAYS.get(way, averaged))
    whole = trained(tmp_path / "whole", spec)
    part = trained(tmp_path / "part", spec, "--max-steps", 6)
    done("resume", part)
    assert results(part) == results(whole)
    begun = fresh(*opened(tmp_path, spec), np.float32).store.stored()
    arrays = newest(whole).arrays
    for name, array in begun.items():
        same = np.array_equal(arrays[f"params/{name}"], array)
        frozen = name.split("/")[0] in START["freeze"]
        assert same == frozen
        assert (f"optimizer/mean/{name}" in arrays) == (not frozen)
    shown = done("eval", whole, "--split", "valid").out
    assert "perplexity" in shown


def test_what_is_frozen_needs_less(tmp_path: Path) -> None:
    found = []
    for start in (None, START, {"freeze": ["3.residual"]}):
        spec, source = opened(tmp_path, small_spec(start=start))
        network = build_network(spec, source.inputs, source.targets)[1]
        found.append(memory(spec, network, source, 10**9))
    whole, low, between = found
    counts = {"0.embedding": 6 * 5, "1.lstm": 24 * (5 + 6 + 1)}
    assert whole.parameters == low.parameters == between.parameters
    assert whole.gradients - low.gradients == 4 * sum(counts.values())
    assert whole.optimizer - low.optimizer == 8 * sum(counts.values())
    # The gradient of a frozen layer above one that learns is formed, and dropped.
    assert between.gradients == whole.gradients and between.optimizer < whole.optimizer
    path = write_spec(tmp_path / "e", small_spec(start=START))
    shown = done("explain", path).out
    assert "30, frozen" in shown and ", rate x 0.5" in shown
    learned = whole.parameters // 4 - sum(counts.values())
    assert f"{whole.parameters // 4:,} parameters, {learned:,} of them learn" in shown


def test_what_names_no_layer_is_said_at_its_place(tmp_path: Path) -> None:
    start = {"freeze": ["0.embeding", "1.lstm"], "rates": {"6.affine": 2}}
    ran = command("check", write_spec(tmp_path, small_spec(start=start)))
    there = "is no layer of the model (there is 0.embedding, 1.lstm, 2.dropout, 3.residual, "
    told(ran, 3, '[SPEC_INCONSISTENT] train.start.freeze[0]: "0.embeding" ' + there)
    assert 'did you mean "0.embedding"?' in ran.err
    assert f'train.start.rates["6.affine"]: "6.affine" {there}' in ran.err
    pair = pair_spec(start={"freeze": ["encoder.0.embedding", "0.embedding"]})
    ran = command("check", write_spec(tmp_path, pair))
    told(ran, 3, 'train.start.freeze[1]: "0.embedding" is no layer of the model (there is encoder')
    assert "freeze[0]" not in ran.err


def test_what_cannot_be_frozen_or_paced_is_refused_together(tmp_path: Path) -> None:
    both = {"freeze": ["1.lstm"], "rates": {"1.lstm": 0.5}}
    ran = command("check", write_spec(tmp_path, small_spec(start=both)))
    told(ran, 3, "train.start: '1.lstm' cannot be frozen and have a rate (leave one of the two")
    ran = command("check", write_spec(tmp_path, small_spec(start={"rates": {"1.lstm": 0}})))
    told(ran, 3, 'train.start.rates["1.lstm"]: expected a number > 0')
    every = {"freeze": ["0.embedding", "1.lstm", "2.dropout", "3.residual", "5.affine"]}
    ran = command("run", write_spec(tmp_path, small_spec(start=every)), "--out", tmp_path / "r")
    none = "layer 2.dropout has no parameters of its own: it has none (leave it out)"
    told(ran, 3, f"train.start.freeze[2]: {none}")
    assert "every layer with parameters is frozen, so nothing is learned (leave one" in ran.err
    assert not (tmp_path / "r").exists()
    tied = plain_spec(start={"freeze": ["2.affine"]})
    tied["model"]["layers"][0] |= {"name": "table", "units": 5}
    tied["model"]["layers"][2] |= {"tie": "table", "bias": False}
    ran = command("run", write_spec(tmp_path, tied), "--out", tmp_path / "r")
    told(ran, 3, "layer 2.affine has no parameters of its own: it has those of table (name that)")


def test_a_resume_may_change_rates_and_not_what_is_frozen(tmp_path: Path) -> None:
    run = trained(tmp_path, small_spec(start=START), "--max-steps", 4)
    for change in ('train.start.freeze=["0.embedding"]', "train.start=null"):
        ran = command("resume", run, "-s", change)
        said = "its optimizer keeps nothing of frozen layers (start a new run)"
        told(ran, 8, "[CKPT_SPEC_MISMATCH] train.start.freeze[", said)
    ran = done("resume", run, "-s", 'train.start.rates={"5.affine": 2.0}')
    assert "train.start.rates.5.affine: 0.5 -> 2.0: later updates of these layers use" in ran.err
