"""A loss whose steps depend on each other is told of the window, and asked for no part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers import command, done, plain_spec, told
from helpers import write_spec as write
from stubs import install

import rnnkit
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.builtin.metrics.accuracy import Accuracy
from rnnkit.contracts.loss import decided
from rnnkit.contracts.token_scores import TokenScores
from rnnkit.errors import CheckpointError
from rnnkit.inference.evaluate import evaluate
from rnnkit.types import Array

VOTE = """
from typing import ClassVar, Literal
import numpy as np
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy


def shares(ys, valid):
    there = np.ones(ys.shape[:2], ys.dtype) if valid is None else valid.astype(ys.dtype)
    return (there / np.maximum(there.sum(axis=0), 1))[:, :, None]


class Stub(SoftmaxCrossEntropy):
    type: Literal["stub"] = "stub"
    {spans}

    def forward(self, ys, targets, weights, ctx):
        share = shares(ys, ctx.valid)
        voted = np.zeros_like(ys) + (share * ys).sum(axis=0)
        total, weight, backward = super().forward(voted, targets, weights, ctx)
        return total, weight, lambda: (share * backward().sum(axis=0)).astype(ys.dtype)

    def decisions(self, ys, targets, weights, resets, valid):
        assert weights.shape == resets.shape == ys.shape[:2] and (valid is None or resets.any())
        voted = (shares(ys, valid) * ys).sum(axis=0).argmax(axis=-1)
        return np.zeros(ys.shape[:2], int) + voted, targets
"""
"""All steps of a sequence vote for the one label that each of them is given."""

ALONE = "the loss softmax_cross_entropy spans time and gives no token a score of its own"
OTHER = r"\(train with another, such as softmax_cross_entropy\)"
SPANS = "spans_time: ClassVar[bool] = True"


class Plain(SoftmaxCrossEntropy):
    """Decides as it did before it was told of the window."""

    spans_time: ClassVar[bool] = True

    def decisions(self, ys: Array, targets: Array) -> tuple[Array, Array]:  # type: ignore[override]
        return ys.argmax(axis=-1), targets


def tagging(folder: Path, **train: Any) -> Path:
    random = np.random.default_rng(5)
    lengths = random.integers(1, 15, 60)
    rows = [{"x": random.integers(0, 2, (n, 1)).tolist()} for n in lengths]
    for row in rows:
        row["y"] = [["no", "yes"][x] for (x,) in row["x"]]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {
        "type": "sequences",
        "path": "rows.jsonl",
        "inputs": {"kind": "numbers", "key": "x"},
        "targets": {"kind": "class", "key": "y", "each": True},
        "split": [0.5, 0.25, 0.25],
    }
    value = plain_spec(streams=5, **train) | {"data": data, "evaluate": {"streams": 7}}
    value["train"].pop("window", None)
    layers = [{"type": "lstm", "units": 3}, {"type": "affine"}]
    value["model"] = {"layers": layers, "loss": {"type": "stub"}}
    path = folder / "spec.json"
    path.write_text(json.dumps(value))
    return path


def test_evaluation_and_prediction_decide_alike(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    run = tmp_path / "run"
    done("run", tagging(tmp_path), "--out", run)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    said = json.loads(done("eval", run, "--json", "--data", tmp_path / "rows.jsonl").out)
    records = map(json.loads, done("predict", run, tmp_path / "rows.jsonl").out.splitlines())
    labels = [record["label"] for record in records]
    right = [
        a == b
        for row, found in zip(rows, labels, strict=True)
        for a, b in zip(row["y"], found, strict=True)
    ]
    assert all(len(set(found)) == 1 for found in labels)
    assert said["metrics"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-12)


def test_shards_of_an_evaluation_are_whole_sequences(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    run = tmp_path / "run"
    done("run", tagging(tmp_path), "--out", run, "--max-steps", 3)
    model = rnnkit.load(run)
    source = model.open_data(tmp_path)
    given = model.network, model.store.values, source, "train", model.layout(source, "train")
    whole, parts = (evaluate(*given, shards=shards).metrics for shards in (1, 3))
    assert parts == pytest.approx(whole, rel=1e-6)


def test_decisions_of_outputs_and_targets_alone_are_asked_for_those() -> None:
    ys, targets = np.eye(3)[None], np.arange(3)[None]
    found = decided(Plain(), ys, targets, np.ones((1, 3)), np.ones((1, 3), bool))
    assert found is not None and found[0].tolist() == [[0, 1, 2]]
    accuracy = Accuracy(Plain())
    accuracy.add(ys, targets, np.ones((1, 3)), np.ones((1, 3), bool), None)
    assert accuracy.report() == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("train", "where", "how"),
    [
        ({"recompute": True}, "recompute", "in blocks"),
        ({"bptt": {"style": "true", "steps": 2}}, "bptt.style", "with true truncation"),
    ],
    ids=["blocks", "truncation"],
)
def test_a_window_is_not_cut(
    tmp_path: Path, site: Path, train: dict[str, Any], where: str, how: str
) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    ran = command("check", tagging(tmp_path, **train))
    said = f"the loss stub spans time, so no window can be learned {how} (leave "
    told(ran, 3, f"[SPEC_INCONSISTENT] train.{where}: {said}")


def test_feeding_needs_a_loss_that_decides_step_by_step(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    value = plain_spec(feed={"type": "greedy"})
    value["model"]["loss"] = {"type": "stub"}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    said = "the loss stub spans time and gives no token a score of its own"
    assert ran.code != 0 and said in ran.err


def test_what_spans_time_without_saying_so_is_named(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans="pass"), group="rnnkit.losses")
    ran = command("run", tagging(tmp_path), "--out", tmp_path / "run")
    told(
        ran, 4, "[PLUGIN_CONTRACT] loss, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): the total of a "
    )
    assert "(a loss of a step that depends on others says spans_time = True)" in ran.err


def test_no_token_has_a_score_of_its_own(tmp_path: Path) -> None:
    scores = TokenScores(Plain(), 3, 3)
    assert not scores.are_outputs
    scores.check(tmp_path, whole=True)
    with pytest.raises(CheckpointError, match=f"{ALONE}, so there is none to give {OTHER}"):
        scores.check(tmp_path)
    with pytest.raises(CheckpointError, match=f"{ALONE}, so nothing can be drawn {OTHER}"):
        scores.check(tmp_path, "nothing can be drawn", "take the likeliest")


def language(folder: Path, **train: Any) -> Path:
    value = plain_spec(epochs=1, **train)
    value["model"]["loss"] = {"type": "stub"}
    return write(folder, value)


def test_what_writes_no_token_by_itself_is_evaluated_next(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    done("run", language(tmp_path), "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["next"] == ["eval"]
    for options in ([], ["--greedy"]):
        ran = command("sample", tmp_path / "run", *options)
        assert ran.code == 6 and "gives no token a score of its own, so" in ran.err
        assert "greedy" not in ran.err and "(train with another, such as" in ran.err


def test_a_sample_in_training_is_refused_before_the_first_step(tmp_path: Path, site: Path) -> None:
    install(site, VOTE.format(spans=SPANS), group="rnnkit.losses")
    told(
        command("check", "--data", language(tmp_path, every={"sample": 1})),
        3,
        "[SPEC_INCONSISTENT] train.every.sample: the loss stub spans time and gives no token a "
        "score of its own (leave it out)",
    )
