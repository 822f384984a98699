"""rnnkit attention: where a decoder looks in its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.common import emit, located, tell, tell_nothing, texts_given, write_named
from rnnkit.cli.options import CHECKPOINT, COLOR, make_command, registry
from rnnkit.cli.paths import Output
from rnnkit.cli.results import json_asked, terminal_width
from rnnkit.errors import CheckpointError

if TYPE_CHECKING:
    from rnnkit.analysis.attention.grid import Grid
    from rnnkit.inference.model import Model


@make_command("attention")
@CHECKPOINT
@click.argument("text", nargs=-1, required=True)
@click.option("--target", help="Look while reading this target, not what the model writes.")
@click.option("--out", type=Output(".svg", ".html"), help="Write the maps to .svg or .html.")
@COLOR
def command(
    checkpoint: Path, text: tuple[str, ...], target: str | None, out: Path | None, color: bool
) -> None:
    """Show where the decoder of CHECKPOINT looks in each TEXT, or line of stdin for -.

    A row for each token that it writes, a column for each of the text: the weights of the layer
    attention, which sum to 1 in a row.
    """
    from rnnkit.analysis.attention.svg import attention_page, attention_svg
    from rnnkit.analysis.attention.terminal import draw_map
    from rnnkit.inference.model import load

    model = load(checkpoint, registry(), tell)
    texts = texts_given(text)
    if not texts:
        tell_nothing(Path("-"), "read")
    numbered = enumerate(texts, 1)
    grids = [grid for number, each in numbered for grid in maps(model, number, each, target)]
    for length in sorted({len(grid.written) for grid in grids if grid.cut}):
        tell(f"what the model writes has no end within {length} tokens: it is cut there")
    if out is not None and grids:
        html = out.suffix.lower() == ".html"
        picture = (
            attention_page(f"{model.spec.name}: attention", grids) if html else attention_svg(grids)
        )
        write_named(out, picture.encode())
    said = "\n\n".join(draw_map(grid, color, terminal_width()) for grid in grids)
    if json_asked() or grids:
        emit({"checkpoint": str(model.path), "maps": list(map(_as_object, grids))}, said)


def maps(model: Model, number: int, text: str, target: str | None) -> list[Grid]:
    """Return the maps of the text with this number.

    Raises CheckpointError for a model that attends to nothing, and DataError for text that it does
    not know.
    """
    from rnnkit.analysis.attention.texts import grids_of
    from rnnkit.contracts.pair_text import TextPairs
    from rnnkit.network.seq2seq import Seq2Seq

    data, network = model.spec.data.underlying, model.network
    if not (isinstance(network, Seq2Seq) and isinstance(data, TextPairs)):
        message = "the model has no encoder that reads a text (rnnkit neurons shows what one reads)"
        raise CheckpointError.of("CKPT_NO_ENCODER", message, model.path)
    if target is not None:
        with located("--target"):
            data.coder(model.text()[1]).target(target)
    with located(f"source {number}"):
        found = grids_of(model, network, data, text, target)
    if not found:
        message = 'the decoder has no layer that looks at its source (such as "attention")'
        raise CheckpointError.of("CKPT_NO_ATTENTION", message, model.path)
    return found


def _as_object(grid: Grid) -> dict[str, Any]:
    """Return a map as JSON can hold it."""
    return {
        "layer": grid.layer,
        "written": list(grid.written),
        "read": list(grid.read),
        "weights": grid.weights.astype(float).tolist(),
    }
