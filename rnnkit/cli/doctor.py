"""rnnkit doctor: what decides results and speed on this machine."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform

from rnnkit.cli.common import emit, table, tell
from rnnkit.cli.options import make_command
from rnnkit.core.distributions import offers
from rnnkit.core.installed import installed
from rnnkit.core.machine import processors
from rnnkit.version import VERSION

PACKAGES = ("numpy", "pydantic", "h5py", "click", "threadpoolctl", "rich")
VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "RNNKIT_KERNELS",
)


@make_command("doctor")
def command() -> None:
    """Report Python, packages, BLAS with its kernel and threads, SIMD level, and plugins."""
    from rnnkit.compute.blas_pins import cost, pins
    from rnnkit.compute.numerics import fingerprint, limited_threads

    with limited_threads(None):  # as a run computes here
        numerics = fingerprint()
    plugins = installed()
    others = sorted({f"{p.distribution} {p.version}" for p in plugins} - {f"rnnkit {VERSION}"})
    environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    result = {
        "python": f"{platform.python_version()} ({platform.machine()}, {platform.system()})",
        "packages": {"rnnkit": VERSION} | {name: _version(name) for name in PACKAGES},
        "blas": numerics.blas,
        "kernel": numerics.kernel,
        "threads": numerics.threads,
        "processors": processors(),
        "simd": numerics.simd,
        "kernels": numerics.kernels,
        "compiler": numerics.compiler,
        "fingerprint": numerics.digest,
        "types": len(plugins),
        "plugins": others,
        "environment": environment,
    }
    rows = [
        (key, ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value)
        for key, value in {**result, "plugins": ", ".join(others) or "none"}.items()
    ]
    emit(result, table([(key, value or "none") for key, value in rows]))
    for sentence in offers().unused:
        tell(sentence)
    if found := pins():
        tell(_warning(found, cost()))


def _warning(found: dict[str, str], times: float | None) -> str:
    names = " ".join(f"{name}={value}" for name, value in found.items())
    if times is None:
        loss = "an older one than the processor's can halve their speed"
    elif times < 1.05:
        loss = "that costs nothing here, measured on 1000 x 1000 in float32"
    else:
        loss = f"one takes {times:.1f} times as long here, measured on 1000 x 1000 in float32"
    return f"{names} pins the kernel of matrix products: {loss} (unset it)"


def _version(package: str) -> str:
    """Return the version of the code that runs, or else what the metadata says."""
    running = vars(importlib.import_module(package)).get("__version__")
    if isinstance(running, str):
        return running
    try:
        return importlib.metadata.version(package) or "unknown"
    except (importlib.metadata.PackageNotFoundError, UnicodeDecodeError, KeyError):
        return "unknown"
