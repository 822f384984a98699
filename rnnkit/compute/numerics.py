"""A fingerprint of the arithmetic: two machines that share it compute the same bits.

Products differ in their last bits between BLAS kernels and between one and two threads, tanh and
exp between SIMD levels. A checkpoint carries the fingerprint, so that a change is reported, never
silent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from rnnkit.compute.kernels.jit import compiler, kernel_set, kernels_available
from rnnkit.compute.numpy_blas import numpy_blas
from rnnkit.core.block import Record
from rnnkit.core.context import keyed_generator
from rnnkit.core.machine import processors

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Variables by which a user says how many threads a BLAS has."""


class Numerics(Record):
    """What decides the bits: a digest over small products and functions, and what explains it."""

    digest: str
    blas: str
    kernel: str
    threads: int
    numpy: str
    simd: str
    kernels: str
    compiler: str = ""

    def differences(self, other: Numerics) -> list[str]:
        """Return a phrase for each field that differs; the digest where nothing explains it."""
        names = ["blas", "kernel", "threads", "numpy", "simd", "kernels"]
        if self.compiler and other.compiler:  # rnnkit 0.1.0 did not ask for it
            names.append("compiler")
        changed = [
            f"{name}: {getattr(self, name)} then, {getattr(other, name)} now"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]
        if not changed and self.digest != other.digest:
            changed = [f"digest: {self.digest} then, {other.digest} now"]
        return changed


def fingerprint() -> Numerics:
    """Measure the arithmetic of this process; some 20 ms."""
    found = numpy_blas()
    blas = found.info() if found else {}
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})
    # A part of NumPy's report that has nothing to say is left out of it.
    simd = [*extensions.get("baseline", ()), *extensions.get("found", ())]
    return Numerics(
        digest=_probe(),
        blas=f"{blas.get('internal_api', 'unknown')} {blas.get('version') or ''}".strip(),
        kernel=str(blas.get("architecture", "unknown")),
        threads=int(blas.get("num_threads", 1)),
        numpy=np.__version__,
        simd=" ".join(simd),
        kernels=kernel_set(),
        compiler=compiler(),
    )


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Use this many threads for products.

    None leaves the libraries' own choice, one for each processor, unless the process may not keep
    so many busy (a container with a quota).
    """
    with threadpool_limits(limits=threads or _quota(), user_api="blas"):
        yield


def _quota() -> int | None:
    """Return the processors that the BLAS does not know to be fewer; None where it chose right."""
    blas = numpy_blas()
    if not blas or any(name in os.environ for name in VARIABLES):
        return None
    return processors() if processors() < blas.num_threads else None


def _probe() -> str:
    random = keyed_generator(0, "probe")
    digest = hashlib.sha256()
    for rows, inner, columns in ((20, 650, 2600), (64, 256, 1024), (1, 128, 512)):
        a = random.standard_normal((rows, inner), dtype=np.float32)
        b = random.standard_normal((inner, columns), dtype=np.float32)
        digest.update((a @ b).tobytes())
        digest.update((a.T @ (a @ b)).tobytes())
        digest.update((a.astype(np.float64) @ b.astype(np.float64)).tobytes())
    values = random.standard_normal(4096, dtype=np.float32)
    for function in (np.tanh, np.exp, np.sum):
        digest.update(np.asarray(function(values)).tobytes())
    if kernels_available():
        from rnnkit.compute.kernels.probe import probe

        found = np.empty_like(values)
        digest.update(np.asarray(probe(values, np.float32(0.5), found)).tobytes())
        digest.update(found.tobytes())
    return digest.hexdigest()[:16]
