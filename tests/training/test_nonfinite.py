"""What goes wrong inside an encoder or a decoder is told by the layer's name."""

from __future__ import annotations

import numpy as np
from seq2seq_cases import batch_of, network_of

from rnnkit.core.context import Context
from rnnkit.training.nonfinite import nonfinite_gradient, nonfinite_in_window


def test_what_is_not_finite_is_found_in_either_part() -> None:
    network = network_of("additive")
    store, batch = network.store(np.dtype(np.float32)), batch_of()
    store.initialize(1)
    whole = (slice(0, len(batch.weights)),)

    def found() -> str:
        ahead = nonfinite_in_window(network, store.values, batch, {}, Context(), whole)
        return ahead or nonfinite_gradient(network, store)

    assert found() == ""
    store.grads["encoder.1.gru"]["Wh"][0, 0] = np.inf
    assert found() == "the gradient of Wh of layer encoder.1.gru"
    store.values["decoder.2.attention"]["v"][0] = np.nan
    assert found() == "parameter v of layer decoder.2.attention"
    store.values["encoder.1.gru"]["b"][0] = np.inf
    assert found() == "parameter b of layer encoder.1.gru"
