"""An encoder reads a source; a decoder starts from its states and writes the targets.

Sutskever, Vinyals and Le 2014, "Sequence to sequence learning with neural networks"; Cho et al.
2014, whose decoder sees the encoder's last output at every step ("peek").

A batch is one window of whole pairs. The source is right-aligned (`Batch.encoder`); the decoder's
window starts at its first step, and what is shorter ends before the window does, with weight 0 from
there on. No state is carried to the next window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from rnnkit.contracts.checked_layer import scanned, starting_state
from rnnkit.contracts.dataset import Batch, EncoderInputs
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.stack import joined, layer_names, peeking
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.network.network import Network, Reader, loss_context
from rnnkit.network.rates import from_lowest
from rnnkit.network.sections import Section, run_sections, sections_of
from rnnkit.network.seq2seq.encoded import (
    DecoderBackward,
    Encoded,
    EncoderBackward,
    last_output,
    layer_context,
    source_of,
    with_memory,
)
from rnnkit.network.states import States, zero_states
from rnnkit.network.visit import Visit
from rnnkit.types import Array, DType, Grads, Params

Bridge: TypeAlias = Literal["all", "output"]
Named: TypeAlias = Sequence[tuple[str, Layer]]


@dataclass(frozen=True)
class Seq2Seq(Network):
    """A network whose first `encoding` layers read the source; all others are the decoder's.

    `bridge` says what passes between recurrent layers of equal rank: `all` arrays of a state, or
    its first, the `output`. With `peek` the encoder's last output joins the inputs of the decoder's
    first recurrent layer and of its last layer, at every step.
    """

    reads_source: ClassVar[bool] = True

    encoding: int = 1
    bridge: Bridge = "all"
    peek: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The layers' names, such as `encoder.1.lstm` and `decoder.1.lstm`."""
        ahead, behind = self.layers[: self.encoding], self.layers[self.encoding :]
        return layer_names(ahead, "encoder.") + layer_names(behind, "decoder.")

    @cached_property
    def encoder(self) -> Network:
        """The layers that read the source."""
        return Network(
            self.layers[: self.encoding],
            self.loss,
            self.inputs,
            self.targets,
            "encoder.",
            rates=self.rates,
        )

    @cached_property
    def reached(self) -> frozenset[str]:
        """The layers that a gradient reaches: all of the decoder where the encoder learns."""
        names, ahead = [name for name, _ in self.decoding], self.encoder.reached
        return ahead | frozenset(names if ahead else from_lowest(names, self.learning))

    @cached_property
    def decoding(self) -> Named:
        """The layers that write, with their names."""
        return self.named[self.encoding :]

    @cached_property
    def peeking(self) -> frozenset[str]:
        """The names of the layers that the encoder's last output joins."""
        layers = self.layers[self.encoding :]
        return frozenset(self.decoding[at][0] for at in peeking(layers) if self.peek)

    @cached_property
    def above_learning(self) -> frozenset[str]:
        """The layers of the decoder below which something learns."""
        names = [name for name, _ in self.decoding]
        if self.encoder.reached:
            return frozenset(names)
        return frozenset(above for name, above in pairwise(names) if name in self.reached)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The recurrent layers whose states pass, from the encoder's to the decoder's."""
        signals = self.entering()
        names = [name for name, layer in self.named if layer.state_sizes(signals[name])]
        ahead = [name for name in names if name in self.encoder.names]
        return tuple(zip(ahead, names[len(ahead) :], strict=True))

    def entering(self) -> dict[str, Signal]:
        """Return the signal that each layer reads, by name; what joins it is counted."""
        found, signal = self.encoder.entering(), self.inputs
        for name, layer in self.decoding:
            found[name] = (
                joined(signal, last_output(self.encoder)) if name in self.peeking else signal
            )
            signal = layer.output(found[name])
        return found

    @property
    def outputs(self) -> Signal:
        """What the last layer gives."""
        return list(self.leaving().values())[-1]

    def state_shapes(self, batch: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return nothing: no state is carried from window to window."""
        return {}

    def initial_states(self, batch: int, dtype: DType) -> States:
        """Return nothing: every window starts from scratch."""
        return {}

    def encode(
        self, params: Mapping[str, Params], source: EncoderInputs, ctx: Context
    ) -> tuple[Encoded, EncoderBackward]:
        """Read a source; what is returned lies in scratch memory."""
        ctx = ctx.but(valid=source.valid, learns_below=False)
        batch = source.resets.shape[1]
        first = self.encoder.initial_states(batch, ctx.dtype)
        memory, after, backward = self.encoder.scan(
            params, source.inputs, first, source.resets, ctx
        )
        last = after[self.pairs[-1][0]][0]
        encoded = Encoded(memory, source.valid, self._bridged(after, batch, ctx.dtype), last)

        def encoder_backward(slope: Encoded, grads: Mapping[str, Grads]) -> None:
            dafter = zero_states(after)
            for gives, takes in self.pairs:
                passed = len(after[gives]) if self.bridge == "all" else 1
                for own, other in zip(dafter[gives][:passed], slope.states[takes], strict=False):
                    own += other
            dlast = dafter[self.pairs[-1][0]][0]
            dlast += slope.last
            backward(slope.memory, dafter, grads)

        return encoded, encoder_backward

    def read_source(
        self, params: Mapping[str, Params], source: EncoderInputs, ctx: Context
    ) -> Encoded:
        """Read a source as `encode` does, without a way back."""
        streams = source.resets.shape[1]
        first = self.encoder.initial_states(streams, ctx.dtype)
        memory, after = self.encoder.forward(
            params, source.inputs, first, source.resets, ctx.but(valid=source.valid)
        )
        last = after[self.pairs[-1][0]][0]
        return Encoded(memory, source.valid, self._bridged(after, streams, ctx.dtype), last)

    def _bridged(self, after: States, batch: int, dtype: DType) -> States:
        """Return the decoder's first states; what does not pass is as the layer starts."""
        signals, layers = self.entering(), dict(self.decoding)
        states: States = {}
        for gives, takes in self.pairs:
            states[takes] = after[gives]
            if self.bridge == "output":
                own = starting_state(layers[takes], signals[takes], batch, dtype, takes)
                states[takes] = (after[gives][0], *own[1:])
        return states

    def decode(
        self,
        params: Mapping[str, Params],
        xs: Array,
        states: States,
        encoded: Encoded,
        ctx: Context,
        layers: Named | None = None,
    ) -> tuple[Array, States, DecoderBackward]:
        """Run a window `xs` of the decoder, or of some `layers` of it, from `states`."""
        after: States = {}
        backwards = []
        for name, layer in self.decoding if layers is None else layers:
            xs = self._joined(name, xs, encoded.last, ctx)
            views = with_memory(layer, params[name], encoded.memory)
            own = states.get(name, ())
            learns = {"learns_below": name in self.above_learning, "learns": name in self.learning}
            own_ctx = layer_context(layer, ctx.at(name, **learns), encoded.valid)
            xs, state, backward = scanned(layer, views, xs, own, None, own_ctx)
            if name in self.reached:
                backwards.append((name, layer, backward))
            if name in states:
                after[name] = state

        def decoder_backward(
            dys: Array, dstates: States, grads: Mapping[str, Grads], slope: Encoded
        ) -> tuple[Array | None, States]:
            before: States = {}
            dxs: Array | None = dys
            for name, layer, backward in reversed(backwards):
                if dxs is None:
                    break
                views = with_memory(layer, grads[name], slope.memory)
                dxs, dstate = backward(dxs, dstates.get(name, ()), views)
                dxs = self._parted(name, dxs, slope.last)
                if name in dstates:
                    before[name] = dstate
            return dxs, before

        return xs, after, decoder_backward

    @cached_property
    def writing(self) -> tuple[Section, ...]:
        """The decoder's sections; one begins where the encoder's last output joins the inputs."""
        runs: list[list[tuple[str, Layer]]] = [[]]
        for name, layer in self.decoding:
            if name in self.peeking:
                runs.append([])
            runs[-1].append((name, layer))
        found = self.entering(), self.declared()
        return tuple(each for run in runs if run for each in sections_of(tuple(run), *found))

    def write(
        self,
        params: Mapping[str, Params],
        xs: Array,
        states: States,
        encoded: Encoded,
        ctx: Context,
        sections: Sequence[Section] = (),
    ) -> tuple[Array, States]:
        """Run a window of the decoder as `decode` does, without a way back; by bound sections."""
        after: States = {}
        for section in sections or self.writing:
            name, first = section.layers[0]
            xs = self._joined(name, xs, encoded.last, ctx)
            views = {
                each: with_memory(layer, params[each], encoded.memory)
                for each, layer in section.layers
            }
            own = layer_context(first, ctx, encoded.valid)
            xs, found = run_sections((section,), views, xs, states, lambda _: {}, None, own)
            after |= found
        return xs, after

    def _joined(self, name: str, xs: Array, last: Array, ctx: Context) -> Array:
        """Return xs with the encoder's last output beside every step, where the layer peeks."""
        if name not in self.peeking:
            return xs
        width = xs.shape[2]
        whole = ctx.empty((*xs.shape[:2], width + last.shape[1]))
        whole[:, :, :width], whole[:, :, width:] = xs, last
        return whole

    def _parted(self, name: str, dxs: Array | None, dlast: Array) -> Array | None:
        """Return the gradient of what was joined, that of the encoder's output added to `dlast`."""
        if name not in self.peeking or dxs is None:
            return dxs
        width = dxs.shape[2] - dlast.shape[1]
        dlast += dxs[:, :, width:].sum(axis=0)
        return np.ascontiguousarray(dxs[:, :, :width])

    def run(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> tuple[Array, States]:
        """Return what the decoder gives when it reads the true targets one step late."""
        encoded = self.read_source(params, source_of(batch), ctx)
        return self.write(params, batch.inputs, encoded.states, encoded, ctx)[0], {}

    def reader(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> tuple[States, Reader]:
        """Read the source; return the decoder's first state, and what runs the decoder on."""
        encoded, _ = self.encode(params, source_of(batch), ctx)

        def read(xs: Array, states: States, resets: Array, ctx: Context) -> tuple[Array, States]:
            return self.decode(params, xs, states, encoded, ctx)[:2]

        return encoded.states, read

    def visits(
        self, params: Mapping[str, Params], batch: Batch, states: States, ctx: Context
    ) -> Iterator[Visit]:
        """Yield the layers of the encoder, then those of the decoder."""
        source = source_of(batch)
        streams = source.resets.shape[1]
        first = self.encoder.initial_states(streams, ctx.dtype)
        reading = batch._replace(inputs=source.inputs, resets=source.resets)
        after: States = {}
        for visit in self.encoder.visits(params, reading, first, ctx.but(valid=source.valid)):
            yield visit
            memory, after[visit.name] = visit.done()
        begin = self._bridged(after, streams, ctx.dtype)
        last = after[self.pairs[-1][0]][0]
        xs = batch.inputs
        for name, layer in self.decoding:
            views = with_memory(layer, params[name], memory)
            xs = self._joined(name, xs, last, ctx)
            own_ctx = layer_context(layer, ctx.at(name), source.valid)
            visit = Visit(name, layer, views, xs, begin.get(name, ()), None, own_ctx)
            yield visit
            xs, _ = visit.done()

    def learn(
        self,
        params: Mapping[str, Params],
        grads: Mapping[str, Grads],
        batch: Batch,
        states: States,
        ctx: Context,
    ) -> tuple[float, float, States]:
        """Add the gradient of a batch's summed loss to `grads`; return (total, weight, {}).

        The last layer and the loss are one where the layer is linear and the loss offers it.
        """
        encoded, encoder_backward = self.encode(params, source_of(batch), ctx)
        slope, (name, _) = encoded.slope(), self.decoding[-1]
        ys, after, backward = self.decode(
            params, batch.inputs, encoded.states, encoded, ctx, self.decoding[:-1]
        )
        whole = self._joined(name, ys, encoded.last, ctx)
        found = self._fused(params, grads, whole, batch, ctx)
        if found is None:
            ys, ended, last_backward = self.decode(
                params, ys, encoded.states, encoded, ctx, self.decoding[-1:]
            )
            own = loss_context(ctx, batch)
            total, weight, loss_backward = self.loss.counted(ys, batch.targets, batch.weights, own)
            dys, before = last_backward(loss_backward(), zero_states(ended), grads, slope)
        else:
            (total, weight, dwhole), before = found, {}
            dys = self._parted(name, dwhole, slope.last)
        if dys is not None:
            before |= backward(dys, zero_states(after), grads, slope)[1]
        if self.encoder.reached:
            encoder_backward(slope._replace(states=before), grads)
        return total, weight, {}
