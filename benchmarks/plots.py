"""Step time against hidden size and against window length, a panel for each cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Measured, Plan, measure
from benchmarks.side import TITLES
from benchmarks.workloads import CELLS, Cell, Workload

Curves = Mapping[Cell, Sequence[tuple[int, Measured]]]


def sweep(
    workloads: Sequence[Workload],
    key: str,
    plan: Plan,
    cells: Sequence[Cell] = CELLS,
    tell: Callable[[str], object] = lambda line: None,
) -> Curves:
    """Measure every workload with every cell; `key` names what grows."""
    curves: dict[Cell, list[tuple[int, Measured]]] = {cell: [] for cell in cells}
    for cell in cells:
        for workload in workloads:
            tell(f"plot: {cell}, {key} {getattr(workload, key)}")
            measured = measure("Train", replace(workload, cell=cell), plan)
            curves[cell].append((getattr(workload, key), measured))
    return curves


def draw(curves: Curves, label: str, file: Path) -> None:
    """Write an SVG: medians as lines, the spread of the rounds as bands."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rnnkit"  # equal measurements give equal bytes
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3.5), squeeze=False)
    for panel, (cell, points) in zip(panels[0], curves.items(), strict=True):
        sizes = [size for size, _ in points]
        for library in points[0][1].rounds:
            times = [measured.time(library) for _, measured in points]
            panel.plot(sizes, [1e3 * t.median for t in times], "o-", label=TITLES[library])
            low, high = ([1e3 * getattr(t, end) for t in times] for end in ("low", "high"))
            panel.fill_between(sizes, low, high, alpha=0.25)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.set_title(cell)
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("ms a training step")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
