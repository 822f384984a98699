"""rnnkit decode: what a decoder writes for sources."""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli.common import emit, tell, tell_nothing, texts_given
from rnnkit.cli.options import CHECKPOINT, Number, make_command, registry
from rnnkit.cli.results import json_asked


@make_command("decode")
@CHECKPOINT
@click.argument("source", nargs=-1)
@click.option(
    "--beam",
    "width",
    default=1,
    type=click.IntRange(1, 1000),
    help="Search so many beams; 1 takes the likeliest token each time.",
)
@click.option(
    "--alpha", default=1.0, type=Number(0, 10), help="Beams are ranked by log p / length^alpha."
)
@click.option(
    "-n",
    "count",
    default=1,
    type=click.IntRange(1, 1000),
    help="How many of the beams to show, with their log p.",
)
@click.option(
    "--length",
    default=200,
    type=click.IntRange(min=1, max=65536),
    help="Tokens of a target at most.",
)
def command(
    checkpoint: Path, source: tuple[str, ...], width: int, alpha: float, count: int, length: int
) -> None:
    """Write what the model of CHECKPOINT, with an encoder and a decoder, gives for each SOURCE.

    Each line of stdin is one where SOURCE is -, or there is none. A line of output belongs to each;
    with -n above 1 a block of lines, the best first: log p in nats, a tab, the target.
    """
    from rnnkit.inference.model import load
    from rnnkit.inference.translate import translate

    if count > width:
        raise click.UsageError(f"-n {count} needs as many beams (give --beam {count})")
    model = load(checkpoint, registry(), tell)
    texts = texts_given(source or ["-"])
    if not texts:
        tell_nothing(Path("-"), "decode")
    found = [targets[:count] for targets in translate(model, texts, width, alpha, length)]
    result = {
        "checkpoint": str(model.path),
        "targets": [
            {"source": text, "targets": [written._asdict() for written in targets]}
            for text, targets in zip(texts, found, strict=True)
        ],
    }
    if count == 1:
        said = "\n".join(targets[0].text for targets in found)
    else:
        said = "\n\n".join(
            "\n".join(f"{written.log_probability:.4f}\t{written.text}" for written in targets)
            for targets in found
        )
    if json_asked() or found:
        emit(result, said)
