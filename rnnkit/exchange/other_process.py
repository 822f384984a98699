"""Another program in a process of its own, which is asked by files of arrays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rnnkit.errors import ThresholdError
from rnnkit.exchange import child
from rnnkit.types import Array

Ask: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]
"""`ask(arrays)` gives the arrays that the program answers with."""


@contextmanager
def asked(
    program: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Ask]:
    """Yield what asks one of the programs of `child` about the export in a folder.

    Raises ThresholdError, with the last line of what it said, where it fails.
    """
    with tempfile.TemporaryDirectory() as scratch, open(f"{scratch}/said", "w+") as said:
        command = [sys.executable, "-P", "-B", child.__file__, program, str(folder)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        assert process.stdin and process.stdout
        questions, answers, number = process.stdin, process.stdout, 0

        def ask(arrays: Mapping[str, Array]) -> dict[str, Array]:
            nonlocal number
            number += 1
            name = f"{scratch}/{number}"
            np.savez(f"{name}.npz", **arrays)  # type: ignore[arg-type]
            try:
                questions.write(f"{name}\n")
                questions.flush()
                heard = answers.readline()
            except BrokenPipeError:
                heard = ""
            if heard != "answered\n":
                process.wait()
                raise _failed(program, Path(said.name).read_text())
            with np.load(f"{name}.answer.npz") as file:
                return dict(file)

        try:
            yield ask
        finally:
            process.kill()
            process.communicate()


def _failed(program: str, said: str) -> ThresholdError:
    last = ([line for line in said.splitlines() if line.strip()] or ["it ended"])[-1]
    message = f"the process of its own for {program} failed: {last.strip()}; nothing was kept"
    return ThresholdError.of("EXPORT_FAILS", message)
