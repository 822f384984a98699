"""Read a stranger's checkpoint: its structure is parsed in a limited child process.

The parser is plain Python, so a hostile file should cost an exception at worst. Where that is
wrong, it costs the child, which may use little memory and time, write nothing and open nothing. It
gets the bytes through a pipe and answers only where each array lies, as JSON; the parent checks
that answer by the same rules and cuts the arrays out of its own bytes. A child that crashes, hangs
or lies costs an error message.

Source: setrlimit(2) of the Linux manual.
"""

from __future__ import annotations

import codecs
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from rnnkit.checkpoint.guard import examine
from rnnkit.checkpoint.image import Image, assemble
from rnnkit.checkpoint.layout import (
    FILE_LIMIT,
    Extent,
    check_bounds,
    check_entries,
    check_schema,
)
from rnnkit.checkpoint.seal import unseal
from rnnkit.errors import CheckpointError, Problem, printable
from rnnkit.files.atomic import read_regular

SECONDS = 30
CPU_SECONDS = 10
MEMORY = 1 << 30
"""Bytes of address space that the child may use beside twice the file."""

# Isolated mode ignores PYTHONPATH and the current folder, so the child is told where rnnkit is.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from rnnkit.checkpoint.child import main; main(int(sys.argv[2]))"
)
_ROOT = Path(__file__).resolve().parents[2]
# One thread each: thread pools reserve address space. "::" forbids libhdf5 to load plugins.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
}


@dataclass(frozen=True)
class _Reply:
    schema: int = 0
    extents: list[Extent] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


_REPLY = TypeAdapter(_Reply)


def read_untrusted(path: Path) -> Image:
    """Read the checkpoint at `path` as `load_image` does, parsing it in a child process.

    Raises CheckpointError, with the codes of `load_image`; the child's crash or time-out is
    CKPT_STRUCTURE.
    """
    verified = unseal(read_regular(path, FILE_LIMIT, CheckpointError, "CKPT"), path)
    reply = _ask(verified, path)
    if reply.problems:
        raise CheckpointError(*(_relabelled(problem, path) for problem in reply.problems))
    check_schema(reply.schema, path)
    check_entries(reply.extents, path)
    check_bounds(reply.extents, len(verified), path)
    return assemble(verified, reply.schema, reply.extents)


def _ask(verified: memoryview, path: Path) -> _Reply:
    command = [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT), str(len(verified))]
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        child = subprocess.run(
            command,
            input=verified,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=SECONDS,
            check=True,
        )
        return _REPLY.validate_json(child.stdout, strict=True)
    except (subprocess.SubprocessError, ValueError) as error:
        reason = type(error).__name__
        message = f"the file made the reader fail in its limited process ({reason}); do not use it"
        raise CheckpointError.of("CKPT_STRUCTURE", message, path) from error


def _relabelled(problem: Problem, path: Path) -> Problem:
    code, message = printable(problem.code), printable(problem.message, 500)
    return replace(problem, where=str(path), code=code, message=message)


def main(size: int) -> None:
    """Run the child: read `size` bytes from stdin, write where the arrays lie to stdout."""
    # The limits forbid every open, so the codec that error messages need is loaded before them.
    codecs.lookup("unicode_escape")
    _limit(size)
    image = sys.stdin.buffer.read(size)
    try:
        schema, extents = examine(memoryview(image), "")
        reply = _Reply(schema, extents)
    except CheckpointError as error:
        reply = _Reply(problems=list(error.problems))
    sys.stdout.buffer.write(_REPLY.dump_json(reply))


def _limit(size: int) -> None:
    """Give up what parsing does not need: much memory or time, writing, and opening any file."""
    limits = {
        resource.RLIMIT_AS: MEMORY + 2 * size,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
