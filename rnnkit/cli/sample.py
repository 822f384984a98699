"""rnnkit sample: text from a trained model."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import Stopped, emit, located, print_json, read_input, tell, tell_nothing
from rnnkit.cli.options import (
    CHECKPOINT,
    SEED,
    STATES,
    WEIGHTS,
    Number,
    make_command,
    registry,
    with_weights,
)
from rnnkit.cli.results import json_asked, print_result

if TYPE_CHECKING:
    from rnnkit.inference.generate import Sampling
    from rnnkit.inference.model import Model
    from rnnkit.inference.sample_stream import Grown
    from rnnkit.inference.stream_state import StreamState


@make_command("sample")
@CHECKPOINT
@click.option(
    "--prompt", default="", show_default=False, help="Text to continue; - reads it from stdin."
)
@click.option("--length", default=400, type=click.IntRange(min=0), help="Tokens to generate.")
@click.option(
    "-t",
    "--temperature",
    default=1.0,
    type=float,
    help="Below 1 safer, above 1 wilder; 0 is --greedy.",
)
@click.option("--greedy", is_flag=True, help="Always take the likeliest token.")
@click.option("--top-k", type=click.IntRange(min=1), help="Draw from the k likeliest tokens.")
@click.option(
    "--top-p",
    type=Number(0, 1, min_open=True),
    help="Draw from the likeliest tokens that reach this probability.",
)
@click.option("--stop", help="End a sample before this text.")
@click.option("--seed", default=1, type=SEED, help="Equal seeds give equal samples.")
@click.option("-n", "count", default=1, type=click.IntRange(1, 65536), help="How many samples.")
@click.option(
    "--stream", is_flag=True, help="Answer each line of stdin at once, the state carried on."
)
@STATES
@WEIGHTS
def command(
    checkpoint: Path,
    prompt: str,
    length: int,
    temperature: float,
    greedy: bool,
    top_k: int | None,
    top_p: float | None,
    stop: str | None,
    seed: int,
    count: int,
    stream: bool,
    state_in: Path | None,
    state_out: Path | None,
    weights: str,
) -> None:
    """Generate text with the model of CHECKPOINT, a file or a run directory.

    Only the text goes to stdout, the prompt before it. --state-in starts from the hidden state
    that --state-out wrote, and from its random numbers; the states of one stream serve -n samples.
    """
    from rnnkit.contracts.tokenizer import as_read, line_reader
    from rnnkit.inference.generate import Sampling
    from rnnkit.inference.model import load
    from rnnkit.inference.states import check_continues, load_states, save_states

    if not (temperature == 0 or 1e-6 <= temperature <= 1e6):
        message = "expected 0, for the likeliest token each time, or a number from 1e-06 to 1e+06"
        raise click.UsageError(f"--temperature: {message}, received {temperature:g}")
    if temperature == 0:
        tell("-t 0: the likeliest token each time, as with --greedy")
        temperature, greedy = 1.0, True
    if stream and (count > 1 or prompt == "-"):
        raise click.UsageError(
            "--stream reads stdin and answers each line once: leave out "
            + ("-n" if count > 1 else "--prompt -")
        )
    model = with_weights(load(checkpoint, registry(), tell), weights)
    begun = load_states(state_in, model, count) if state_in else None
    sampling = Sampling(temperature=temperature, greedy=greedy, top_k=top_k, top_p=top_p, seed=seed)
    if state_out:
        check_continues(model)
    if stop:  # the text that it is looked for in has no other line ends
        stop = as_read(model.text()[0], stop.encode(errors="surrogateescape"), "--stop")
    asked = Asked(model, sampling, length, stop or None)
    given = prompt
    if prompt == "-":
        given = line_reader(*model.text())(as_read(model.text()[0], *read_input(Path(prompt))))
    model.encode(given)  # what the model does not know is reported before anything is written
    if stream:
        with ending_at_signals() as ending:
            answer(asked, given, begun, state_out, ending)
    else:
        after = one_go(asked, given, count, begun)
        if state_out:
            save_states(state_out, model, after())


@dataclass(frozen=True)
class Asked:
    """What is sampled, and how."""

    model: Model
    sampling: Sampling
    length: int
    stop: str | None

    def grow(self, prompt: str, count: int, begun: StreamState | None) -> Iterator[Grown]:
        """Yield the samples as they grow."""
        from rnnkit.inference.sample_stream import grow

        return grow(self.model, prompt, self.length, count, self.sampling, self.stop, begun)

    def ended(self, prompt: str, grown: Grown, begun: StreamState | None) -> StreamState:
        """Return where the samples stand."""
        from rnnkit.inference.sample_stream import ended

        return ended(self.model, prompt, grown.ids, self.stop, begun)


def one_go(
    asked: Asked, given: str, count: int, begun: StreamState | None
) -> Callable[[], StreamState]:
    """Write samples of one prompt; return what tells where they stand."""
    pieces = asked.grow(given, count, begun)
    # Bytes that are no UTF-8, which a model of bytes may be given, cannot be shown as they are.
    shown = given.encode(errors="surrogateescape").decode(errors="replace")
    if json_asked() or count > 1:
        (grown,) = deque(pieces, maxlen=1)
        result = {"prompt": shown, "seed": asked.sampling.seed, "samples": grown.texts}
        emit(result, "\n\n".join(shown + sample for sample in grown.texts))
    else:
        grown = write(shown, pieces)
        print_result()
    return lambda: asked.ended(given, grown, begun)


def write(shown: str, pieces: Iterator[Grown]) -> Grown:
    """Write a sample as it grows, after what is shown before it; return it whole."""
    written = -1
    for grown in pieces:
        (text,) = grown.texts
        if written < 0:
            print_result(shown, nl=False)
            written = 0
        print_result(text[written:], nl=False)
        written = len(text)
    return grown


@dataclass
class Ending:
    """The signal that ends a conversation, 0 while none did; while it is `held` it waits."""

    number: int = 0
    held: bool = False

    def release(self) -> None:
        """Let a signal end the conversation at once again; raise Stopped for one that waited."""
        self.held = False
        if self.number:
            raise Stopped(self.number)


def answer(
    asked: Asked, prompt: str, begun: StreamState | None, state_out: Path | None, ending: Ending
) -> None:
    """Answer each line of stdin at once; the state goes from line to line, then to the file.

    An answer ends where `--stop` begins, at the end of a line unless told otherwise. However the
    conversation ends, what is saved stands after its last whole answer.
    """
    from rnnkit.contracts.tokenizer import line_reader, lines_as_read
    from rnnkit.inference.states import save_states

    asked = replace(asked, stop=asked.stop or "\n")
    tokenizer, vocabulary = asked.model.text()
    stands, read = begun or asked.model.line_start(), line_reader(tokenizer, vocabulary)
    if prompt:
        stands = asked.model.after(prompt, [[]], stands)
    try:
        lines = lines_as_read(tokenizer, sys.stdin.buffer, "stdin")
        number = 0
        for number, line in enumerate(map(read, lines), 1):
            with located("stdin", number):
                asked.model.encode(line)
            pieces = asked.grow(line, 1, stands)
            grown = deque(pieces, maxlen=1)[0] if json_asked() else write("", pieces)
            after = asked.ended(line, grown, stands)
            ending.held = True  # whoever has read the whole answer finds it in the state
            if json_asked():
                print_json({"line": number, "answer": grown.texts[0]})
            else:
                print_result()
            stands = after
            ending.release()
        if not number:
            tell_nothing(Path("-"), "answer")
    finally:
        # A pipeline or a terminal that closes sends the end of stdin and a signal at once.
        ending.held = True
        if state_out:
            save_states(state_out, asked.model, stands)
    ending.release()


@contextmanager
def ending_at_signals() -> Iterator[Ending]:
    """Let SIGINT, SIGTERM and SIGHUP end a conversation; a second one takes the system's way."""
    from rnnkit.training.signals import after_first, caught

    ending = Ending()
    signals = [number for number in caught() if signal.getsignal(number) != signal.SIG_IGN]

    def first(number: int, frame: FrameType | None) -> None:
        after_first(signals)
        ending.number = number
        if not ending.held:
            raise Stopped(number)

    before = {number: signal.signal(number, first) for number in signals}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
