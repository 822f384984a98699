"""A cell as stages: its source, its matrices, its pointwise parameters."""

from __future__ import annotations

from rnnkit.compute.equations.stream_step import StreamStep
from rnnkit.compute.stack.stages import CellStep, Stages, Weights, affine, cell, part


def cell_stages(step: StreamStep, inputs: int, units: int) -> Stages:
    """Return what a cell does with rows of `inputs` values."""
    sizes = {"units": units, "inputs": inputs}
    forms, of_row, of_stream = step.forms_gates, sum(sizes[width] for width in step.kept), 0
    parts = [part(Weights("Wx"), "b")] if forms else []
    of_row += step.gates * units if forms else 0
    for product in step.products:
        width = sizes[product.dots[0].width]
        first, count = product.first * width, len(product.dots) * width
        parts.append(part(Weights(product.matrix, first, count)))
        if product.hoisted:
            of_row += count
        else:
            of_stream += count
    parts += [part(Weights(name)) for name in step.pointwise]
    own = CellStep(step.source, inputs, units, step.states, of_row, of_stream)
    before = affine(Weights("Wx"), "b") if step.gates and not forms else ()
    return (*before, *cell(own, *parts))
