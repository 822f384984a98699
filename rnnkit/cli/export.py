"""rnnkit export: a model for another program, with the proof that it computes the same there."""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli.common import emit, tell
from rnnkit.cli.options import CHECKPOINT, make_command, registry
from rnnkit.cli.paths import PATH
from rnnkit.core.names import EXPORTS


@make_command("export")
@CHECKPOINT
@click.option("--to", required=True, type=click.Choice(EXPORTS), help="The program or the format.")
@click.option("--out", type=PATH, help="The folder to write (default: its name, - and the target).")
@click.option(
    "--no-verify",
    "verify",
    flag_value=False,
    default=True,
    help="Write it without the proof, which the files then say.",
)
@click.option("--force", is_flag=True, help="Replace the export that the folder holds.")
def command(checkpoint: Path, to: str, out: Path | None, verify: bool, force: bool) -> None:
    """Write the model of CHECKPOINT for another program, into a folder of its own.

    The same inputs and states then run through rnnkit and through that program; the largest
    difference is printed and stored in proof.json. Where it is above 1e-5 nothing is kept (exit 9).
    """
    from rnnkit.exchange.exported import exported
    from rnnkit.inference.model import load

    model = load(checkpoint, registry(), tell)
    found = exported(model, to, out or Path(f"{model.spec.name}-{to}"), verify=verify, force=force)
    result: dict[str, object] = {
        "checkpoint": str(model.path),
        "out": str(found.folder),
        "files": [*found.files],
    }
    result |= {"proof": found.proof and found.proof.as_json(), "note": found.note}
    emit(result, found.in_words("not verified (--no-verify)"))
