"""rnnkit gradients: how far back in time the gradient of a loss reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnnkit.checkpoint.run_directory import data_root
from rnnkit.cli.common import check_split, emit, tell, unknown
from rnnkit.cli.options import (
    ACCEPT_PLUGIN,
    OVERRIDES,
    SEED,
    SPLITS,
    data_root_option,
    make_command,
    registry,
)
from rnnkit.cli.paths import PATH
from rnnkit.cli.picture import DRAWING, picture
from rnnkit.errors import DataError, PluginError, SpecError

if TYPE_CHECKING:
    from rnnkit.analysis.plots.gradients import Flow
    from rnnkit.analysis.plots.variants import Variant
    from rnnkit.contracts.cell import Cell
    from rnnkit.contracts.dataset import Batch, Source, Split
    from rnnkit.contracts.registry import Registry
    from rnnkit.network.network import Network
    from rnnkit.spec.model import Spec
    from rnnkit.training.initial.values import InitialValues
    from rnnkit.types import Array

T = TypeVar("T")


@dataclass(frozen=True)
class MeasuredModel:
    """What is measured: a network, its trained parameters if it has any, and its data if there."""

    spec: Spec
    network: Network
    trained: Mapping[str, Array] | None
    source: Source | None


def positive_numbers(text: str) -> tuple[float, ...]:
    """Return positive numbers between commas."""
    try:
        found = tuple(map(float, text.split(",")))
    except ValueError:
        found = (math.nan,)
    if not all(0 < value < 1e6 for value in found):
        raise click.BadParameter(f"expected numbers above 0 such as 0.5,1,1.5, received {text!r}")
    return found


@make_command("gradients")
@click.argument("model", type=PATH, metavar="SPEC|CHECKPOINT")
@ACCEPT_PLUGIN
@OVERRIDES
@data_root_option()
@click.option(
    "--split", type=SPLITS, default="train", help="Measure on the first window of this split."
)
@click.option(
    "--steps",
    type=click.IntRange(1, 65535),
    help="Look so many steps back (default: as far as train.window reaches).",
)
@click.option("--random", "made_up", is_flag=True, help="Random inputs in place of the data.")
@click.option("--cells", metavar="NAMES", help="Compare cells, each untrained: rnn,lstm,gru.")
@click.option(
    "--scale",
    "scales",
    type=positive_numbers,
    metavar="NUMBERS",
    help="Give recurrent weights this largest singular value, such as 0.5,1,1.5.",
)
@click.option(
    "--seed", type=SEED, help="Of untrained weights and random inputs (default: train.seed)."
)
@DRAWING
def command(
    model: Path,
    overrides: tuple[str, ...],
    root: Path | None,
    split: Split,
    steps: int | None,
    made_up: bool,
    cells: str | None,
    scales: tuple[float, ...] | None,
    seed: int | None,
    out: Path | None,
    terminal: bool,
) -> None:
    """Draw the norm of dL/dh of each recurrent layer by distance in time, and say how far it goes.

    L is the loss at the last step of a window alone, h the output of the layer at an earlier step.
    A spec is measured as it starts, a checkpoint as it was trained. Without its data a spec is
    measured on random inputs, and stderr says so.
    """
    from rnnkit.analysis.plots.gradients import panel

    types = registry()
    subject = open_model(model, overrides, root, types)
    seed = subject.spec.train.seed if seed is None else seed
    check(subject.network, scales, model)
    batch = example(subject, None if made_up else subject.source, split, steps, seed)
    chosen = forms(subject, cell_classes(cells, types), scales or (), seed)
    found = [flow for form in chosen for flow in measured(form, batch, steps)]
    sentences = [flow.sentence() for flow in found]
    result = {
        "model": str(model),
        "inputs": "random" if made_up or subject.source is None else split,
        "seed": seed,
        "out": None if out is None else str(out),
        "layers": [_as_object(flow) for flow in found],
    }
    text = picture([panel(found)], out, terminal)
    emit(result, "\n".join([*([text, ""] if text else []), *sentences]))


def open_model(
    path: Path, overrides: tuple[str, ...], root: Path | None, types: Registry
) -> MeasuredModel:
    """Open a spec or a checkpoint, and its data where it is there."""
    from rnnkit.inference.model import load
    from rnnkit.network.memory import open_data
    from rnnkit.spec.read import read_spec

    if holds_weights(path):
        if overrides:
            raise click.UsageError("-s changes a spec, but a checkpoint was given")
        model = load(path, types, tell)
        given = model.spec.data, data_root(path, root), model.vocabulary
        source = if_there(lambda: open_data(*given))
        return MeasuredModel(model.spec, model.network, model.store.stored(), source)
    document, root = read_spec(path, types, overrides), root or path.parent
    with document.placing():
        return model_of_spec(document.spec, root, types)


def model_of_spec(spec: Spec, root: Path, types: Registry) -> MeasuredModel:
    """Open the data of a spec where it is there, and build its network."""
    from rnnkit.analysis.plots.example import guessed_signals
    from rnnkit.network.builder import build_network
    from rnnkit.training.initial.donor import open_with_donor
    from rnnkit.training.initial.values import initial_values

    opened = if_there(lambda: open_with_donor(spec, root, types))
    if opened is None:
        resolved, network = build_network(spec, *guessed_signals(spec.data))
        return MeasuredModel(resolved, network, None, None)
    source, donor = opened
    resolved, network = build_network(spec, source.inputs, source.targets)
    initial = initial_values(spec, network, source, donor, root)
    return MeasuredModel(resolved, network, started(network, initial, spec.train.seed), source)


def started(network: Network, initial: InitialValues, seed: int) -> Mapping[str, Array] | None:
    """Return the parameters that a spec starts with; None where all are drawn."""
    if initial.begun is None:
        return None
    import numpy as np

    store = network.store(np.dtype(np.float32))
    store.initialize(seed)
    initial.write(store)
    return store.stored()


def holds_weights(path: Path) -> bool:
    """Tell a run directory or a checkpoint from a spec."""
    from rnnkit.checkpoint.seal import MAGIC

    if path.is_dir() or path.suffix == ".h5":
        return True
    try:
        if not path.is_file():  # a FIFO would wait for somebody to write
            return False
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # reading it as a spec says what is wrong


def if_there(opened: Callable[[], T]) -> T | None:
    """Return the opened data; None, reported, where its file does not exist; raise other errors."""
    try:
        return opened()
    except DataError as error:
        if any(problem.code != "DATA_NOT_FOUND" for problem in error.problems):
            raise
        tell(f"{error.problems[0]}: random inputs take the place of the data")
        return None


def check(network: Network, scales: tuple[float, ...] | None, where: Path) -> None:
    """Raise where there is nothing to measure, or nothing to scale."""
    from rnnkit.analysis.plots.probe import stateful_layers
    from rnnkit.analysis.plots.variants import RECURRENT, has_recurrent_weights

    if not stateful_layers(network):
        message = "has no layer with a state: no gradient flows through time (add one, as lstm)"
        raise SpecError.of("SPEC_NO_CELL", message, where)
    if scales and not has_recurrent_weights(network):
        raise click.UsageError(f"--scale: no cell of the model has weights {RECURRENT}")


def example(
    subject: MeasuredModel, source: Source | None, split: Split, steps: int | None, seed: int
) -> Batch:
    """Return the window to measure on."""
    from rnnkit.analysis.plots.example import first_batch, random_batch

    layout = subject.spec.train.layout()
    if steps is not None:
        layout = replace(layout, window=steps + 1)
    if source is None:
        return random_batch(subject.network, layout.window, layout.streams, seed)
    check_split(source, split)
    return first_batch(source, split, layout)


def cell_classes(names: str | None, registry: Registry) -> list[type[Cell]]:
    """Return the classes of the cells to compare."""
    from rnnkit.contracts.cell import Cell

    found: list[type[Cell]] = []
    for name in dict.fromkeys(names.split(",") if names is not None else ()):
        known = name in registry.names(Cell.entry_group)
        cls = registry.find(Cell.entry_group, name) if known else None
        if cls is None or not issubclass(cls, Cell):
            raise unknown("cell", name, cell_names(registry))
        found.append(cls)
    return found


def cell_names(registry: Registry) -> list[str]:
    """Return the types that are cells; one that cannot be loaded is left out."""
    from rnnkit.contracts.cell import Cell

    found = []
    for name in registry.names(Cell.entry_group):
        with suppress(PluginError):
            if issubclass(registry.find(Cell.entry_group, name), Cell):
                found.append(name)
    return found


def forms(
    subject: MeasuredModel, cells: list[type[Cell]], scales: tuple[float, ...], seed: int
) -> list[Variant]:
    """Return the forms of the model to compare; report that other cells start untrained."""
    from pydantic import ValidationError

    from rnnkit.analysis.plots.variants import rescaled, variants

    if subject.trained is not None and not cells:
        return rescaled(subject.network, subject.trained, scales)
    if subject.trained is not None:
        tell("--cells compares untrained cells: the weights of the checkpoint are not used")
    try:
        return variants(subject.network, seed, cells, scales)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(
            f"--cells: {error.title} cannot be made of units alone "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']})"
        ) from error


def measured(form: Variant, batch: Batch, steps: int | None) -> list[Flow]:
    """Return the flows of one form, named so that no two of a comparison are alike."""
    from rnnkit.analysis.plots.gradients import flows

    found = flows(form.network, form.store.values, batch, steps)
    return [replace(flow, name=named(flow.name, form.label)) for flow in found]


def named(path: str, label: str) -> str:
    """Add to the path of a layer what its name does not say already."""
    words = [word for word in label.split(", ") if word and word not in path.split(".")]
    return ", ".join([path, *words])


def _as_object(flow: Flow) -> dict[str, Any]:
    """Return a flow as --json prints it: None for what no float64 holds."""
    norms = [norm if math.isfinite(norm) else None for norm in flow.norms]
    return {"name": flow.name, "norms": norms, "horizon": flow.horizon, "sentence": flow.sentence()}
