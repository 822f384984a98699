"""Whether a layer reads later inputs, as it and what it holds declare, and as the kit measures."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.bidirectional import Bidirectional
from rnnkit.builtin.layers.residual import Residual
from rnnkit.builtin.losses.mse import MSE
from rnnkit.contracts.layer import Layer, LayerBlock, sees_future
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.testing import ConformanceError, check_layer

BOTH_WAYS = Bidirectional(layer=LSTM(units=2))


class Several(Layer):
    """Holds more than one layer in a field."""

    type: str = "several"
    layers: tuple[LayerBlock, ...]


class Hidden(Residual):
    """Names nothing of what it holds."""

    def inner(self) -> Mapping[str, Layer]:
        return {}


def test_a_field_is_what_a_wrapper_holds() -> None:
    lstm = LSTM(units=4)
    assert Residual(layer=lstm).inner() == {"layer": lstm}
    assert Several(layers=(lstm, BOTH_WAYS)).inner() == {"layers.0": lstm, "layers.1": BOTH_WAYS}
    assert lstm.inner() == {}


def test_what_is_held_tells_whether_later_inputs_are_read() -> None:
    assert not sees_future(Several(layers=(LSTM(units=4),)))
    assert sees_future(Several(layers=(LSTM(units=4), BOTH_WAYS)))
    assert sees_future(Residual(layer=BOTH_WAYS))


@pytest.mark.parametrize(
    ("layer", "name"), [(LSTM(units=4), None), (Residual(layer=BOTH_WAYS), "0.residual")]
)
def test_a_network_names_the_first_layer_that_reads_later_inputs(
    layer: Layer, name: str | None
) -> None:
    network = Network.sized([layer, Affine()], MSE(), Signal(4), Signal(1))
    assert network.reads_later == name


def test_the_kit_measures_what_a_wrapper_hides() -> None:
    assert not sees_future(Hidden(layer=BOTH_WAYS))
    with pytest.raises(ConformanceError, match="'causal': an output depends on later inputs"):
        check_layer(Hidden(layer=BOTH_WAYS), Signal(4))
