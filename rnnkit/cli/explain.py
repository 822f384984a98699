"""rnnkit explain: what a spec will build, before it is trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnkit.cli.common import emit, table
from rnnkit.cli.options import (
    ACCEPT_PLUGIN,
    OVERRIDES,
    SPEC,
    data_root_option,
    make_command,
    registry,
)

if TYPE_CHECKING:
    from rnnkit.network.network import Network


@make_command("explain")
@SPEC
@ACCEPT_PLUGIN
@OVERRIDES
@data_root_option()
def command(spec: Path, overrides: tuple[str, ...], root: Path | None) -> None:
    """Show the layers of SPEC with shapes and parameters, the memory, and how the data is laid out.

    Reads the data, since the vocabulary decides the first and the last width, and measures what a
    window takes in memory on a few small ones.
    """
    from rnnkit.core.params import count, count_learned
    from rnnkit.network.builder import build_network
    from rnnkit.network.memory import default_budget, human, memory
    from rnnkit.reporting.reporters import streams_in_words
    from rnnkit.spec.read import read_spec
    from rnnkit.training.initial.donor import open_with_donor
    from rnnkit.training.initial.values import initial_values

    types, root = registry(), root or spec.parent
    document = read_spec(spec, types, overrides)
    data = document.spec.data
    with document.placing():
        source, donor = open_with_donor(document.spec, root, types)
        fitted = document.spec.fitted(source)
        resolved, network = build_network(fitted, source.inputs, source.targets)
        initial = initial_values(document.spec, network, source, donor, root)
    layers = layer_rows(network)
    needs = memory(resolved, network, source, default_budget(data.made()))
    steps = source.windows("train", resolved.train.layout()) * resolved.train.epochs
    result = {
        "layers": layers,
        "parameters": count(network.declared()),
        "learned": count_learned(network.declared()),
        "memory": {**vars(needs), "total": needs.total},
        "splits": {split: source.size(split) for split in source.splits()},
        "steps": steps,
        "begun": initial.begun and initial.begun.model_dump(mode="json"),
    }
    rows = [(r["name"], r["reads"], r["gives"], r["shapes"], _count_of(r)) for r in layers]
    splits = ", ".join(f"{split} {source.size(split):,}" for split in source.splits())
    how = "the window was not measured" if needs.window is None else "the window was measured"
    text = [
        table(rows, ("layer", "reads", "gives", "parameters", "count")),
        _count_in_words(count(network.declared()), count_learned(network.declared())),
        f"memory {human(needs.total)}: {needs.in_words()} ({how})",
        f"{source.unit}s: {splits}",
        *initial.in_words(document.spec),
        *filter(None, [document.spec.chosen_in_words(fitted)]),
        streams_in_words(resolved, source),
        f"{steps:,} steps in {resolved.train.epochs} epochs",
    ]
    emit(result, "\n".join(text))


def _count_of(row: dict[str, Any]) -> str:
    """Return the parameters of a layer, and how it learns where that is not as all do."""
    rate = row["rate"]
    how = "" if rate == 1 else f", rate x {rate:g}" if rate else ", frozen"
    return f"{row['parameters']:,}{how}"


def _count_in_words(whole: int, learned: int) -> str:
    """Return the number of parameters, and how many of them learn where not all do."""
    return f"{whole:,} parameters" + (f", {learned:,} of them learn" if learned < whole else "")


def layer_rows(network: Network) -> list[dict[str, Any]]:
    """Return what is shown of each layer; a shared parameter counts where it is stored."""
    from rnnkit.core.params import ParamSpec

    rows: list[dict[str, Any]] = []
    declared, leaving = network.declared(), network.leaving()
    for name, reads in network.entering().items():
        gives = leaving[name]
        stored = {n: s.shape for n, s in declared[name].items() if isinstance(s, ParamSpec)}
        shapes = [f"{n} {'x'.join(map(str, shape))}" for n, shape in stored.items()]
        shapes += [
            f"{n} of {s.layer}" for n, s in declared[name].items() if not isinstance(s, ParamSpec)
        ]
        rows.append(
            {
                "name": name,
                "reads": str(reads),
                "gives": str(gives),
                "shapes": ", ".join(shapes),
                "parameters": sum(math.prod(shape) for shape in stored.values()),
                "rate": network.rates.get(name, 1.0),
            }
        )
    return rows
