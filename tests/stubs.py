"""Distributions of strangers: a dist-info folder and a module, in a folder for sys.path."""

from __future__ import annotations

from pathlib import Path

CELL = """
from typing import ClassVar, Literal

import numpy as np

from rnnkit import GatedCell


class Stub(GatedCell):
    type: Literal["{name}"] = "{name}"

    def mix(self, params, zx, zh, state, ctx):
        h = np.tanh(zx + zh)
        {forward}

        def backward(dstate, grads):
            dz = dstate[0] * (1 - h * h)
            {backward}
            return dz, dz, (np.zeros_like(h),)

        return (h,), backward
"""


def cell(name: str = "stub", forward: str = "pass", backward: str = "pass") -> str:
    """Return the module of a cell, correct but for the lines that are given."""
    return CELL.format(name=name, forward=forward, backward=backward)


def layer(body: str) -> str:
    """Return the module of a layer `stub` that passes its inputs on, with a body of its own."""
    return (
        "from typing import Literal\nimport numpy as np\nfrom rnnkit import Layer\n\n\n"
        'class Stub(Layer):\n    type: Literal["stub"] = "stub"\n\n'
        "    def output(self, inputs):\n        return inputs\n\n"
        "    def forward(self, params, xs, state, ctx):\n        "
        + body.replace("\n", "\n        ")
    )


DATASET = """
from typing import Literal
import numpy as np
from rnnkit.builtin.datasets.text.text import Text


class Changed:
    def __init__(self, source):
        self.source = source

    def __getattr__(self, name):
        return getattr(self.source, name)

    def batches(self, split, layout, cursor):
        for batch in self.source.batches(split, layout, cursor):
            {body}

    {fact}


class Stub(Text):
    type: Literal["stub"] = "stub"

    {method}

    def open(self, root, vocabulary=None):
        return Changed(super().open(root, vocabulary))
"""


def dataset(body: str = "yield batch", fact: str = "pass", method: str = "pass") -> str:
    """Return the module of a dataset of text, correct but for what is given."""
    return DATASET.format(body=body, fact=fact, method=method)


def install(
    folder: Path,
    module: str,
    name: str = "stub",
    distribution: str = "rnnkit-odd",
    target: str = "Stub",
    group: str = "rnnkit.layers",
) -> str:
    """Write a distribution 1.0 that offers `name`; return what PYTHONPATH must be."""
    home = distribution.replace("-", "_")
    facts = folder / f"{home}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = {home}:{target}\n")
    (folder / f"{home}.py").write_text(module)
    return str(folder)
