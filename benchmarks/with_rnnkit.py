"""rnnkit's side: the engine that `rnnkit run` trains with, and `Model.stream`."""

from __future__ import annotations

import json
import platform
from typing import Any

import numpy as np

from benchmarks.inference.rows import characters
from benchmarks.inference.with_rnnkit import loaded
from benchmarks.side import CHECKED, TOKENS, Found
from benchmarks.workloads import CLIP, LEARNING_RATE, Workload
from rnnkit.compute.numerics import fingerprint
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.registry import Registry
from rnnkit.core.params import ParamStore
from rnnkit.core.signal import Signal
from rnnkit.inference.generate import Sampling
from rnnkit.inference.model import Model
from rnnkit.network.builder import build_network
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec
from rnnkit.spec.read import parse_spec
from rnnkit.training.step import Training
from rnnkit.types import Array
from rnnkit.version import VERSION

EPOCH = 10**9
"""Windows in an epoch: more than are ever run."""


class Train:
    """Steps of `Training` on one window, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.training = Training.started(*_built(workload), EPOCH)
        _fill(self.training.network, self.training.store, arrays)
        inputs, targets = (ids.astype(np.int32) for ids in (arrays["ids"][:-1], arrays["ids"][1:]))
        resets, weights = np.zeros(inputs.shape, bool), np.ones(inputs.shape, np.float32)
        self.batch = Batch(inputs, targets, weights, resets, None)

    def check(self) -> Found:
        """Return loss and gradient norm of the first steps."""
        updates = [self.training.step(self.batch) for _ in range(CHECKED)]
        return {
            "loss": [update.total / update.weight for update in updates],
            "gradient norm": [update.gradient_norm for update in updates],
        }

    def step(self) -> None:
        """Learn from the window once more."""
        self.training.step(self.batch)


class Sample:
    """One stream of ids, each drawn from the softmax at temperature 1."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.model = loaded(workload, arrays)
        self.prompt = characters(workload.vocabulary)[arrays["ids"][0, 0]]
        self.stream = self.asked().stream(self.prompt, 1, Sampling())
        self.step()

    def asked(self) -> Model:
        """Return the model that is timed."""
        return self.model

    def check(self) -> Found:
        """Return the first ids of the greedy stream."""
        stream = self.model.stream(self.prompt, 1, Sampling(greedy=True))
        return {"id": [float(next(stream)[0]) for _ in range(TOKENS)]}

    def step(self) -> None:
        """Draw some ids."""
        for _ in range(TOKENS):
            int(next(self.stream)[0])


class Product:
    """The product of the recurrent matrix with itself."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.a = arrays["Wh0"]
        self.out = np.empty_like(self.a)

    def check(self) -> Found:
        """Return one element of the product."""
        self.step()
        return {"element": [float(self.out[0, 0])]}

    def step(self) -> None:
        """Multiply."""
        np.matmul(self.a, self.a, out=self.out)


def about() -> dict[str, str]:
    """Return what decides the speed of this side."""
    found = fingerprint()
    return {
        "Python": platform.python_version(),
        "rnnkit": f"{VERSION}, kernels: {found.kernels}",
        "NumPy": f"{found.numpy}, {found.blas}, kernel {found.kernel}, threads {found.threads}",
        "SIMD that NumPy found": found.simd,
    }


def _built(workload: Workload) -> tuple[Spec, Network]:
    cells = [{"type": workload.cell, "units": workload.units}] * workload.layers
    size = {"units": workload.units} if workload.reads == "embedding" else {}
    spec: dict[str, Any] = {
        "data": {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}},
        "model": {
            "layers": [{"type": workload.reads, **size}, *cells, {"type": "affine"}],
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {
            "epochs": 1,
            "streams": workload.batch,
            "shards": workload.shards,
            "window": workload.steps,
            "optimizer": {"type": "sgd", "lr": LEARNING_RATE},
            "clip": {"norm": CLIP},
        },
    }
    ids = Signal(workload.vocabulary, ids=True)
    document = parse_spec(json.dumps(spec).encode(), workload.name, Registry())
    return build_network(document.spec, ids, ids)


def _fill(network: Network, store: ParamStore, arrays: dict[str, Array]) -> None:
    first, *recurrent, last = (store.values[name] for name in network.names)
    for k, values in enumerate(recurrent):
        for name, value in values.items():
            value[...] = arrays[f"{name}{k}"]
    for name, value in last.items():
        value[...] = arrays[name]
    for value in first.values():  # the table of an embedding; one-hot vectors have none
        value[...] = arrays["E"]
