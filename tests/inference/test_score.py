"""Lines that are scored side by side have the numbers and the errors of each alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import done, text

import rnnkit.inference.generate as generation
import rnnkit.inference.score as module
from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.contracts.token_scores import TokenScores
from rnnkit.contracts.tokenizer import Encoder, Tokenizer, Vocabulary
from rnnkit.errors import CheckpointError, DataError, DivergedError
from rnnkit.inference.model import Model, load
from rnnkit.network.network import Network
from rnnkit.types import Array, Params

LINES = ["abcab", "", "e", "abcde" * 140, "", *text(600).split("\n"), "abc", "d"]
WORDS = ["the cat", "", "cat " * 90, "end", "the the the"]


def check_same(model: Model, lines: list[str]) -> None:
    found = list(model.scores(lines))
    for line, (ids, logs) in zip(lines, found, strict=True):
        alone, wanted = model.score(line)
        assert (ids.tolist(), ids.dtype) == (alone.tolist(), alone.dtype)
        assert (logs.shape, logs.dtype) == (wanted.shape, wanted.dtype)
        # A BLAS rounds the product of one row otherwise than that of many.
        assert logs == pytest.approx(wanted, rel=0, abs=0 if kernels_available() else 2e-6)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The steps and streams of each window that is run."""
    found: list[tuple[int, int]] = []
    forward = Network.forward

    def watched(self: Network, params: dict[str, Params], xs: Array, *rest: Any) -> Any:
        found.append((xs.shape[0], xs.shape[1]))
        return forward(self, params, xs, *rest)

    monkeypatch.setattr(Network, "forward", watched)
    return found


@pytest.mark.parametrize(("streams", "held"), [(64, 2**16), (3, 2**16), (1, 99), (64, 1), (5, 40)])
def test_each_line_is_scored_as_if_alone(
    streams: int, held: int, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STREAMS", streams)
    monkeypatch.setattr(module, "HELD", held)
    check_same(load(tiny_run), LINES)


def test_whatever_a_token_is(word_run: Path, byte_run: Path) -> None:
    check_same(load(word_run), WORDS)
    check_same(load(byte_run), ["aé", "", "€" * 300, b"\xff".decode(errors="surrogateescape")])


@pytest.mark.usefixtures("without_kernels")
def test_numpy_scores_each_line_as_if_alone(dna_run: Path) -> None:
    check_same(load(dna_run), ["ACGT" * 70, "A", "", "CG"])


def test_a_model_that_gives_no_probability_is_refused_at_once(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenScores, "no_distribution", "the loss gives none")
    with pytest.raises(CheckpointError, match="the loss gives none, so no text has a probability"):
        load(tiny_run).scores(LINES)


def test_nothing_gives_nothing(tiny_run: Path) -> None:
    model = load(tiny_run)
    assert list(model.scores([])) == []
    ((ids, logs),) = model.scores([""])
    assert len(ids) == len(logs) == 0


def test_windows_and_batches_are_bounded(
    tiny_run: Path, batches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_run)
    whole = list(model.scores(LINES))
    assert max(streams for _, streams in batches) > 30, "short lines are run side by side"
    assert all(t <= generation.WINDOW and t * b <= generation.ROWS for t, b in batches)
    assert sum(t * b for t, b in batches) <= 2 * sum(map(len, LINES))
    batches.clear()
    monkeypatch.setattr(generation, "LOGITS", 12 * model.network.outputs.known())
    for (_, wanted), (_, found) in zip(whole, model.scores(LINES), strict=True):
        assert found == pytest.approx(wanted, abs=2e-6)
    assert max(t * b for t, b in batches) == 12


def test_a_long_line_among_short_ones_runs_alone(
    tiny_run: Path, batches: list[tuple[int, int]]
) -> None:
    list(load(tiny_run).scores([*["abc"] * 20, "abcde" * 300, *["de"] * 20]))
    assert batches == [*[(256, 1)] * 5, (1500 - 5 * 256, 1), (3, 40)]


def test_a_line_that_ended_is_left_out_of_later_windows(
    tiny_run: Path, batches: list[tuple[int, int]]
) -> None:
    list(load(tiny_run).scores(["a" * 300, "b" * 500, "c" * 256]))
    assert batches == [(256, 3), (244, 2)]


def test_where_later_inputs_are_read_each_line_is_alone(
    tiny_run: Path, batches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Network, "reads_later", "0.bidirectional")
    list(load(tiny_run).scores(["abc", "ab", "e"]))
    assert batches == [(3, 1), (2, 1), (1, 1)]


def test_no_more_lines_are_asked_for_than_are_held(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD", 40)
    asked = []

    def endless() -> Iterator[str]:
        for number in count():
            asked.append(number)
            yield "abc"

    assert len(list(islice(load(tiny_run).scores(endless()), 11))) == 11
    assert len(asked) == 20  # each takes four: its three tokens, and its start


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("streams", [64, 1])
def test_the_first_line_that_is_not_finite_is_told(
    value: float, streams: int, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STREAMS", streams)
    monkeypatch.setattr(module, "HELD", 8)
    model = load(tiny_run)
    lines = ["abc", "", "aab", "abdaa", "dcc" * 40, "ab"]
    wanted = [model.score(line)[1] for line in lines[:3]]
    # What follows a token whose row is not finite has no score; the longer line is run before.
    first = next(iter(model.store.values.values()))
    next(iter(first.values()))[model.encode("d")] = value
    found = []
    with pytest.raises(DivergedError, match=r"line 4, step 4: the output of layer .* not finite"):
        found += (logs for _, logs in model.scores(lines))
    assert [len(logs) for logs in found] == [3, 0, 3]
    for logs, alone in zip(found, wanted, strict=True):
        assert logs == pytest.approx(alone, abs=2e-6)
    with pytest.raises(DivergedError, match="^[^0-9]*step 4: "):
        model.score(lines[3])


def test_the_line_of_what_is_not_known_is_told(tiny_run: Path) -> None:
    found = []
    said = 'line 3 [DATA_UNKNOWN_TOKEN] the character "é" at column 2'
    with pytest.raises(DataError) as caught:
        found += load(tiny_run).scores(["abc", "", "aé", "ab"])
    assert str(caught.value).startswith(said)
    assert [len(ids) for ids, _ in found] == [3, 0]


def test_a_tokenizer_is_prepared_once_for_many_lines(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prepared = load(tiny_run), []
    kind = type(model.text()[0])
    encoder = kind.encoder

    def counted(self: Tokenizer, vocabulary: Vocabulary) -> Encoder:
        prepared.append(1)
        return encoder(self, vocabulary)

    monkeypatch.setattr(kind, "encoder", counted)
    list(model.scores(["abc"] * 30))
    assert len(prepared) == 1
    (tmp_path / "t").write_text("abc\n" * 30)
    done("predict", tiny_run, tmp_path / "t")
    assert len(prepared) < 10
