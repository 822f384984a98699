"""An encoder-decoder: its gradients, the bridge, peeking, attention, ragged batches."""

from __future__ import annotations

import numpy as np
import pytest
from seq2seq_cases import MODELS, batch_of, learned, network_of, stored

from rnnkit.contracts.dataset import Batch, EncoderInputs


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
