"""Hidden states that continue tomorrow: written to a file with a checksum, and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnkit.checkpoint.state_file import (
    StateFile,
    StateMeta,
    digest_of,
    load_state_file,
    save_state_file,
)
from rnnkit.core.home import given_path
from rnnkit.errors import CheckpointError, PluginError, Problem
from rnnkit.inference.model import Model
from rnnkit.inference.stream_state import StreamState
from rnnkit.version import VERSION

Shapes = Mapping[str, tuple[tuple[int, ...], str]]


def save_states(path: str | Path, model: Model, carried: StreamState) -> None:
    """Write the hidden states of streams; equal states give equal bytes.

    Raises StorageError, CheckpointError (STATE_NOT_CAUSAL, STATE_NONFINITE) where there is nothing
    to continue, and PluginError for states that nobody could load.
    """
    check_continues(model)
    arrays = {
        f"state/{layer}/{index}": array
        for layer, state in carried.states.items()
        for index, array in enumerate(state)
    }
    arrays["stream/drawn"] = carried.drawn
    if carried.last is not None:
        arrays["stream/last"] = carried.last
    file = StateFile(_meta(model, carried.streams), arrays)
    if odd := _odd_arrays(file, model):
        message = f"the hidden states are not those that the layers declare ({odd})"
        advice = "nothing was saved (tell the author of the layer)"
        raise PluginError.of("PLUGIN_CONTRACT", f"{message}; {advice}", path)
    save_state_file(given_path(path), file)


def load_states(path: str | Path, model: Model, streams: int = 1) -> StreamState:
    """Read the hidden states of streams; one stream is spread over as many as are asked for.

    Raises CheckpointError for a file that is damaged or of another kind, of other parameters or
    another spec (STATE_OTHER_MODEL), of another number of streams (STATE_STREAMS), or whose arrays
    are not those of the model (STATE_ARRAYS).
    """
    path = given_path(path)
    check_continues(model)
    file = load_state_file(path)
    _check_model(file.meta, _meta(model, file.meta.streams), path)
    if odd := _odd_arrays(file, model):
        message = f"its arrays are not those of the model ({odd}); this rnnkit did not write it"
        raise CheckpointError.of("STATE_ARRAYS", message, path)
    held = file.meta.streams
    if held not in (1, streams):
        wanted = "1" if streams == 1 else f"1 or {streams}"
        message = f"holds {held} streams, expected {wanted}"
        advice = f"go on with {held}, or write the states of one"
        raise CheckpointError.of("STATE_STREAMS", f"{message} ({advice})", path)
    shapes = model.network.state_shapes(held)
    states = {
        name: tuple(file.arrays[f"state/{name}/{i}"] for i in range(len(shapes[name])))
        for name in shapes
    }
    last = file.arrays.get("stream/last")
    return StreamState(states, held, last, file.arrays["stream/drawn"]).spread(streams)


def check_continues(model: Model) -> None:
    """Raise CheckpointError where a layer reads later inputs: no stream can then be continued.

    An encoder does so too, for the decoder that follows it.
    """
    if model.network.reads_source:
        message = "an encoder reads its whole source, so nothing is carried from one to the next"
        advice = "leave out --state-in and --state-out"
        raise CheckpointError.of("STATE_NOT_CAUSAL", f"{message} ({advice})", model.path)
    if name := model.network.reads_later:
        message = f"layer {name} reads later inputs, so a sequence cannot be continued"
        advice = "give whole sequences, without --state-in and --state-out"
        raise CheckpointError.of("STATE_NOT_CAUSAL", f"{message} ({advice})", model.path)


def _meta(model: Model, streams: int) -> StateMeta:
    return StateMeta(
        rnnkit=VERSION,
        streams=streams,
        parameters=digest_of(model.store.stored()),
        spec=hashlib.sha256(model.spec.canonical()).hexdigest(),
    )


def _check_model(found: StateMeta, wanted: StateMeta, path: Path) -> None:
    if found.parameters == wanted.parameters:
        return  # the same model, though its spec may have keys by now that it had not
    problems = []
    for name in ("parameters", "spec"):
        theirs, ours = getattr(found, name), getattr(wanted, name)
        if theirs != ours:
            digests = f"its {name} had SHA-256 {theirs[:12]}…, the model's {ours[:12]}…"
            advice = "start from a zero hidden state without --state-in"
            message = f"left by another model: {digests} "
            message += f"(give the checkpoint that wrote it, or {advice})"
            problems.append(Problem(str(path), "STATE_OTHER_MODEL", message))
    if problems:
        raise CheckpointError(*problems)


def _odd_arrays(file: StateFile, model: Model) -> str:
    """Return which arrays are not those that the model declares, in words; "" for none."""
    received = {name: (array.shape, array.dtype.str) for name, array in file.arrays.items()}
    expected = _expected(model, file.meta.streams)
    last = file.arrays.get("stream/last", np.zeros(1, np.int64))
    inside = last.min() >= 0 and last.max() < model.network.inputs.known()
    if received != expected or not inside or file.arrays["stream/drawn"].min() < 0:
        odd = sorted({name for name, _ in set(expected.items()) ^ set(received.items())})
        return ", ".join(odd) or "a bad number"
    return ""


def _expected(model: Model, streams: int) -> Shapes:
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        f"state/{layer}/{index}": (shape, "<f4")
        for layer, shapes in model.network.state_shapes(streams).items()
        for index, shape in enumerate(shapes)
    }
    text = model.spec.data.predicts_next and model.vocabulary is not None
    names = ("stream/drawn", "stream/last") if text else ("stream/drawn",)
    return expected | {name: ((streams,), "<i8") for name in names}
