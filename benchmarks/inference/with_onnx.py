"""ONNX Runtime's side: the graph that rnnkit exports, its states inputs and outputs."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import onnxruntime

from benchmarks.inference.rows import check_windows
from benchmarks.inference.with_rnnkit import built
from benchmarks.side import Found
from benchmarks.workloads import Workload
from rnnkit.types import Array


class Forward:
    """Windows of ids, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.session = _session(workload, arrays)
        self.targets = arrays["ids"][-1]
        whole = arrays["ids"][:-1].astype(np.int64)
        self.ids, self.state = whole[:1, :1], self._zeros(workload.units, 1)
        self.step()
        self.ids, self.state = whole, self._zeros(workload.units, workload.batch)

    def check(self) -> Found:
        """Return log-probabilities after the first windows."""
        return check_windows(self.step, self.targets)

    def step(self) -> Array:
        """Run one window; return the logits (T, B, V)."""
        ys, *state = self.session.run(None, {"inputs": self.ids, **self.state})
        self.state = dict(zip(self.state, state, strict=True))
        return np.asarray(ys)

    def _zeros(self, units: int, batch: int) -> dict[str, Array]:
        """Return the first states by the names of the inputs, whose order the outputs have too."""
        _, *states = (each.name for each in self.session.get_inputs())
        return {name: np.zeros((batch, units), np.float32) for name in states}


Step = Forward
"""A window of one step and one stream."""


def _session(workload: Workload, arrays: dict[str, Array]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    with tempfile.TemporaryDirectory() as folder:
        built(workload, arrays).export("onnx", f"{folder}/graph", verify=False)
        return onnxruntime.InferenceSession(
            f"{folder}/graph/model.onnx", options, ["CPUExecutionProvider"]
        )
