"""Where a spec meets its data: every width decided, and the memory it will take."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from rnnkit.errors import Problem, ResourceError, ShapeError, SpecError
from rnnkit.network import Network
from rnnkit.params import ParamSpec, count
from rnnkit.signal import Signal
from rnnkit.spec.model import Spec

FLOAT = np.dtype(np.float32)


def build(spec: Spec, inputs: Signal, targets: Signal) -> tuple[Spec, Network]:
    """Return the resolved spec, every width in it, and its network.

    Raises SpecError where two widths do not fit.
    """
    try:
        network = Network.sized(spec.model.layers, spec.model.loss, inputs, targets)
        network.declared()
    except ShapeError as error:
        raise SpecError(Problem(spec.name, "SPEC_SHAPE", f"model: {error}")) from error
    model = spec.model.model_copy(update={"layers": network.layers})
    return spec.model_copy(update={"model": model}), network


@dataclass(frozen=True)
class Memory:
    """Bytes that training takes, by what for; `window` is an estimate of one window's scratch."""

    parameters: int
    gradients: int
    optimizer: int
    state: int
    window: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer + self.state + self.window

    def check(self, budget: int) -> None:
        """Raise ResourceError where it is more than the budget in bytes."""
        if self.total > budget:
            parts = ", ".join(f"{name} {human(size)}" for name, size in vars(self).items() if size)
            raise ResourceError.of(
                "MEM_BUDGET",
                f"training needs {human(self.total)} ({parts}), the budget is {human(budget)} "
                "(fewer units, streams or steps in a window, or --max-memory)",
            )


def memory(spec: Spec, network: Network) -> Memory:
    """Compute from the shapes alone what training takes; nothing is allocated."""
    declared = network.declared()
    parameters = count(declared) * FLOAT.itemsize
    streams, window = spec.train.streams, spec.train.window
    state = sum(
        rows * width for shapes in network.state_shapes(streams).values() for rows, width in shapes
    )
    widths = 0
    for name, entering in network.entering().items():
        columns = [s.shape[-1] for s in declared[name].values() if isinstance(s, ParamSpec)]
        # A cell keeps its gates twice over for the gradient, and writes theirs once.
        widths += 3 * max([0, *columns]) + 2 * (0 if entering.ids else entering.known())
    return Memory(
        parameters=parameters,
        gradients=parameters,
        optimizer=parameters * len(spec.train.optimizer.used_slots()),
        state=2 * state * FLOAT.itemsize,
        window=(widths + 2 * network.outputs.known()) * streams * window * FLOAT.itemsize,
    )


def default_budget() -> int:
    """Return 80 % of the memory that is free now, in bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            facts = dict(line.split(":", 1) for line in file)
        free = int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return free * 4 // 5


def human(size: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
