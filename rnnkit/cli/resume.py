"""rnnkit resume: the same run, from where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnnkit.cli.options import ACCEPT_PLUGIN, make_command, registry, run_options
from rnnkit.cli.paths import PATH


@make_command("resume")
@click.argument("run", type=PATH)
@click.option("--strict", is_flag=True, help="Refuse a damaged newest checkpoint (exit 6).")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["newest", "best"]),
    default="newest",
    help="Go on from the newest checkpoint, or back from the best one.",
)
@ACCEPT_PLUGIN
@run_options("where those of the run did")
def command(run: Path, origin: str, overrides: tuple[str, ...], mpi: bool, **settings: Any) -> None:
    """Continue RUN exactly: every later result is that of the run that was never stopped.

    With -s a resume may change how it continues (the learning rate, the epochs); it reports what
    each change means, and refuses what the stored state cannot follow. After a run that diverged,
    --from best with a lower learning rate goes back to the best evaluation.
    """
    from rnnkit.cli.ranks import started_ranks
    from rnnkit.cli.training import Settings
    from rnnkit.training.resume import resume

    chosen, types = Settings(**settings, from_best=origin == "best"), registry()
    with started_ranks(mpi) as ranks:
        with chosen.options(ranks) as options:
            outcome = resume(run, types, options, overrides)
        chosen.finish(outcome, types, ranks)
