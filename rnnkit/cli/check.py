"""rnnkit check: every error of a spec, before anything is read or trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import emit, tell
from rnnkit.cli.options import (
    ACCEPT_PLUGIN,
    OVERRIDES,
    SPEC,
    data_root_option,
    make_command,
    registry,
)

if TYPE_CHECKING:
    from rnnkit.contracts.registry import Registry
    from rnnkit.spec.model import Spec


@make_command("check")
@SPEC
@ACCEPT_PLUGIN
@OVERRIDES
@click.option("--data", is_flag=True, help="Also read the data, and check sizes against it.")
@data_root_option()
def command(spec: Path, overrides: tuple[str, ...], data: bool, root: Path | None) -> None:
    """Report all errors of SPEC with file, line and column; exit 3 where there are any."""
    from rnnkit.spec.read import read_spec

    types = registry()
    document = read_spec(spec, types, overrides)
    if data:
        with document.placing():
            check_data(document.spec, spec, root or spec.parent, types)
    emit({"spec": str(spec), "errors": []}, f"{spec}: no errors")


def check_data(spec: Spec, path: Path, root: Path, types: Registry) -> None:
    """Tell how training reads the data; raise what only the data tells."""
    from rnnkit.network.builder import build_network
    from rnnkit.network.memory import default_budget, memory
    from rnnkit.reporting.reporters import streams_in_words
    from rnnkit.training.initial.donor import open_with_donor
    from rnnkit.training.initial.values import initial_values
    from rnnkit.training.requirements import check_demands

    source, donor = open_with_donor(spec, root, types)
    fitted = spec.fitted(source)
    resolved, network = build_network(fitted, source.inputs, source.targets)
    check_demands(resolved, network, source)
    initial = initial_values(spec, network, source, donor, root)
    budget = default_budget(spec.data.made())
    memory(resolved, network, source, budget).check(budget, path)
    for words in filter(None, [*initial.in_words(spec), spec.chosen_in_words(fitted)]):
        tell(words)
    tell(streams_in_words(resolved, source))
