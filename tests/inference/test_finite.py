"""Weights that are finite, and whose products are not, give neither text nor numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from helpers import command, plain_spec, process, rewritten, text, trained

import rnnkit.inference.generate as generation
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.errors import DivergedError
from rnnkit.inference.evaluate import evaluate
from rnnkit.inference.generate import Sampling, generate
from rnnkit.inference.model import Model, load
from rnnkit.types import Array

LARGE = ("params/0.embedding/W", "params/1.rnn/Wx", "params/2.affine/b")
SAID = "[NUM_NONFINITE_OUTPUT] {}: the output of layer {} is not finite (use another checkpoint,"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = plain_spec(epochs=1)
    spec["data"]["split"] = [0.7, 0.15, 0.15]
    spec["model"]["layers"][1]["activation"] = "relu"
    return trained(tmp_path_factory.mktemp("relu"), spec, content=text(300))


@pytest.fixture
def broken(run: Path, tmp_path: Path) -> Path:
    def change(snapshot: Snapshot) -> Snapshot:
        large = {n: np.full_like(snapshot.arrays[n], 3e38) for n in LARGE}
        return replace(snapshot, arrays={**snapshot.arrays, **large})

    return RunDir(rewritten(run, tmp_path / "broken", change)).step_files()[-1][1]


@pytest.mark.parametrize("options", [(), ("--greedy",), ("-n", 2), ("-n", 9), ("--top-k", 2)])
def test_no_text(broken: Path, options: tuple[object, ...]) -> None:
    ran = command("sample", broken, "--prompt", "ab", *options)
    assert (ran.code, ran.out) == (7, "")
    assert SAID.format("step 1", "2.affine") in ran.err


def test_no_score_and_no_prediction_and_no_metric(broken: Path, tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("ab\n")
    for line in (("score", broken, file), ("predict", broken, file)):
        ran = command(*line)
        assert (ran.code, ran.out) == (7, "")
        assert (
            SAID.format("line 1, step 1" if line[0] == "score" else "step 3", "2.affine") in ran.err
        )
    ran = command("eval", broken)
    assert (ran.code, ran.out) == (7, "")
    assert SAID.format("steps 1 to 4 of the test split", "2.affine") in ran.err


def test_the_window_whose_numbers_are_not_finite_is_told(run: Path) -> None:
    model = load(run)
    source = model.open_data(run.parent)
    layout = model.layout(source, "test", 1, 2)
    windows = source.batches("test", layout, None)
    ids = list(chain.from_iterable(batch.inputs[:, 0].tolist() for batch in windows))
    late = max(ids, key=ids.index)  # the token that appears last
    step = ids.index(late) // 2 * 2 + 1
    model.store.values["0.embedding"]["W"][late] = np.nan
    where = f"steps {step} to {step + 1} of the test split"
    with pytest.raises(DivergedError, match=where):
        evaluate(model.network, model.store.values, source, "test", layout)
    assert step > 3


def test_nothing_else_is_on_stderr(broken: Path) -> None:
    ran = process(["sample", broken, "--prompt", "ab"])
    assert (ran.returncode, ran.stdout) == (7, "")
    assert ran.stderr.startswith("[NUM_NONFINITE_OUTPUT]") and ran.stderr.count("\n") == 1


def ids_of(model: Model, sampling: Sampling, count: int = 1) -> Iterator[Array]:
    prompt = np.zeros(1, np.int64)
    return generate(model.network, model.store.values, prompt, count, sampling)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(top_k=2), Sampling(top_p=0.9), Sampling(temperature=9, top_k=3)],
    ids=["all", "top_k", "top_p", "hot"],
)
def test_a_text_ends_where_its_scores_do(
    run: Path, kernels: bool, value: float, sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr(generation, "kernels_available", lambda: False)
    model = load(run)
    drawn = [int(ids[0]) for ids in islice(ids_of(model, sampling), 60)]
    # The token, not that of the prompt, that appears last: those before it stay what they are.
    late = max(set(drawn[:-1]) - {0}, key=drawn.index)
    model.store.values["0.embedding"]["W"][late] = value
    found: list[int] = []
    step = drawn.index(late) + 2
    with pytest.raises(DivergedError, match=f"step {step}: the output of layer 2.affine is not"):
        found += (int(ids[0]) for ids in islice(ids_of(model, sampling), 60))
    assert found == drawn[: step - 1] and step > 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_likeliest_text_ends_where_its_scores_do(run: Path, value: float) -> None:
    model = load(run)
    # A bias far above the rest of the scores: a token that then reads what is not finite.
    model.store.values["2.affine"]["b"][3] = 100
    model.store.values["0.embedding"]["W"][3] = value
    found: list[int] = []
    with pytest.raises(DivergedError, match="step 2: the output of layer 2.affine is not finite"):
        found += (int(ids[0]) for ids in islice(ids_of(model, Sampling(greedy=True)), 60))
    assert found == [3]


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("count", [2, 9])
def test_samples_end_where_the_scores_of_any_do(
    run: Path, kernels: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr(generation, "kernels_available", lambda: False)
    model = load(run)
    drawn = [ids.tolist() for ids in islice(ids_of(model, Sampling(), count), 60)]
    met = {token: [token in ids for ids in drawn].index(True) for token in sum(drawn, [])}
    late = max(met, key=met.__getitem__)
    assert 0 < drawn[met[late]].count(late) < count, "some samples go on"
    model.store.values["0.embedding"]["W"][late] = np.nan
    found: list[list[int]] = []
    with pytest.raises(DivergedError, match=f"step {met[late] + 2}: the output of layer 2.affine"):
        found += (ids.tolist() for ids in ids_of(model, Sampling(), count))
    assert found == drawn[: met[late] + 1]
