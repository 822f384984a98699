"""Checks of time and streams: carried state, the order of the streams, resets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnkit.contracts.layer import Layer, sees_future
from rnnkit.core.signal import Signal
from rnnkit.testing.compare import EXACT, Close, Comparison, close
from rnnkit.testing.gradients import slopes
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import RESETS, STEPS, STREAMS, Subject
from rnnkit.testing.window import (
    NamedArrays,
    Window,
    ahead,
    behind,
    forward_backward,
    join_streams,
    numbered,
    pick_streams,
    scan_window,
)
from rnnkit.types import Array

_RESET_STREAMS = sorted({stream for _, stream in RESETS})


def forward_matches_scan(subject: Subject) -> Iterator[Comparison]:
    """`forward`, and `scan` where no reset is true, give what `scan` gives without resets."""
    window = subject.window()
    wanted = forward_backward(subject.layer, window)
    layer, params, xs, state = subject.layer, window.params(), window["xs"], window.parts("state")
    calls = {
        "forward": layer.forward(params, xs, state, window.ctx),
        "scan with no true reset": layer.scan(params, xs, state, window["resets"], window.ctx),
    }
    for name, (ys, end, backward) in calls.items():
        found = {"ys": ys, **numbered("state", end), **behind(backward, window)}
        yield from close(found, wanted, note=f" of {name}")


def causal(subject: Subject) -> Iterator[Comparison]:
    """No output depends on a later input, unless the layer says so."""
    if sees_future(subject.layer):
        raise Skipped("its outputs depend on later inputs (causal=False)")
    others = subject.window(draw=1)["xs"]
    for cut in range(1, STEPS):
        yield unforeseen(subject.layer, subject.window(), cut, others)


def unforeseen(
    layer: Layer, window: Window, cut: int, others: Array, tolerance: float = EXACT
) -> Comparison:
    """Outputs before step `cut` are the same where the inputs from there on are `others`."""
    xs = np.concatenate([window["xs"][:cut], others[cut:]])
    wanted, found = (ahead(layer, each)["ys"][:cut] for each in (window, window.having({"xs": xs})))
    where = f"an output depends on later inputs (causal = False says so); before step {cut}, ys"
    return Close(where, found, wanted, tolerance)


def halves(subject: Subject) -> Iterator[Comparison]:
    """A sequence equals its two parts with the state carried, values and gradients."""
    if sees_future(subject.layer):
        raise Skipped("its outputs depend on later inputs (causal=False)")
    window = subject.window()
    whole = forward_backward(subject.layer, window)
    for cut in (1, STEPS // 2, STEPS - 1):
        parts = in_two(subject.layer, window, cut)
        yield from close(parts, whole, note=f" cut after {cut} steps")


def permutation(subject: Subject) -> Iterator[Comparison]:
    """Streams in another order give the same in that order, and the same parameter gradients."""
    window, order = subject.window(), [2, 0, 3, 1]
    wanted = forward_backward(subject.layer, window)
    wanted |= pick_streams(wanted, order)
    yield from close(
        forward_backward(subject.layer, window.streams(order)), wanted, note=" permuted"
    )


def alone(subject: Subject) -> Iterator[Comparison]:
    """A stream gives the same whatever else is in the batch."""
    window = subject.window()
    columns = [forward_backward(subject.layer, window.streams([k])) for k in range(STREAMS)]
    yield from close(
        join_streams(columns), forward_backward(subject.layer, window), note=" of single streams"
    )


def reset(subject: Subject) -> Iterator[Comparison]:
    """A stream that is reset equals one that ends there and a fresh one."""
    for stream in _RESET_STREAMS:
        yield from _values(subject, stream, [stream])


def reset_leak(subject: Subject) -> Iterator[Comparison]:
    """A reset changes nothing in the other streams."""
    for stream in _RESET_STREAMS:
        yield from _values(subject, stream, [k for k in range(STREAMS) if k != stream])


def reset_gradient(subject: Subject) -> Iterator[Comparison]:
    """No gradient crosses a reset, and all others are those of the pieces."""
    window = subject.window(resets=True)
    wanted = in_pieces(subject.layer, subject.inputs, window)
    yield from close(forward_backward(subject.layer, window), wanted, note=" with resets")
    trained = subject.window(resets=True, train=True)
    kinds = ("params.", "state.") if subject.inputs.ids else ("xs", "params.", "state.")
    for kind in kinds:
        yield from slopes(subject, trained, kind, "training, with resets")


def in_two(layer: Layer, window: Window, cut: int) -> NamedArrays:
    """Run the window as two, and join what they give."""
    first, second = window.steps(0, cut), window.steps(cut, len(window["xs"]))
    ys1, middle, backward1 = scan_window(layer, first)
    second = second.having(numbered("state", middle))
    ys2, state, backward2 = scan_window(layer, second)
    behind2 = behind(backward2, second)
    carried = {name: array for name, array in behind2.items() if name.startswith("dstate.")}
    grads = {name: behind2[f"grads.{name}"].copy() for name in window.params()}
    behind1 = behind(backward1, first.having(carried), grads)
    found = {"ys": np.concatenate([ys1, ys2]), **numbered("state", state), **behind1}
    if "dxs" in behind1:
        found["dxs"] = np.concatenate([behind1["dxs"], behind2["dxs"]])
    return found


def in_pieces(layer: Layer, inputs: Signal, window: Window) -> NamedArrays:
    """Run each stream, and each piece between two resets, on its own; join what they give."""
    columns = range(window["resets"].shape[1])
    return join_streams([_stream_in_pieces(layer, inputs, window.streams([k])) for k in columns])


def _stream_in_pieces(layer: Layer, inputs: Signal, window: Window) -> NamedArrays:
    resets = window["resets"][:, 0]
    steps = len(resets)
    cuts = [0, *(t for t in range(1, steps) if resets[t]), steps]
    pieces = []
    for start, stop in zip(cuts, cuts[1:], strict=False):
        piece = window.steps(start, stop).having({"resets": np.zeros((stop - start, 1), bool)})
        if resets[start]:
            fresh = layer.initial_state(inputs, 1, window["dys"].dtype)
            piece = piece.having(numbered("state", fresh))
        if stop < steps:
            piece = piece.having(numbered("dstate", map(np.zeros_like, window.parts("dstate"))))
        pieces.append(forward_backward(layer, piece))
    return _joined(pieces, bool(resets[0]))


def _joined(pieces: list[NamedArrays], fresh: bool) -> NamedArrays:
    def join(name: str, last: Array) -> Array:
        every = [piece[name] for piece in pieces]
        if name.startswith("state."):
            return last
        if name.startswith("dstate."):
            return np.zeros_like(last) if fresh else every[0]
        return sum(every[1:], every[0]) if name.startswith("grads.") else np.concatenate(every)

    return {name: join(name, last) for name, last in pieces[-1].items()}


def _values(subject: Subject, stream: int, watched: list[int]) -> Iterator[Comparison]:
    window = subject.window(resets=True)
    resets = window["resets"].copy()
    resets[:, [k for k in range(STREAMS) if k != stream]] = False
    window = window.having({"resets": resets})
    wanted = in_pieces(subject.layer, subject.inputs, window)
    found = forward_backward(subject.layer, window)
    values = [name for name in wanted if name == "ys" or name.startswith("state.")]
    yield from close(
        pick_streams({name: found[name] for name in values}, watched),
        pick_streams({name: wanted[name] for name in values}, watched),
        note=f" of streams {watched}, {stream} reset",
    )
