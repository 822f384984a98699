"""A fingerprint of the arithmetic: two machines that share it compute the same bits.

Products differ in their last bits between BLAS kernels and between one and two threads, tanh and
exp between SIMD levels. A checkpoint carries the fingerprint, so that a change is reported, never
silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from rnnkit.compute.kernels.jit import kernel_set
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

    def differences(self, other: Numerics) -> list[str]:
        """Return a phrase for each field that differs; the digest where nothing explains it."""
        changed = [
            f"{name}: {getattr(self, name)} then, {getattr(other, name)} now"
            for name in ("blas", "kernel", "threads", "numpy", "simd", "kernels")
            if getattr(self, name) != getattr(other, name)
        ]
        if not changed and self.digest != other.digest:
            changed = [f"digest: {self.digest} then, {other.digest} now"]
        return changed


def fingerprint() -> Numerics:
    """Measure the arithmetic of this process; some 20 ms."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = pools[0] if pools else {}
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return Numerics(
        digest=_probe(),
        blas=f"{blas.get('internal_api', 'unknown')} {blas.get('version', '')}".strip(),
        kernel=str(blas.get("architecture", "unknown")),
        threads=int(blas.get("num_threads", 1)),
        numpy=np.__version__,
        simd=" ".join([*simd["baseline"], *simd["found"]]),
        kernels=kernel_set(),
    )


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
    return digest.hexdigest()[:16]
