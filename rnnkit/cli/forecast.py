"""rnnkit forecast: a series many steps ahead, after the end of what is known."""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli.common import advising, read_input, tell
from rnnkit.cli.options import (
    CHECKPOINT,
    SEED,
    THREADS,
    Number,
    data_root_option,
    make_command,
    registry,
)
from rnnkit.cli.paths import PATH
from rnnkit.cli.records import FORMAT, Records


@make_command("forecast")
@CHECKPOINT
@click.argument("data", type=PATH, required=False)
@click.option("--steps", default=30, type=click.IntRange(1, 10**6), help="Rows to forecast.")
@click.option("--past", type=click.IntRange(1), help="Know only the first so many rows.")
@click.option(
    "--level",
    default=0.8,
    type=Number(0, 1, min_open=True, max_open=True),
    help="The part of the simulated paths that an interval holds.",
)
@click.option(
    "--paths",
    default=200,
    type=click.IntRange(0, 10**5),
    help="Simulated paths; 0 for no intervals.",
)
@click.option("--seed", default=1, type=SEED, help="Of the paths.")
@FORMAT
@click.option("--skip-bad", is_flag=True, help="Skip and count the rows that cannot be used.")
@data_root_option()
@THREADS
def command(
    checkpoint: Path,
    data: Path | None,
    steps: int,
    past: int | None,
    level: float,
    paths: int,
    seed: int,
    form: str | None,
    out: Path | None,
    skip_bad: bool,
    root: Path | None,
    threads: int | None,
) -> None:
    """Forecast the rows after DATA (- for stdin), or else after the data of CHECKPOINT's model.

    The model reads its own forecasts as if they had come. Columns that it reads and does not
    forecast are taken from rows at the end of DATA that have no value to forecast yet, or with
    --past from those after the first so many rows. Each group is forecast on its own. An interval
    is that of simulated paths, whose errors are drawn from those that the model makes on the known
    rows, of the model's own data on those that it was not trained on.
    """
    from rnnkit.checkpoint.run_directory import data_root
    from rnnkit.compute.numerics import limited_threads
    from rnnkit.contracts.forecast_inputs import ForecastRequest
    from rnnkit.inference.forecast import Intervals, forecast_rows, outlook_of, outlook_of_file
    from rnnkit.inference.model import load

    model = load(checkpoint, registry(), tell)
    asked = ForecastRequest(steps, past, skip_bad=skip_bad)
    with limited_threads(threads), advising("repair them, or give --skip-bad"):
        if data is None:
            outlook = outlook_of_file(model, None, data_root(checkpoint, root), asked)
        else:
            outlook = outlook_of(model, *read_input(data), asked)
        found = forecast_rows(model, outlook, steps, Intervals(level, paths, seed))
    if found.note:
        tell(found.note)
    Records(found.records).write(form, out)
