"""Everything that a checkpoint saves matters: without any one of it the resume differs or fails.

The cases are found in the classes themselves, so a new field without a case fails here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    command,
    differs,
    newest,
    plain_spec,
    results,
    rewritten,
    small_spec,
    text,
    trained,
)

from rnnkit.checkpoint.image import load_image
from rnnkit.checkpoint.meta import DataFacts, Meta, Origin
from rnnkit.checkpoint.progress import BestEvaluation, Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Snapshot, snapshot_of
from rnnkit.compute.numerics import Numerics
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.errors import CheckpointError

FIRST = Progress()

STOPPED_AT = 13

# The letters of the validation split never come in training: its loss grows from the first on.
CONTENT = text(68, alphabet="abc") + text(17, alphabet="de")

CASES: dict[str, dict[str, Any]] = {
    "step": {"step": 3},  # Adam's bias correction, the masks, the file's name
    "epoch": {"epoch": 0},  # when the run ends
    "window": {"window": 0},  # when an epoch ends
    "cursor": {"cursor": None},  # the text that the next step reads
    "schedule": {"schedule": {"best": None, "bad": 0, "scale": 1.0}},
    "scheduled": {"scheduled": 3},  # where the schedule began
    "total": {"total": 0.0},  # the training loss of the next line
    "weight": {"weight": 0.0},
    "best": {"best": None},  # which evaluation becomes best.h5
    "stale": {"stale": 0},  # when the patience is at its end
    "right": {"right": 0.0},  # the training accuracy of the next line
    "decided": {"decided": 0.0},
    "lines": {"lines": 0, "lines_digest": ""},  # which lines of metrics.jsonl are cut
    "lines_digest": {"lines_digest": "0" * 64},  # whether they are those of the run
    "finished": {"finished": True},
}
"""What each field of Progress is replaced by in the checkpoint of step 13."""

SHOWN = {
    "lr": "the last line of a run that is stopped inside an evaluation shows it",
    "gradient_norm": "the last line of a run that is stopped inside an evaluation shows it",
    "pending": "that evaluation is made only where it is set",
}
"""Fields that matter where a signal cut an evaluation short; tested with such a checkpoint."""

SAMPLED = {"samples", "samples_digest"}
"""Fields of a run that writes samples; tests/training/test_samples.py has one."""


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    """Return a spec in which every field matters: it gets worse, and the patience runs out."""
    return small_spec(
        epochs=5,
        optimizer={"type": "adam", "lr": 0.05},
        schedule={"type": "stall", "multiply": 0.9},
        clip=None,
        every={"log": 3, "evaluate": 2, "save": 100},
        stop={"patience": 8},
    )


@pytest.fixture(scope="module")
def whole(spec: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("whole"), spec, content=CONTENT)


@pytest.fixture(scope="module")
def half(spec: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("half")
    return trained(folder, spec, "--max-steps", STOPPED_AT, content=CONTENT)


def progressed(snapshot: Snapshot, **fields: Any) -> Snapshot:
    progress = snapshot.meta.progress.changed(**fields)
    return replace(snapshot, meta=snapshot.meta.model_copy(update={"progress": progress}))


def test_without_a_change_nothing_differs(half: Path, whole: Path, tmp_path: Path) -> None:
    assert not differs(rewritten(half, tmp_path / "run", lambda snapshot: snapshot), whole)


def test_the_run_stops_where_every_field_says_something(half: Path, whole: Path) -> None:
    progress, end = newest(half).meta.progress, newest(whole).meta.progress
    assert progress.step == STOPPED_AT
    assert end.step == 18, "the patience ends the run"
    for name, change in CASES.items():
        assert getattr(progress, name) != change[name], f"{name} has its default at the stop"


def test_every_field_of_the_progress_has_a_case() -> None:
    assert set(CASES) | set(SHOWN) | SAMPLED == set(Progress.model_fields)
    assert not set(CASES) & set(SHOWN)


@pytest.mark.parametrize("name", CASES)
def test_a_field_of_the_progress(half: Path, whole: Path, tmp_path: Path, name: str) -> None:
    run = rewritten(half, tmp_path / "run", lambda s: progressed(s, **CASES[name]))
    assert differs(run, whole), f"Progress.{name} changes nothing"


@pytest.fixture(scope="module")
def pending(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a run stopped inside the evaluation of step 5, and the one that was not stopped."""
    from training_cases import stopped_at

    spec = plain_spec(every={"log": 100, "evaluate": "epoch", "save": 100})
    whole = trained(tmp_path_factory.mktemp("shown"), spec)
    folder = tmp_path_factory.mktemp("pending")
    with pytest.MonkeyPatch.context() as patch:
        return stopped_at(folder, patch, spec, "evaluation", 1), whole


@pytest.mark.parametrize("name", [None, *SHOWN])
def test_a_field_that_a_pending_evaluation_needs(
    pending: tuple[Path, Path], tmp_path: Path, name: str | None
) -> None:
    stopped, whole = pending
    fields = {} if name is None else {name: getattr(FIRST, name)}
    run = rewritten(stopped, tmp_path / "run", lambda s: progressed(s, **fields))
    assert differs(run, whole) == (name is not None)


@pytest.mark.parametrize("name", BestEvaluation.model_fields)
def test_a_field_of_the_best(half: Path, whole: Path, tmp_path: Path, name: str) -> None:
    other = {"step": 1, "metric": "valid_accuracy", "value": 0.0}

    def change(snapshot: Snapshot) -> Snapshot:
        best = snapshot.meta.progress.best
        assert best is not None and getattr(best, name) != other[name]
        return progressed(snapshot, best=best.model_copy(update={name: other[name]}))

    assert differs(rewritten(half, tmp_path / "run", change), whole)


# Arrays.


def groups(snapshot: Snapshot) -> list[str]:
    """Return every array: each parameter, each slot of each, each array of state."""
    return sorted(snapshot.arrays)


def test_the_arrays_are_those_of_the_classes(half: Path) -> None:
    snapshot = newest(half)
    kinds = {name.split("/")[0] for name in snapshot.arrays}
    assert kinds == {"params", "optimizer", "state"}
    parameters = set(snapshot.part("params"))
    assert set(snapshot.part("optimizer")) == {
        f"{slot}/{name}" for slot in ("mean", "square") for name in parameters
    }
    assert set(snapshot.part("state")) == {"1.lstm/0", "1.lstm/1", "3.residual/0"}


ARRAYS = [
    *(f"params/{n}" for n in ("0.embedding/W", "1.lstm/Wh", "3.residual/layer.Wx", "5.affine/b")),
    *(f"optimizer/mean/{n}" for n in ("0.embedding/W", "1.lstm/b", "3.residual/layer.Wh")),
    *(f"optimizer/square/{n}" for n in ("1.lstm/Wx", "3.residual/layer.b", "5.affine/W")),
    "state/1.lstm/0",
    "state/1.lstm/1",
    "state/3.residual/0",
]


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_zeros_differs(half: Path, whole: Path, tmp_path: Path, name: str) -> None:
    def change(snapshot: Snapshot) -> Snapshot:
        assert snapshot.arrays[name].any()
        zeros = np.zeros_like(snapshot.arrays[name])
        return replace(snapshot, arrays={**snapshot.arrays, name: zeros})

    assert differs(rewritten(half, tmp_path / "run", change), whole)


def test_every_array_that_is_left_out_is_named(half: Path, tmp_path: Path) -> None:
    names = groups(newest(half))
    assert set(ARRAYS) <= set(names)
    for index, name in enumerate(names):
        run = rewritten(
            half,
            tmp_path / str(index),
            lambda s, name=name: replace(
                s, arrays={n: a for n, a in s.arrays.items() if n != name}
            ),
        )
        ran = command("resume", run)
        assert ran.code == 6 and f"missing {name} " in ran.err, name


# The rest of the file.

META: dict[str, Any] = {
    "spec": "its seed is tested below",
    "data": "its digest is tested below",
    "progress": "tested field by field above",
    "numerics": "a difference is told, and is in the next file",
    "origins": "where each class came from: another version migrates or refuses",
    "rnnkit": "tells which version wrote the file; nothing follows from it",
    "numpy": "tells which version wrote the file; nothing follows from it",
    "begun": "tells what the run began with; nothing follows from it",
}


def test_every_field_of_the_meta_has_a_reason() -> None:
    assert set(META) == set(Meta.model_fields)
    explained = {"blas", "kernel", "threads", "numpy", "simd", "kernels", "compiler"}
    assert set(Numerics.model_fields) == {"digest", *explained}


def edited(run: Path, to: Path, edit: Any) -> Path:
    """Copy a run; edit(meta) changes the stored JSON in place."""

    def change(snapshot: Snapshot) -> Snapshot:
        value = json.loads(snapshot.meta.encoded())
        edit(value)
        return replace(snapshot, meta=Meta.model_validate_json(json.dumps(value)))

    return rewritten(run, to, change)


def test_another_seed_differs(half: Path, whole: Path, tmp_path: Path) -> None:
    run = edited(half, tmp_path / "run", lambda meta: meta["spec"]["train"].update(seed=4))
    assert differs(run, whole)


@pytest.mark.parametrize("name", Numerics.model_fields)
def test_other_numerics_are_told(half: Path, whole: Path, tmp_path: Path, name: str) -> None:
    other: Any = 99 if name == "threads" else "other"
    run = edited(half, tmp_path / "run", lambda meta: meta["numerics"].update({name: other}))
    ran = command("resume", run)
    assert ran.code == 0 and f"{name}: {other} then, " in ran.err
    assert results(run) == results(whole), "the file is of today's arithmetic again"


# Which fields of the data's facts a resume needs, and which only a model without its data does.
FACTS = {
    "sha256": "resume",
    "inputs": "load",
    "inputs_are_ids": "load",
    "targets": "load",
    "targets_are_ids": "load",
    "unit": "load",
}


def test_every_fact_of_the_data_has_a_case() -> None:
    assert set(FACTS) == set(DataFacts.model_fields)


def test_another_digest_is_other_data(half: Path, tmp_path: Path) -> None:
    run = edited(half, tmp_path / "run", lambda meta: meta["data"].update(sha256="0" * 64))
    ran = command("resume", run)
    assert ran.code == 6 and "[CKPT_OTHER_RUN] is not of this run: trained on data of" in ran.err
    RunDir(run).note(data_sha256="0" * 64)
    ran = command("resume", run)
    assert ran.code == 5 and "[DATA_CHANGED]" in ran.err


@pytest.mark.parametrize(
    ("name", "other"),
    [("inputs", 9), ("inputs_are_ids", False), ("targets", 9), ("targets_are_ids", False)],
)
def test_a_model_is_built_from_the_facts_of_its_data(
    half: Path, tmp_path: Path, name: str, other: Any
) -> None:
    run = edited(half, tmp_path / "run", lambda meta: meta["data"].update({name: other}))
    (run / "best.h5").unlink(missing_ok=True)
    prompt = ("sample", run, "--prompt", "a", "--length", "5", "--seed", "1")
    good = command("sample", half, "--prompt", "a", "--length", "5", "--seed", "1")
    assert good.code == 0, good.err
    if name == "targets_are_ids":
        return  # a softmax takes distributions as wide as the ids: sampling is the same
    assert command(*prompt).code in (3, 6)


@pytest.mark.parametrize("name", Origin.model_fields)
def test_a_field_of_an_origin(half: Path, tmp_path: Path, name: str) -> None:
    index = 2
    others: dict[str, Any] = {
        "path": ["model", "layers", 63],
        "group": "rnnkit.losses",
        "type": "gone",
        "version": 9,
        "distribution": "rnnkit-other",
        "release": "9.9",
        "target": "other:Other",
        "source": "0" * 64,
    }
    run = edited(half, tmp_path / "run", lambda m: m["origins"][index].update({name: others[name]}))
    ran = command("resume", run)
    if name in ("group", "type"):
        assert ran.code == 4 and "not installed" in ran.err
    elif name in ("version", "distribution"):
        assert ran.code == 6 and "[CKPT_PLUGIN_MISMATCH]" in ran.err
    else:
        # `path` leads to what a migration rewrites; the others are names for a message.
        assert ran.code == 0, ran.err


@pytest.mark.parametrize("name", Vocabulary.model_fields)
def test_a_field_of_the_vocabulary(half: Path, whole: Path, tmp_path: Path, name: str) -> None:
    def change(snapshot: Snapshot) -> Snapshot:
        vocabulary = snapshot.vocabulary
        assert vocabulary is not None
        others = {"tokens": vocabulary.tokens[::-1], "unknown": 0}
        other = vocabulary.model_copy(update={name: others[name]})
        return replace(snapshot, vocabulary=other)

    assert differs(rewritten(half, tmp_path / "run", change), whole)


@pytest.mark.parametrize(
    ("vocabulary", "said"),
    [
        (b"[]", "/vocabulary is no list of tokens"),
        (b'{"tokens": [1]}', "/vocabulary is no list of tokens"),
        (b'{"tokens": ["a", "b"], "unknown": 2}', "/vocabulary: unknown is none of its 2 tokens"),
        (b'{"tokens": ["a", "b"], "unknown": -1}', "/vocabulary: unknown is none of its 2 tokens"),
    ],
)
def test_a_vocabulary_that_is_none(half: Path, vocabulary: bytes, said: str) -> None:
    image = load_image(RunDir(half).step_files()[-1][1])
    for unknown in (0, 1):
        good = f'{{"tokens": ["a", "b"], "unknown": {unknown}}}'.encode()
        found = snapshot_of(replace(image, blobs={**image.blobs, "vocabulary": good}), "x.h5")
        assert found.vocabulary == Vocabulary(tokens=("a", "b"), unknown=unknown)
    with pytest.raises(CheckpointError) as caught:
        snapshot_of(replace(image, blobs={**image.blobs, "vocabulary": vocabulary}), "x.h5")
    assert str(caught.value) == f"x.h5 [CKPT_META] {said}"


@pytest.mark.parametrize("names", [(), ("vocabulary",), ("meta", "other"), ("meta", "states")])
def test_what_may_stand_at_the_root(half: Path, names: tuple[str, ...]) -> None:
    image = load_image(RunDir(half).step_files()[-1][1])
    blobs = {name: image.blobs.get(name, b"{}") for name in names}
    said = "a file of states, not a" if "states" in names else "expected /meta, and /vocabulary or "
    with pytest.raises(CheckpointError, match=rf"x\.h5 \[CKPT_META\] {said}"):
        snapshot_of(replace(image, blobs=blobs), "x.h5")
    assert snapshot_of(replace(image, blobs={"meta": image.blobs["meta"]}), "").vocabulary is None


def test_a_model_without_its_vocabulary_writes_no_text(half: Path, tmp_path: Path) -> None:
    """A resume finds the vocabulary in the data again; a model on its own cannot."""
    run = rewritten(half, tmp_path / "run", lambda s: replace(s, vocabulary=None))
    (run / "best.h5").unlink()
    ran = command("sample", run, "--length", "5")
    assert ran.code == 6 and "[CKPT_NO_TEXT]" in ran.err
