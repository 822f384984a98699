"""What a model costs in C: bytes of code, weights and state, and nanoseconds a step beside rnnkit.

Run `python -m benchmarks.c_export`. Both sides run one stream, one step at a time, on one thread,
in turn, each in a process of its own; a figure is the median of the rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import rnnkit

ROUNDS = 5
FLAGS = ("-std=c99", "-O2")
LETTERS = "".join(map(chr, range(33, 98))) * 4
OPTIMIZER = {"epochs": 1, "streams": 2, "window": 8, "optimizer": {"type": "sgd", "lr": 0.1}}

TIMED = """\
#include <stdio.h>
#include <time.h>
#include "model.h"

int main(void)
{{
    static model_state state;
    static float y[MODEL_OUTPUTS];
    {x}
    model_init(&state);
    clock_t start = clock();
    long steps = 0;
    do {{
        for (int i = 0; i < 200; i++, steps++)
            model_step(&state, {given}, y);
    }} while (clock() - start < CLOCKS_PER_SEC);
    printf("%.0f %zu\\n", 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / steps, sizeof state);
    return 0;
}}
"""

STEPPED = """\
import sys, time
import numpy as np
from rnnkit import load

model = load(sys.argv[1])
x = 3 if model.network.inputs.ids else np.zeros(model.network.inputs.width, np.float32)
state = model.start()
state = model.step(x, state)[1]
start, steps = time.process_time(), 0
while time.process_time() - start < 1:
    for _ in range(50):
        _, state = model.step(x, state)
    steps += 50
print(1e9 * (time.process_time() - start) / steps)
"""


def main() -> None:
    """Print a row for each model."""
    print("| model | parameters | code | weights | state | C | rnnkit |")
    print("|---|---|---|---|---|---|---|")
    for name, model in models().items():
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, model, Path(folder)), flush=True)


def models() -> Mapping[str, rnnkit.Model]:
    """Return the two models, untrained: weights cost the same."""
    affine = {"type": "affine"}
    arrays: Any = rnnkit.Arrays  # whose call takes a frame in its first place, unknown to types
    lstm, gru = {"type": "lstm", "units": 128}, {"type": "gru", "units": 16}
    letters = [{"type": "embedding", "units": 64}, lstm, lstm, affine]
    wave = {"load": np.sin(np.arange(200) / 5), "day": np.arange(200) % 7.0}
    return {
        "letters, LSTM 2 x 128": built(
            letters, "softmax_cross_entropy", rnnkit.Arrays(text=LETTERS)
        ),
        "series of 2 columns, GRU 16": built([gru, affine], "mse", arrays(wave)),
    }


def built(layers: list[Any], loss: str, data: Any) -> rnnkit.Model:
    """Return the model of a spec called "model"."""
    model = {"layers": layers, "loss": {"type": loss}}
    return rnnkit.build({"name": "model", "model": model, "train": OPTIMIZER}, data=data)


def row(name: str, model: rnnkit.Model, folder: Path) -> str:
    """Measure one model in both programs, in turn."""
    model.export("c", folder / "c")
    model.save(folder / "model.h5")
    ids = model.network.inputs.ids
    x = "" if ids else "static float x[MODEL_INPUTS];"
    (folder / "c" / "main.c").write_text(TIMED.format(x=x, given="3" if ids else "x"))
    files = [folder / "c" / "model.c", folder / "c" / "main.c"]
    ran(["gcc", *FLAGS, "-o", folder / "main", *files, "-lm"])
    ran(["gcc", *FLAGS, "-c", "-o", folder / "model.o", files[0]])
    code, weights = sections(folder / "model.o")
    there, here, state = [], [], "0"
    for _ in range(ROUNDS):
        nanoseconds, state = ran([folder / "main"]).split()
        there.append(float(nanoseconds))
        here.append(float(ran([sys.executable, "-c", STEPPED, folder / "model.h5"])))
    figures = f"{code:,} | {weights:,} | {int(state):,}"
    times = f"{statistics.median(there):,.0f} ns | {statistics.median(here):,.0f} ns"
    return f"| {name} | {model.store.flat.size:,} | {figures} | {times} |"


def sections(file: Path) -> tuple[int, int]:
    """Return the bytes of instructions and of constants of an object file."""
    found = {"text": 0, "rodata": 0}
    for line in ran(["size", "-A", file]).splitlines():
        parts = line.split()
        kind = parts[0].split(".")[1] if parts and parts[0].startswith(".") else ""
        if kind in found:
            found[kind] += int(parts[1])
    return found["text"], found["rodata"]


def ran(line: list[Any]) -> str:
    """Run a program on one thread; return what it prints."""
    environment = {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        line, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


if __name__ == "__main__":
    main()
