"""rnnkit neurons: what a hidden unit reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import emit, located, read_input, table, tell, write_named
from rnnkit.cli.options import CHECKPOINT, COLOR, make_command, registry
from rnnkit.cli.paths import OUTPUT, PATH
from rnnkit.errors import CheckpointError, DataError, printable

if TYPE_CHECKING:
    from rnnkit.analysis.neurons.follow import Follower, Search
    from rnnkit.analysis.neurons.properties import Property
    from rnnkit.analysis.neurons.record import Activations
    from rnnkit.analysis.neurons.saturation import Saturation
    from rnnkit.analysis.neurons.text import TokenText
    from rnnkit.inference.model import Model
    from rnnkit.types import Array

ALWAYS = 0.9
"""The fraction of time from which on a gate counts as always saturated."""


@make_command("neurons")
@CHECKPOINT
@click.argument("text", type=PATH)
@click.option(
    "--property",
    "names",
    multiple=True,
    metavar="NAME",
    help="quotes, brackets, line, word or regex:PATTERN (default: the first four).",
)
@click.option("--unit", metavar="LAYER/PART/UNIT", help="The unit that colours the text.")
@click.option("--out", type=OUTPUT, help="Write a page for the browser, with every unit.")
@click.option(
    "--length", default=5000, type=click.IntRange(min=1), help="Tokens of the text that are read."
)
@click.option("--top", default=3, type=click.IntRange(min=1), help="Units for each property.")
@COLOR
def command(
    checkpoint: Path,
    text: Path,
    names: tuple[str, ...],
    unit: str | None,
    out: Path | None,
    length: int,
    top: int,
    color: bool,
) -> None:
    """Find the hidden units of CHECKPOINT that follow a property of TEXT, a file or -.

    The text is read from a zero hidden state. The states h and c and the gates of every layer are
    compared with each property; the text is coloured by one unit, red above zero and blue below.
    """
    from rnnkit.analysis.neurons.ansi import coloured
    from rnnkit.analysis.neurons.follow import search
    from rnnkit.analysis.neurons.record import record
    from rnnkit.analysis.neurons.report import gates_object, search_object
    from rnnkit.analysis.neurons.saturation import saturations
    from rnnkit.inference.model import load

    _check(names)
    model = load(checkpoint, registry(), tell)
    if model.network.reads_source:
        message = "the model has an encoder, not one text that it reads (see rnnkit attention)"
        raise CheckpointError.of("CKPT_ENCODER", message, model.path)
    ids, tokens = tokens_of_text(model, text, length)
    parts = record(model.network, model.store.values, ids)
    if not parts:
        message = "no layer of the model is recurrent, so it has no hidden unit"
        raise CheckpointError.of("CKPT_NO_STATE", message, model.path)
    searches = search(parts, varying(names, tokens, str(text)), top)
    part, index = chosen(parts, searches, unit)
    gates = saturations(parts)
    if out is not None:
        from rnnkit.analysis.neurons.page import page

        title = f"{model.spec.name}: {'stdin' if str(text) == '-' else text.name}"
        html = page(title, tokens.tokens, parts, searches, gates, f"{part.label}/{index}")
        write_named(out, html.encode())
    result = {
        "checkpoint": str(model.path),
        "tokens": len(ids),
        "properties": [search_object(each) for each in searches],
        "gates": gates_object(gates),
        "unit": f"{part.label}/{index}",
        "values": part.values[:, index].tolist(),
    }
    said = _as_text(searches, gates)
    if color:
        painted = coloured(tokens.tokens, part.shown(index))
        said = f"{part.label}/{index}: {part.formula()}\n\n{painted}\n\n{said}"
    emit(result, said)


def tokens_of_text(model: Model, file: Path, length: int) -> tuple[Array, TokenText]:
    """Return the first ids of a text, and what each of them stands for; raises DataError."""
    from rnnkit.analysis.neurons.text import TokenText
    from rnnkit.contracts import checked_tokenizer
    from rnnkit.contracts.tokenizer import chunks_as_given

    data, name = read_input(file)
    tokenizer, vocabulary = model.text()
    with located(name):
        data = b"".join(chunks_as_given(tokenizer, [data], name))
        ids = checked_tokenizer.encode(tokenizer, data, vocabulary)
        if not len(ids):
            raise DataError.of("DATA_TOO_SMALL", "holds no token (give a text that is not empty)")
        spelling = checked_tokenizer.spelling(tokenizer, data, vocabulary)
    if len(ids) > length:
        tell(f"reads the first {length:,} of {len(ids):,} tokens (--length reads more)")
    first, *rest = spelling[:length]
    # As they are read; a mark that stands later in the text is a character.
    read = [tokenizer.plain(first), *(tokenizer.plain(b" " + part)[1:] for part in rest)]
    return ids[:length], TokenText.of(read)


def varying(names: Sequence[str], tokens: TokenText, where: str) -> list[Property]:
    """Return the properties; DataError for one that was asked for and never changes."""
    from rnnkit.analysis.neurons.properties import PROPERTIES, property_of

    found = [property_of(name, tokens) for name in names or PROPERTIES]
    for each in found:
        if not each.varies and names:
            message = (
                f"the property {printable(each.name)!r} never changes in this text, so no unit can "
                "follow it (give another text, or a greater --length)"
            )
            raise DataError.of("DATA_NO_PROPERTY", message, where)
        if not each.varies:
            tell(f"no unit can follow {each.name!r}: it never changes in this text")
    return [each for each in found if each.varies]


def chosen(
    parts: Sequence[Activations], searches: Sequence[Search], unit: str | None
) -> tuple[Activations, int]:
    """Return the unit that was asked for, else the one furthest above chance, else the first."""
    from rnnkit.analysis.neurons.record import unit_of

    if unit is None:
        found = [(abs(s.units[0].r) - s.chance, s.units[0]) for s in searches if s.units]
        best = max(found, key=lambda each: each[0])[1] if found else None
        return (best.part, best.unit) if best else (parts[0], 0)
    try:
        return unit_of(parts, unit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--unit") from None


def _as_text(searches: Sequence[Search], gates: Sequence[Saturation]) -> str:
    """Return the tables for people."""
    head = ("property", "unit", "r", "chance", "auc", "accuracy", "guess")
    rows = [_row(each, follower) for each in searches for follower in each.units]
    open_head = ("gate", "left", "right", "always left", "always right")
    states = [
        (
            each.part.label,
            f"{each.left.mean():.3f}",
            f"{each.right.mean():.3f}",
            int((each.left > ALWAYS).sum()),
            int((each.right > ALWAYS).sum()),
        )
        for each in gates
    ]
    blocks = [table(rows, head)] if rows else []
    return "\n\n".join([*blocks, *([table(states, open_head)] if states else [])])


def _row(search: Search, follower: Follower) -> tuple[str, ...]:
    name = printable(search.property.name, 24)
    row = (name, follower.label, f"{follower.r:.3f}", f"{search.chance:.3f}")
    if follower.auc is None:
        return (*row, "", "", "")
    guess = max(search.mean, 1 - search.mean)
    return (*row, f"{follower.auc:.3f}", f"{follower.accuracy:.3f}", f"{guess:.3f}")


def _check(names: Sequence[str]) -> None:
    """Refuse what is no property before a model is read."""
    from rnnkit.analysis.neurons.properties import PATTERN, PROPERTIES, pattern_of

    for name in names:
        if name in PROPERTIES:
            continue
        if not name.startswith(PATTERN):
            known = ", ".join(PROPERTIES)
            message = f"expected one of {known}, or {PATTERN}PATTERN, received {name!r}"
            raise click.BadParameter(message, param_hint="--property")
        try:
            pattern_of(name)
        except ValueError as error:
            message = f"{printable(name)!r} is no regular expression: {error}"
            raise click.BadParameter(message, param_hint="--property") from None
