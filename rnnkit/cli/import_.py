"""rnnkit import: a model of another program as a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli.common import emit, table
from rnnkit.cli.options import OVERRIDES, data_root_option, make_command
from rnnkit.cli.paths import OUTPUT, PATH
from rnnkit.errors import shape_text


@make_command("import")
@click.argument("file", type=PATH)
@click.option("--spec", required=True, type=PATH, help="The spec of the same model.")
@click.option("--out", required=True, type=OUTPUT, help="The checkpoint to write.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Give a layer, or a parameter, of ours one of theirs.",
)
@click.option(
    "--vocabulary",
    type=PATH,
    help="Their tokens by id: a JSON list, or one a line (default: those of the data).",
)
@OVERRIDES
@data_root_option("the spec's folder")
@click.option("--force", is_flag=True, help="Replace a file that --out names.")
def command(
    file: Path,
    spec: Path,
    out: Path,
    pairs: tuple[str, ...],
    vocabulary: Path | None,
    overrides: tuple[str, ...],
    root: Path | None,
    force: bool,
) -> None:
    """Make a checkpoint of the weights in FILE: of PyTorch, Keras, ONNX, NumPy or rnnkit.

    Its name tells the format: .safetensors, .pt, .pth, .keras, .weights.h5, .onnx, .npz. Which
    layer is which is found by types, shapes and names, and printed; where that is not certain, and
    where anything is missing or left over, nothing is written (exit 6).
    """
    from rnnkit.contracts.registry import Registry
    from rnnkit.exchange.importing import import_model
    from rnnkit.exchange.saving import check_new, save_model
    from rnnkit.spec.read import read_spec

    asked = _asked(pairs)
    check_new(out, force)
    document = read_spec(spec, Registry(), overrides)
    with document.placing():
        model = import_model(file, document.spec, root or spec.parent, asked, vocabulary)
    save_model(model, model.data, out, model.begun, force)
    rows = [
        (
            each.ours,
            ", ".join(each.given.theirs) or "-",
            shape_text(each.given.values.shape),
            each.done,
        )
        for each in model.filled
    ]
    heads = "ours", "theirs", "shape", "done"
    parameters = f"{model.store.size:,} parameters"
    emit(
        {
            "out": str(out),
            "format": model.begun.imported and model.begun.imported.format,
            "parameters": [dict(zip(heads, row, strict=True)) for row in rows],
        },
        f"{table(rows, heads)}\nwrote {out}: {parameters}",
    )


def _asked(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return names of theirs by those of ours."""
    found: dict[str, str] = {}
    for pair in pairs:
        ours, sign, theirs = pair.partition("=")
        if not (sign and ours and theirs):
            message = f"--map: expected OURS=THEIRS, such as 1.lstm=rnn.l0, received {pair!r}"
            raise click.UsageError(message)
        if ours in found:
            raise click.UsageError(f"--map: {ours} is given twice: {found[ours]} and {theirs}")
        found[ours] = theirs
    return found
