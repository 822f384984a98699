"""rnnkit sample: text from a trained model."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import PATH, emit, verb

if TYPE_CHECKING:
    from rnnkit.generate import Sampling
    from rnnkit.model import Model

PIECE = 32
"""Tokens between two writes, or an eighth of what is there: text appears as it is made."""


@verb("sample")
@click.argument("checkpoint", type=PATH)
@click.option("--prompt", default="", help="Text to go on from; - reads it from stdin.")
@click.option(
    "--length",
    default=400,
    show_default=True,
    type=click.IntRange(min=0),
    help="Tokens to generate.",
)
@click.option(
    "-t",
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1e6, min_open=True),
    help="Below 1 safer, above 1 wilder.",
)
@click.option("--greedy", is_flag=True, help="Always take the likeliest token.")
@click.option("--top-k", type=click.IntRange(min=1), help="Draw from the k likeliest tokens.")
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Draw from the likeliest tokens that reach this probability.",
)
@click.option("--stop", help="End a sample before this text.")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Equal seeds give equal samples.",
)
@click.option(
    "-n",
    "count",
    default=1,
    show_default=True,
    type=click.IntRange(1, 65536),
    help="How many samples.",
)
@click.option("--untrusted", is_flag=True, help="Read the file in a limited child process.")
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
    untrusted: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Generate text with the model of CHECKPOINT, a file or a run directory.

    Only the text goes to stdout, the prompt before it.
    """
    from rnnkit.generate import Sampling
    from rnnkit.model import load

    if temperature != temperature or top_p != top_p:
        raise click.UsageError("--temperature and --top-p must be numbers, received nan")
    model = load(checkpoint, untrusted=untrusted)
    given = _stdin() if prompt == "-" else prompt
    model.encode(given)  # what the model does not know is told before anything is written
    sampling = Sampling(temperature=temperature, greedy=greedy, top_k=top_k, top_p=top_p, seed=seed)
    texts = grow(model, given, length, count, sampling, stop or None)
    # Bytes that are no UTF-8, which a model of bytes may be given, cannot be shown as they are.
    shown = given.encode(errors="surrogateescape").decode(errors="replace")
    if as_json or count > 1:
        (samples,) = deque(texts, maxlen=1)
        result = {"prompt": shown, "seed": seed, "samples": samples}
        emit(as_json, result, "\n\n".join(shown + sample for sample in samples))
        return
    written = -1
    for (text,) in texts:
        if written < 0:
            click.echo(shown, nl=False)
            written = 0
        click.echo(text[written:], nl=False)
        sys.stdout.flush()
        written = len(text)
    click.echo()


def grow(
    model: Model, prompt: str, length: int, count: int, sampling: Sampling, stop: str | None
) -> Iterator[list[str]]:
    """Yield the samples as they grow; each stays as it is once it has met `stop`.

    What may still change, because a token goes on or `stop` may be under way, is held back.
    """
    steps = model.stream(prompt, count, sampling)
    samples: list[list[int]] = [[] for _ in range(count)]
    drawn, done = 0, False
    while not done:
        piece = list(islice(steps, min(max(PIECE, drawn // 8), length - drawn)))
        rows = zip(*(ids.tolist() for ids in piece), strict=True)
        for sample, added in zip(samples, rows, strict=False):
            sample += added
        drawn += len(piece)
        texts = model.continuations(prompt, samples)
        done = drawn == length or all(stop is not None and stop in text for text in texts)
        yield [_settled(text, stop, done) for text in texts]


def _stdin() -> str:
    return sys.stdin.buffer.read().decode(errors="surrogateescape")


def _settled(text: str, stop: str | None, done: bool) -> str:
    """Return the part of a growing text that stays."""
    if stop and stop in text:
        return text[: text.index(stop)]
    if done:
        return text
    held = max(len(stop) - 1 if stop else 0, 1)
    return text[: max(len(text) - held, 0)].rstrip("\ufffd")
