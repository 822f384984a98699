"""A stack of layers: what they are called, and what flows between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rnnkit.contracts.checked_declarations import checked_layer_of, signal_after
from rnnkit.contracts.layer import Layer
from rnnkit.core.signal import Signal
from rnnkit.errors import Path, ShapeError


class Beside(NamedTuple):
    """What a decoder reads beside its window: the encoder's outputs, and what joins its inputs."""

    memory: Signal
    last: Signal | None = None


def layer_names(layers: Sequence[Layer], prefix: str = "", first: int = 0) -> tuple[str, ...]:
    """Return the name of each layer: its own, or its position and type, such as `1.lstm`.

    `prefix` stands before a position: `decoder.1.lstm`; `first` is the position of the first.
    """
    return tuple(
        layer.name or f"{prefix}{i}.{layer.type}" for i, layer in enumerate(layers, start=first)
    )


def signals(layers: Sequence[Layer], inputs: Signal) -> tuple[Signal, ...]:
    """Return what enters each layer, and what the last one gives; raises ShapeError."""
    flow = [inputs]
    for layer in layers:
        flow.append(layer.output(flow[-1]))
    return tuple(flow)


def resolved(
    layer: Layer, inputs: Signal, target: Signal | None = None, memory: Signal | None = None
) -> tuple[Layer, Signal]:
    """Return a layer with the widths that its spec left open, and what it gives."""
    layer = checked_layer_of(layer, layer.resolve(inputs, target, memory))
    return layer, signal_after(layer, inputs)


def sized(
    layers: Sequence[Layer],
    prefix: str,
    inputs: Signal,
    target: Signal | None = None,
    beside: Beside | None = None,
) -> tuple[tuple[Layer, ...], Signal]:
    """Do the same for all layers; raises ShapeError with the path of one that does not fit."""
    memory, last = beside or (None, None)
    joins = peeking(layers) if last else ()
    found: list[Layer] = []
    signal = inputs
    for at in range(len(layers)):
        own = target if at == len(layers) - 1 else None
        with shaped_at(*at_layer(prefix, at)):
            signal = joined(signal, last) if last and at in joins else signal
            layer, signal = resolved(layers[at], signal, own, memory)
        found.append(layer)
    return tuple(found), signal


@contextmanager
def shaped_at(*path: str | int) -> Iterator[None]:
    """Say where in the model a block stands that cannot take what it is given."""
    try:
        yield
    except ShapeError as error:
        raise ShapeError(str(error), *path, *error.path) from error


def at_layer(prefix: str, position: int) -> Path:
    """Return the path from a model to a layer; `prefix` as in `layer_names`."""
    return (*filter(None, [prefix.rstrip(".")]), "layers", position)


def reads_memory(layer: Layer) -> bool:
    """Tell whether the layer, or one inside it, reads what an encoder gave."""
    return layer.reads_memory or any(map(reads_memory, layer.inner().values()))


def bridge_problem(
    encoder: Sequence[tuple[int, ...]], decoder: Sequence[tuple[int, ...]], whole: bool
) -> str:
    """Return why the states of an encoder cannot start a decoder; empty where they can.

    Given are the sizes of the states of each recurrent layer, in order; `whole` tells that all
    arrays of a state pass, not the first alone.
    """
    if not encoder or not decoder:
        side = "decoder" if encoder else "encoder"
        return f"the {side} has no recurrent layer (give it one, such as lstm)"
    if len(encoder) != len(decoder):
        return (
            f"the encoder has {len(encoder)} recurrent layers, the decoder {len(decoder)} "
            "(states pass layer by layer: give both as many)"
        )
    for number, (gives, takes) in enumerate(zip(encoder, decoder, strict=True), start=1):
        if gives[: None if whole else 1] != takes[: None if whole else 1]:
            return (
                f"recurrent layer {number} of the encoder has a state of {_sizes(gives, whole)}, "
                f"that of the decoder one of {_sizes(takes, whole)} (make them equal"
                + (
                    ', or pass only the output: "bridge": "output")'
                    if gives[0] == takes[0]
                    else ")"
                )
            )
    return ""


def _sizes(sizes: tuple[int, ...], whole: bool) -> str:
    return " and ".join(map(str, sizes[: None if whole else 1]))


def recurrent(layer: Layer) -> bool:
    """Tell whether the layer has a hidden state."""
    return bool(layer.state_sizes(Signal(1)))


def peeking(decoder: Sequence[Layer]) -> tuple[int, ...]:
    """Return the positions that the encoder's last output joins: first recurrent layer, last layer.

    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", equations 5 and 6.
    """
    first = [position for position, layer in enumerate(decoder) if recurrent(layer)][:1]
    return tuple(sorted({*first, len(decoder) - 1}))


def joined(signal: Signal, other: Signal) -> Signal:
    """Return two signals side by side."""
    widths = signal.values().width, other.values().width
    return Signal(None if None in widths else sum(filter(None, widths)))
