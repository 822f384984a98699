"""An encoder-decoder: its gradients, the bridge, peeking, attention, ragged batches."""

from __future__ import annotations

import numpy as np
import pytest
from seq2seq_cases import MODELS, batch_of, learned, network_of, stored

from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.core.context import Context
from rnnkit.network.seq2seq.encoded import source_of


@pytest.mark.parametrize("name", MODELS)
def test_gradients_through_the_whole(name: str) -> None:
    network = network_of(name)
    store, batch = stored(network), batch_of()
    _, gradient = learned(network, store, batch)
    views = store.views(np.arange(store.flat.size))
    for layer, parameters in views.items():
        for parameter, places in parameters.items():
            along = np.zeros_like(store.flat)
            along[places] = np.random.default_rng(3).standard_normal(places.shape)
            start, step, found = store.flat.copy(), 1e-6, []
            for sign in (1, -1):
                store.flat[:] = start + sign * step * along
                found.append(learned(network, store, batch)[0])
            store.flat[:] = start
            numeric = (found[0] - found[1]) / (2 * step)
            assert gradient @ along == pytest.approx(numeric, rel=1e-6, abs=1e-8), (
                layer,
                parameter,
            )


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_different_lengths_is_each_pair_alone(name: str) -> None:
    network = network_of(name)
    store, batch = stored(network), batch_of()
    total, gradient = learned(network, store, batch)
    alone = []
    for stream, (source, target) in enumerate([(4, 3), (2, 5), (6, 2)]):
        assert batch.encoder is not None
        encoder = EncoderInputs(*(a[-source:, [stream]] for a in batch.encoder))
        pieces = (a[:target, [stream]] for a in batch[:4])
        alone.append(learned(network, store, Batch(*pieces, None, encoder=encoder)))
    assert total == pytest.approx(sum(t for t, _ in alone), rel=1e-12)
    np.testing.assert_allclose(gradient, sum(g for _, g in alone), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_without_a_way_back_it_gives_the_same(name: str) -> None:
    network = network_of(name)
    store = network.store(np.dtype(np.float32))
    store.flat[:] = 0.4 * np.random.default_rng(1).standard_normal(store.flat.size)
    for seed in range(2):
        batch = batch_of(seed, sources=(4, 2, 6, 1), targets=(3, 5, 2, 4))
        source = source_of(batch)
        known = network.encode(store.values, source, Context())[0]
        found = network.read_source(store.values, source, Context())
        # What the encoder gives before a source begins is looked at by nobody.
        known, found = (each._replace(memory=each.memory[each.valid]) for each in (known, found))
        for mine, wanted in zip(found[:2] + found[3:], known[:2] + known[3:], strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=0, atol=1e-6)
        ys, states = network.run(store.values, batch, {}, Context())
        encoded = network.encode(store.values, source, Context())[0]
        wanted, _, _ = network.decode(
            store.values, batch.inputs, encoded.states, encoded, Context()
        )
        assert (ys.dtype, states) == (np.float32, {})
        np.testing.assert_allclose(ys, wanted, rtol=0, atol=2e-6)
