"""Small specs on small seeded texts, and runs of them, for the tests of training and resuming."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Snapshot, load_snapshot
from rnnkit.cli import run_command
from rnnkit.compute.numpy_blas import numpy_blas

JSONObject = dict[str, Any]

# Products as small as these are slower on two threads; processes are told the same below.
threadpool_limits(1, user_api="blas")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

STUB = '''
"""A cell of another distribution: two arrays of state, one of them a counter."""

from typing import Literal

import numpy as np

from rnnkit.contracts.cell import GatedCell


class Slow(GatedCell):
    """h' = tanh(zx + zh / (1 + n)); n' = n + 1."""

    type: Literal["slow"] = "slow"

    def state_sizes(self, inputs):
        return (self.units, 1)

    def mix(self, params, zx, zh, state, ctx):
        _, n = state
        scale = 1 / (1 + n)
        h = np.tanh(zx + zh * scale)

        def backward(dstate, grads):
            dz = dstate[0] * (1 - h * h)
            return dz, dz * scale, (np.zeros_like(h), np.zeros_like(n))

        return (h, n + 1), backward
'''


def text(size: int, seed: int = 0, alphabet: str = "abcde\n") -> str:
    """Return a text in which every letter occurs and some follow others more often."""
    random = np.random.default_rng(seed)
    steps = random.choice([0, 1, 1, 1, 2, 3], size)
    return "".join(alphabet[i % len(alphabet)] for i in np.cumsum(steps))


def small_spec(**train: Any) -> JSONObject:
    """Return a spec of 15 steps: 3 epochs of 5 windows, everything stateful in it."""
    return {
        "spec_version": 1,
        "name": "small",
        "data": {
            "type": "text",
            "path": "text.txt",
            "tokenizer": {"type": "char"},
            "split": [0.8, 0.2, 0.0],
        },
        "model": {
            "layers": [
                {"type": "embedding", "units": 5},
                {"type": "lstm", "units": 6},
                {"type": "dropout", "rate": 0.25},
                {"type": "residual", "layer": {"type": "gru", "units": 6}},
                {"type": "dropout", "rate": 0.25, "locked": True},
                {"type": "affine"},
            ],
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {
            "epochs": 3,
            "streams": 3,
            "window": 4,
            "optimizer": {"type": "adam", "lr": 0.02},
            "schedule": {"type": "stall", "multiply": 0.5},
            "clip": {"norm": 0.5},
            "every": {"log": 2, "evaluate": "epoch", "save": 4},
            "seed": 3,
            **train,
        },
    }


def plain_spec(**train: Any) -> JSONObject:
    """Return a spec without random numbers: an embedding, a simple cell, an affine layer."""
    spec = small_spec(**{"optimizer": {"type": "sgd", "lr": 0.1}, "schedule": None, **train})
    spec["model"]["layers"] = [
        {"type": "embedding", "units": 4},
        {"type": "rnn", "units": 5},
        {"type": "affine"},
    ]
    return spec


def sequences_data(folder: Path, rows: Sequence[JSONObject]) -> JSONObject:
    """Write rows with "text" and "label"; return the data: a class for each, by characters."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "type": "sequences",
        "path": "rows.jsonl",
        "split": [1.0, 0.0, 0.0],
        "inputs": {"kind": "text", "key": "text", "tokenizer": {"type": "char"}},
        "targets": {"kind": "class", "key": "label"},
    }


def write_spec(folder: Path, spec: JSONObject, content: str | None = None) -> Path:
    """Write a spec and its text into a folder; return the path of the spec."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_text(text(85) if content is None else content)
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def write_stub(folder: Path) -> None:
    """Write an installed distribution that offers the cell `slow`; its folder goes on sys.path."""
    facts = folder / "rnnkit_stub-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: rnnkit-stub\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[rnnkit.layers]\nslow = rnnkit_stub:Slow\n")
    (folder / "rnnkit_stub.py").write_text(STUB)


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> Ran:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), np.errstate(all="warn", under="ignore"):
        code = run_command([str(a) for a in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def done(*arguments: object) -> Ran:
    """Run a command line that must end well."""
    ran = command(*arguments)
    assert ran.code == 0, ran.err
    return ran


def process(arguments: Sequence[object], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    program = "import sys; from rnnkit.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD, **environment},
        timeout=120,
    )


def trained(folder: Path, spec: JSONObject, *options: object, content: str | None = None) -> Path:
    """Run a spec to its end, or to where the options stop it; return the run directory."""
    path = write_spec(folder, spec, content)
    done("run", path, "--out", folder / "run", *options)
    return folder / "run"


def copy(run: Path, to: Path) -> Path:
    """Copy a run directory, together with the text beside it that it knows by an absolute path."""
    shutil.copytree(run, to)
    return to


def unsaved(run: Path) -> Path:
    """Leave of a run what a kill before its first checkpoint leaves."""
    for _, path in RunDir(run).step_files():
        path.unlink()
    (run / "best.h5").unlink(missing_ok=True)
    return run


def results(run: Path) -> dict[str, bytes]:
    """Return the bytes that must not depend on how often a run was stopped."""
    last = RunDir(run).step_files()[-1][1]
    paths = [last, run / "metrics.jsonl", run / "best.h5"]
    return {p.name: p.read_bytes() for p in paths if p.exists()}


def lines(run: Path) -> list[JSONObject]:
    """Return the lines of the metrics."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def newest(run: Path) -> Snapshot:
    """Return the newest checkpoint, verified."""
    return load_snapshot(RunDir(run).step_files()[-1][1])


def steps_kept(run: Path) -> list[int]:
    """Return the steps of the checkpoints that are there."""
    return [step for step, _ in RunDir(run).step_files()]


def told(ran: Ran, code: int, *said: str) -> None:
    """Check the exit code and that one line says it all."""
    assert ran.code == code, ran.err
    for part in said:
        assert part in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def pair_spec(**train: Any) -> JSONObject:
    """Return a spec of an encoder and a decoder."""
    spec = small_spec(**train)
    layers = [{"type": "embedding", "units": 4}, {"type": "gru", "units": 5}]
    spec["data"] = {"type": "pairs", "source": "addition", "tokenizer": {"type": "char"}}
    spec["data"]["count"] = 500
    spec["model"] = {
        "encoder": {"layers": layers},
        "decoder": {"layers": [*layers, {"type": "affine"}]},
        "loss": {"type": "softmax_cross_entropy"},
    }
    return spec


def rewritten(run: Path, to: Path, change: Any) -> Path:
    """Copy a run and replace its newest snapshot by change(snapshot)."""
    copy(run, to)
    for path in RunDir(to).step_files()[:-1]:
        path[1].unlink()
    _, path = RunDir(to).step_files()[-1]
    path.write_bytes(change(newest(to)).encoded())
    return to


def differs(run: Path, whole: Path) -> bool:
    """Tell whether a resume fails, or ends in other results than the run that never stopped."""
    ran = command("resume", run)
    return ran.code != 0 or results(run) != results(whole)


def threads_used(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[int]:
    """Return a list to which each call of a function adds the threads that the BLAS has there."""
    used: list[int] = []
    once = getattr(owner, name)

    def counted(*arguments: Any) -> Any:
        blas = numpy_blas()
        assert blas
        used.append(blas.num_threads)
        return once(*arguments)

    monkeypatch.setattr(owner, name, counted)
    return used


MODEL_SPECS = Path(__file__).parents[1] / "model_specs"


def measured(name: str, out: Path, *options: str, split: str = "test") -> dict[str, float]:
    """Return the metrics of a spec that was trained with some values changed."""
    overrides = [part for option in options for part in ("-s", option)]
    done("run", MODEL_SPECS / f"{name}.json", "--out", out, *overrides)
    found = json.loads(done("eval", out, "--split", split, "--json").out)
    metrics: dict[str, float] = found["metrics"]
    return metrics
