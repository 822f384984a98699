"""A fingerprint of the arithmetic: two machines that share it compute the same bits.

Products differ in their last bits between BLAS kernels and between one and two threads, tanh and
exp between SIMD levels. A checkpoint carries the fingerprint, so that a change is reported, never
silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from rnnkit.compute.kernels.jit import available, compiler, kernel_set
from rnnkit.core.block import Record
from rnnkit.core.context import keyed_generator


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
    blas = _blas()
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


def _blas() -> Mapping[str, Any]:
    """Return what is known of the BLAS that NumPy multiplies with; others may be loaded beside it.

    A wheel brings its own, in its folder or in the one beside it. Where NumPy has the system's, it
    is the first by path that is not in the folder of another package.
    """
    home = Path(np.__file__).parent
    own = (home, home.with_name("numpy.libs"))
    pools = sorted(
        (pool for pool in threadpool_info() if pool["user_api"] == "blas"),
        key=lambda pool: str(pool["filepath"]),
    )

    def distance(pool: Mapping[str, Any]) -> int:
        parents = Path(str(pool["filepath"])).parents
        return 0 if any(folder in parents for folder in own) else 1 + (home.parent in parents)

    return min(pools, key=distance, default={})


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Use this many threads for products; None leaves the libraries' own choice."""
    with threadpool_limits(limits=threads, user_api="blas"):
        yield


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
    if available():
        from rnnkit.compute.kernels.probe import probe

        found = np.empty_like(values)
        digest.update(np.asarray(probe(values, np.float32(0.5), found)).tobytes())
        digest.update(found.tobytes())
    return digest.hexdigest()[:16]
