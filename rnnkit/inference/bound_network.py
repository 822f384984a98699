"""A network with its parameters: run on ids and values, and on text by its vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from rnnkit.checkpoint.meta import DataFacts
from rnnkit.compute.quantize import quantized
from rnnkit.compute.stack.parameters import MANY
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.context import Context
from rnnkit.core.home import given_path
from rnnkit.core.params import ParamStore
from rnnkit.errors import CheckpointError, DataError
from rnnkit.inference.inputs import checked, checked_count, checked_state, given_array
from rnnkit.inference.stream_state import StreamState
from rnnkit.network.network import Network
from rnnkit.network.sections import Online, online
from rnnkit.network.states import States
from rnnkit.spec.model import Spec
from rnnkit.types import Array

if TYPE_CHECKING:
    from rnnkit.exchange.exported import Exported


@dataclass(frozen=True, repr=False)
class BoundNetwork:
    """A network with its parameters, and the vocabulary that gives its ids a meaning."""

    path: Path
    spec: Spec
    network: Network
    store: ParamStore
    vocabulary: Vocabulary | None
    data: DataFacts | None = None
    """What it knows of its data; None where nobody asks."""
    folder: object = None
    """What keeps a temporary folder of the run in its place; None where the run has its own."""
    int8: bool = False
    """Whether the matrices hold what 8 bits can: see `quantized`."""

    @property
    def trained_on(self) -> str | None:
        """The SHA-256 of the data it was trained on; None for an untrained model."""
        return (self.data.sha256 or None) if self.data else None

    def __repr__(self) -> str:
        """Return what tells models apart in one line."""
        layers = ", ".join(self.network.entering())
        return f"Model({str(self.path)!r}: {layers}; {self.store.size:,} parameters)"

    def quantized(self) -> Self:
        """Return the model with its matrices in 8 bits, and a scale for each of their rows.

        Whatever it is asked, it computes with the numbers that these mean, and `params` shows them;
        sampling and `step` read them in 8 bits, as they were when they were first asked: quantize
        again after a change. `evaluate` tells what that costs. Raises CheckpointError where no
        parameter is a matrix.
        """
        stored = self.store.stored()
        if all(array.ndim != 2 for array in stored.values()):
            message = "no parameter is a matrix, so none can be held in 8 bits "
            message += "(leave out --weights int8, in Python quantized())"
            raise CheckpointError.of("CKPT_NO_MATRIX", message, self.path)
        store = self.network.store(np.dtype(np.float32))
        for name, into in store.stored().items():
            into[...] = quantized(stored[name]).floats() if into.ndim == 2 else stored[name]
        return replace(self, store=store, int8=True)

    def forward(self, ids: Array, state: States | None = None) -> tuple[Array, States]:
        """Run ids (T, B), or values (T, B, F), from a state (None: the initial one).

        Returns what the last layer gives (T, B, V), such as logits, and the state to go on from.
        Values are in the units of the data, whatever scale the model reads; so is what a loss such
        as mse estimates, in float64 where it was on a scale. Raises ValueError for other shapes,
        ids outside the vocabulary, and an encoder with decoder.
        """
        if self.network.reads_source:
            raise ValueError("an encoder and decoder read pairs: use rnnkit decode, or eval")
        data = self.spec.data
        xs = checked(given_array(ids), self.network.inputs, data.to_scale)
        ctx = Context()
        if state is None:
            state = self.network.initial_states(xs.shape[1], ctx.dtype)
        else:
            state = checked_state(state, self._state_sizes, xs.shape[1])
        ys, after = self.network.forward(self.store.values, xs, state, None, ctx)
        return data.to_units(ys) if self.network.loss.estimates else ys, after

    def start(self, streams: int = 1) -> States:
        """Return the state before the first step of so many streams, for `step`.

        Raises ValueError where a layer reads later inputs: no output can then be given at once.
        """
        self._check_online()
        checked_count("streams", streams)
        return self.network.initial_states(streams, np.dtype(np.float32))

    def step(self, x: Array | int, state: States | None) -> tuple[Array, States]:
        """Run one step of a stream as it arrives; return (y, state), both to keep.

        None stands for the state before the first step, which `start` gives.

        `x` is an id or values (F,), and `y` (V,) then; or a step of B streams: ids (B,) or values
        (B, F), and y (B, V). Steps give what `forward` gives for the whole sequence.
        """
        self._check_online()
        xs = given_array(x)
        single = xs.ndim == (0 if self.network.inputs.ids else 1)
        ys, after = self._step(xs[None, None] if single else xs[None], state)
        return ys[0, 0] if single else ys[0], after

    def _step(self, xs: Array, state: States | None) -> tuple[Array, States]:
        """Run a step (1, B) or (1, B, F) as `forward` does, a few streams without detours."""
        online = self._online
        if online is None or state is None or xs.ndim < 2 or xs.shape[1] >= MANY:
            return self.forward(xs, state)
        xs = checked(xs, self.network.inputs, self.spec.data.to_scale)
        ys, after = online.step(xs, checked_state(state, self._state_sizes, xs.shape[1]))
        return self.spec.data.to_units(ys) if self.network.loss.estimates else ys, after

    @cached_property
    def _online(self) -> Online | None:
        """The stack bound to where the parameters lie, which is the same as long as they live."""
        return online(self.network.sections, self.store.values, self.int8)

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy or a pickle holds: its parameters will lie at other addresses."""
        return {name: value for name, value in vars(self).items() if name != "_online"}

    @cached_property
    def _state_sizes(self) -> dict[str, tuple[int, ...]]:
        """The numbers of each array of the hidden states, of one stream."""
        shapes = self.network.state_shapes(1)
        return {name: tuple(n for _, n in arrays) for name, arrays in shapes.items()}

    def export(
        self, to: str, out: str | Path, *, verify: bool = True, force: bool = False
    ) -> Exported:
        """Write the model for another program into a folder; see `rnnkit export --help`."""
        from rnnkit.exchange.exported import exported

        return exported(self, to, given_path(out), verify=verify, force=force)

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write a checkpoint of the parameters as they are, which every command takes.

        It starts anew: step 0, a fresh optimizer, a zero hidden state. Raises RefusedError where
        there is a file, unless `force` replaces it, StorageError where none can be written.
        """
        from rnnkit.exchange.saving import save_model

        save_model(self, self.data, given_path(path), force=force)

    def _check_online(self) -> None:
        if self.network.reads_source:
            raise ValueError("the encoder reads its whole source before the first step")
        if name := self.network.reads_later:
            raise ValueError(
                f"layer {name} reads later inputs, so a step has no output of its own: "
                "give the whole sequence to forward"
            )

    def line_start(self) -> StreamState:
        """Return a stream of text that has read nothing: a zero hidden state at a line's start."""
        self._check_next()
        return StreamState.zero(self.network, last=self._line_start())

    def text(self) -> tuple[Tokenizer, Vocabulary]:
        """Return tokenizer and vocabulary; raises CheckpointError for a model of no text."""
        tokenizer = self.spec.data.text_tokenizer()
        if tokenizer is None or self.vocabulary is None:
            message = "the model reads no text, so it has no vocabulary"
            message += f"; use rnnkit {self.spec.data.asked_by}"
            raise CheckpointError.of("CKPT_NO_TEXT", message, self.path)
        return tokenizer, self.vocabulary

    def _check_next(self) -> None:
        """Raise CheckpointError where what the model gives is not the next token of a text."""
        self.text()
        if not self.spec.data.predicts_next:
            message = "the model does not predict the next token of a text; "
            message += f"use rnnkit {self.spec.data.asked_by}"
            raise CheckpointError.of("CKPT_NO_TEXT", message, self.path)

    def prompt_ids(self, prompt: str) -> Array:
        """Return the ids of a prompt; an empty one is the start of a line."""
        ids = self.encode(prompt)
        return ids if len(ids) else np.array([self._line_start()])

    def encode(self, text: str) -> Array:
        """Return the ids of a text; raises DataError for what the model does not know.

        Bytes that are no UTF-8 may stand in it as Python's `surrogateescape` writes them.
        """
        return self.encoder()(text)

    def encoder(self) -> Callable[[str], Array]:
        """Return `encode`, prepared once for many texts."""
        tokenizer, vocabulary = self.text()
        pieces, none = (
            checked_tokenizer.encoder(tokenizer, vocabulary),
            np.empty(0, vocabulary.dtype),
        )

        def encode(text: str) -> Array:
            try:
                data = text.encode(errors="surrogateescape")
            except UnicodeEncodeError as error:
                message = f"character {error.start} is half a surrogate pair (take it out)"
                raise DataError.of("DATA_ENCODING", message) from error
            return np.concatenate([none, *pieces([data])])

        return encode

    def _line_start(self) -> int:
        """Return what ends the line before: a newline, `<eos>`, or else the first token."""
        _, vocabulary = self.text()
        for token in ("\n", "\\n", "<eos>"):
            if token in vocabulary.tokens:
                return vocabulary.tokens.index(token)
        return 0
