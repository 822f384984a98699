"""One batch to measure on: the first window of the data, or random numbers in its place."""

from __future__ import annotations

import numpy as np

from rnnkit.contracts.checked_dataset import windows_of
from rnnkit.contracts.dataset import Batch, Dataset, EncoderInputs, Layout, Source, Split
from rnnkit.core.context import keyed_generator
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network
from rnnkit.types import Array

TOKENS = 32
FEATURES = 8


def first_batch(source: Source, split: Split, layout: Layout) -> Batch:
    """Return the first window of a split; raises DataError where the split is too short."""
    source.windows(split, layout)
    return next(windows_of(source, split, layout, None))


def random_batch(network: Network, steps: int, streams: int, seed: int) -> Batch:
    """Return uniform ids and normal values from a generator keyed by the seed."""
    random = keyed_generator(seed, "gradients")
    shape = (steps, streams)
    resets = np.zeros(shape, bool)
    resets[0] = True
    inputs = _drawn(network.inputs, shape, random)
    encoder = None
    if network.reads_source:
        source = _drawn(network.inputs, shape, random)
        encoder = EncoderInputs(source, resets, np.ones(shape, bool))
    targets = _drawn(network.targets, shape, random)
    return Batch(inputs, targets, np.ones(shape), resets, None, None, encoder)


def guessed_signals(data: Dataset) -> tuple[Signal, Signal]:
    """Return (inputs, targets) of data that is not there: 32 tokens, or 8 features, if unknown."""
    inputs, targets = (_known(signal) for signal in data.signals())
    return inputs, targets


def _known(signal: Signal) -> Signal:
    width = signal.width or (TOKENS if signal.ids else FEATURES)
    return Signal(width, signal.ids)


def _drawn(signal: Signal, shape: tuple[int, int], random: np.random.Generator) -> Array:
    if signal.ids:
        return random.integers(signal.known(), size=shape, dtype=np.int32)
    return random.standard_normal((*shape, signal.known()))
