"""Runs that any number of ranks and threads have to give the same bytes of.

As a script: trains those that are named in a folder, by the ranks that mpiexec started.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import JSONObject, text

MPIEXEC = Path(sys.executable).with_name("mpiexec")
RNNKIT = Path(sys.executable).with_name("rnnkit")
LONG = 120
"""Seconds after which what waits would wait for ever."""

SIZE = 400
ATTENTIVE = {
    "encoder": {"layers": [{"type": "embedding", "units": 4}, {"type": "gru", "units": 5}]},
    "decoder": {
        "layers": [
            {"type": "embedding", "units": 4},
            {"type": "gru", "units": 5},
            {"type": "attention"},
            {"type": "affine"},
        ]
    },
    "loss": {"type": "softmax_cross_entropy"},
}


def sharded(layers: list[JSONObject], shards: int, **train: Any) -> JSONObject:
    """Return a spec over 12 streams of text, evaluated and saved in between."""
    return {
        "data": {"type": "text", "path": "text.txt", "tokenizer": {"type": "char"}},
        "model": {
            "layers": [{"type": "embedding", "units": 5}, *layers, {"type": "affine"}],
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {
            "epochs": 2,
            "streams": 12,
            "shards": shards,
            "window": 5,
            "optimizer": {"type": "adam", "lr": 0.02},
            "clip": {"norm": 0.2},
            "every": {"log": 2, "save": 3, "evaluate": "epoch"},
            "seed": 3,
            **train,
        },
        "evaluate": {"streams": 7},
    }


def _pairs(shards: int) -> JSONObject:
    spec = sharded([], shards, epochs=1)
    spec["data"] = {
        "type": "pairs",
        "source": "addition",
        "count": 120,
        "tokenizer": {"type": "char"},
    }
    return {**spec, "model": ATTENTIVE}


def _ragged(shards: int, **train: Any) -> JSONObject:
    spec = sharded([{"type": "lstm", "units": 6}], shards, epochs=2, **train)
    spec["data"] = {
        "type": "sequences",
        "path": "rows.jsonl",
        "inputs": {"kind": "text", "key": "text", "tokenizer": {"type": "char"}},
        "targets": {"kind": "class", "key": "label"},
    }
    return spec


LSTM = {"type": "lstm", "units": 6}
DROPOUT = {"type": "dropout", "rate": 0.25}
GUESSES = {"type": "sample", "probability": 0.5}
DOCUMENTS = {"reset": "document", "separator": "\n"}
TRUE = {"style": "true", "steps": 3}
AVERAGED = {"sync": {"every": 2}, "every": {"log": 2, "save": 4, "evaluate": 2}}

CASES: dict[str, JSONObject] = {
    "dropout": sharded([LSTM, DROPOUT], 5),
    "two_layers": sharded([LSTM, {"type": "lstm", "units": 5}], 8),
    "documents": sharded([{"type": "gru", "units": 6}], 5, state=DOCUMENTS),
    "ragged": _ragged(8),
    "pairs": _pairs(5),
    "true_truncation": sharded([LSTM], 8, bptt=TRUE),
    "true_guesses": sharded([LSTM], 5, bptt=TRUE, feed=GUESSES),
    "guesses": sharded([LSTM, DROPOUT], 8, feed=GUESSES),
    "recompute": sharded([LSTM, DROPOUT], 5, recompute=True),
    "adagrad": sharded([LSTM], 8, optimizer={"type": "adagrad", "lr": 0.05}),
    "averaged": sharded([LSTM, DROPOUT], 5, **AVERAGED, feed=GUESSES),
    "averaged_truncation": sharded([LSTM], 8, **AVERAGED, bptt=TRUE),
    "averaged_documents": sharded([{"type": "gru", "units": 6}], 5, **AVERAGED, state=DOCUMENTS),
    "averaged_ragged": _ragged(8, **AVERAGED),
    "plugin": sharded([{"type": "slow", "units": 6}], 5),
}


def written(folder: Path, spec: JSONObject) -> Path:
    """Write a spec, its data and the plugin into a folder; return the path of the spec."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_text(text(SIZE))
    rows = ({"text": text(3 + i % 7, seed=i), "label": "ab"[i % 2]} for i in range(60))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def endless(folder: Path, shards: int = 5) -> Path:
    """Write a spec that trains until it is stopped, and saves after each step."""
    every = {"log": 1, "save": 1, "evaluate": None}
    return written(folder, sharded([LSTM, DROPOUT], shards, epochs=10**5, every=every))


def wait_for_checkpoint(run: Path) -> None:
    """Wait until a run has saved."""
    for _ in range(LONG * 10):
        if list(run.glob("checkpoints/step-*.h5")):
            return
        time.sleep(0.1)
    raise AssertionError(f"{run} never saved")


def train_all(folder: Path, names: Sequence[str]) -> None:
    """Train cases that lie in a folder, by all ranks."""
    from rnnkit.cli import error_in_words
    from rnnkit.compute.mpi import MpiRanks
    from rnnkit.contracts.registry import Registry
    from rnnkit.spec.read import read_spec
    from rnnkit.training.start import RunOptions, start

    with MpiRanks(error_in_words) as ranks:
        for name in names:
            path = folder / name / "spec.json"
            read = read_spec(path, Registry())
            options = RunOptions(ranks=ranks)
            start(read.spec, read.source, path.parent / "run", path.parent, Registry(), options)


if __name__ == "__main__":
    train_all(Path(sys.argv[1]), sys.argv[2:])
