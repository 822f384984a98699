"""A stack gives the same bits in the process that compiles it and in those that load it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ONE_THREAD

from rnnkit.compute.kernels.jit import kernels_available

SCRIPT = '''
from typing import Literal

import numpy as np

from rnnkit import Context, EquationCell, ParamSpec, Signal, Zeros, run_layer
from rnnkit.compute.equations import dot, exp


class Recurrence(EquationCell):
    """A linear recurrence of complex numbers: a product may round before a sum, or not."""

    type: Literal["recurrence"] = "recurrence"
    recurrent = False
    states = ("y", "re", "im")

    def matrices(self):
        return {"B": ("inputs", "units", "re", "im"), "C": ("units", "units", "re", "im")}

    def extra(self, inputs):
        return {name: ParamSpec((self.units,), Zeros()) for name in ("c", "s", "g")}

    def equations(self, x, r, s, p):
        size = exp(-exp(p.c))
        turn = size / (1 + p.s * p.s)
        re = turn * s.re - p.s * turn * s.im + exp(p.g) * dot(x.input, p.B.re)
        im = turn * s.im + p.s * turn * s.re + exp(p.g) * dot(x.input, p.B.im)
        return dot(re, p.C.re) - dot(im, p.C.im), re, im


cell, random = Recurrence(units=8), np.random.default_rng(0)
params = {
    name: random.normal(0, 0.4, spec.shape).astype(np.float32)
    for name, spec in cell.params(Signal(8)).items()
}
xs = random.normal(0, 1, (60, 4, 8)).astype(np.float32)
state = cell.initial_state(Signal(8), 4, xs.dtype)
print(run_layer(cell, params, xs, state, None, Context())[0].tobytes().hex())
'''


@pytest.mark.skipif(not kernels_available(), reason="kernels are off")
def test_a_process_that_loads_a_step_rounds_as_the_one_that_compiled_it(tmp_path: Path) -> None:
    script = tmp_path / "recurrence.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, **ONE_THREAD, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    compiled, loaded = (
        subprocess.run([sys.executable, str(script)], env=environment, capture_output=True)
        for _ in range(2)
    )
    assert compiled.returncode == loaded.returncode == 0, compiled.stderr
    assert b"compiling" in compiled.stderr and not loaded.stderr
    assert compiled.stdout == loaded.stdout
