"""rnnkit check: every error of a spec, before anything is read or trained."""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli.common import PATH, emit, verb


@verb("check")
@click.argument("spec", type=PATH)
@click.option("-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value.")
@click.option("--data", is_flag=True, help="Also read the data, and check sizes against it.")
@click.option("--data-root", type=PATH, help="Where relative data paths start.")
def command(
    spec: Path,
    overrides: tuple[str, ...],
    data: bool,
    data_root: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Report all errors of SPEC with file, line and column; exit 3 where there are any."""
    from rnnkit.builder import build
    from rnnkit.memory import default_budget, memory
    from rnnkit.registry import Registry
    from rnnkit.spec.read import read_spec

    document = read_spec(spec, Registry(), overrides)
    if data:
        source = document.spec.data.open(data_root or spec.parent)
        resolved, network = build(document.spec, source.inputs, source.targets)
        source.windows("train", resolved.train.layout())
        for split in source.splits():
            if split != "train":
                source.windows(split, resolved.evaluation_layout())
        budget = default_budget()
        memory(resolved, network, source, budget).check(budget, spec)
    emit(as_json, {"spec": str(spec), "errors": []}, f"{spec}: no errors")
