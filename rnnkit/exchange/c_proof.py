"""C sources compiled to a library, and called from Python."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rnnkit.errors import PluginError, ThresholdError, printable
from rnnkit.exchange.proof import Runner
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-O2")
COMPILERS = ("gcc", "clang", "cc")
SECONDS = 600


@contextmanager
def compiled_source(file: Path, name: str, network: Network) -> Iterator[tuple[Runner, str]]:
    """Yield what runs a source, and the compiler in words.

    Raises PluginError where there is no compiler, ThresholdError where the source is refused.
    """
    compiler = next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        message = f"needs a C compiler for the proof: {', '.join(COMPILERS)} "
        message += "(install one, or give --no-verify)"
        raise PluginError.of("PACKAGE_MISSING", message, "rnnkit")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "model.so"
        line = [compiler, *FLAGS, "-shared", "-fPIC", "-o", str(library), str(file), "-lm"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            message = f"{compiler} refuses it: {printable(done.stderr.strip(), 400)}"
            raise ThresholdError.of("EXPORT_DIFFERS", message, file.name)
        yield _runner(ctypes.CDLL(str(library)), name, network), f"{compiler} {' '.join(FLAGS)}"


def _runner(library: ctypes.CDLL, name: str, network: Network) -> Runner:
    step = getattr(library, f"{name}_step")
    step.restype = ctypes.c_int

    def run(xs: Array, states: States) -> tuple[Array, States]:
        steps, streams = xs.shape[:2]
        ys = np.empty((steps, streams, network.outputs.known()), np.float32)
        after = {layer: tuple(map(np.empty_like, state)) for layer, state in states.items()}
        for stream in range(streams):
            own = [array[stream] for state in states.values() for array in state]
            state = np.concatenate([*own, np.zeros(1, np.float32)])
            for t in range(steps):
                x = xs[t, stream]
                given = ctypes.c_int32(int(x)) if network.inputs.ids else _pointer(x)
                code = step(_pointer(state), given, _pointer(ys[t, stream]))
                assert code == 0, code
            start = 0
            for layer in after.values():
                for array in layer:
                    array[stream] = state[start : start + array.shape[1]]
                    start += array.shape[1]
        return ys, after

    return run


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(np.ascontiguousarray(array).ctypes.data)
