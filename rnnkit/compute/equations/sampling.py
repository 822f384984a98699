"""A cell as steps of the sampler: its source, its matrices, its pointwise parameters."""

from __future__ import annotations

import numpy as np

from rnnkit.compute.equations.vector_step import VectorStep
from rnnkit.compute.kernels.sample_plan import CELL, CellStep, PlanStep, Steps, affine, padded, part
from rnnkit.types import Params


def cell_steps(step: VectorStep, params: Params, inputs: int, units: int) -> Steps:
    """Return what a cell does with one vector of `inputs` values."""
    sizes = {"units": units, "inputs": inputs}
    parts = [part(params["Wx"], params["b"])] if step.forms_gates else []
    for product in step.products:
        width = sizes[product.dots[0].width]
        columns = slice(product.first * width, (product.first + len(product.dots)) * width)
        parts.append(part(params[product.matrix][:, columns]))
    scratch = sum(padded(each.W.shape[1]) for each in parts) + sum(sizes[w] for w in step.kept)
    parts += [part(params[name][None]) for name in step.pointwise]
    nothing = np.empty((inputs, 0), np.float32)
    cell = CellStep(step.source, units, step.states, scratch)
    before = affine(params["Wx"], params["b"]) if step.gates and not step.forms_gates else ()
    return (*before, PlanStep(CELL, nothing, nothing[0], cell), *parts)
