"""rnnkit predict with an encoder and a decoder: a text for each source."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import command, done

from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.ragged import side_by_side
from rnnkit.contracts.target_info import Meaning
from rnnkit.inference import predict
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.inference.model import load
from rnnkit.types import Array


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    stack = [{"type": "one_hot"}, {"type": "lstm", "units": 12}]
    spec = {
        "spec_version": 1,
        "data": {
            "type": "pairs",
            "source": "addition",
            "count": 300,
            "tokenizer": {"type": "char"},
            "reverse": True,
        },
        "model": {
            "encoder": {"layers": stack},
            "decoder": {"layers": [*stack, {"type": "affine"}]},
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {"epochs": 6, "streams": 16, "optimizer": {"type": "adam", "lr": 0.02}},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    done("run", folder / "spec.json", "--out", folder / "run")
    return folder / "run"


SOURCES = ["57+5", "1+1", "999+1", "12+340"]


def texts(out: str) -> list[str]:
    return [json.loads(line)["text"] for line in out.splitlines()]


def test_each_source_gets_what_it_gets_alone(run: Path, tmp_path: Path) -> None:
    model, alone = load(run), []
    data = model.spec.data
    coder = data.coder(model.vocabulary)
    for source in SOURCES:
        reading = side_by_side([coder.source(source)])
        limits = TargetLimits(coder.start, coder.end, 1024)
        (ids,) = decode_greedily(model.network, model.store.values, reading, limits)
        alone.append(coder.text(ids))
    assert len(set(alone)) > 1
    file = tmp_path / "d.jsonl"
    file.write_text("".join(json.dumps({"source": s}) + "\n" for s in SOURCES))
    assert texts(done("predict", run, file).out) == alone


def test_no_text_is_longer_than_those_of_training(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = load(run), list[int]()
    coder = replace(model.spec.data.coder(model.vocabulary), pad=(0, 4))

    def noted(_model: object, sources: list[Array], _coder: object, longest: int) -> list[str]:
        asked.append(longest)
        return [""] * len(sources)

    monkeypatch.setattr(predict, "likeliest", noted)
    questions = Questions([Question(1, coder.source("1+1"))], Meaning())
    predict._written(model, questions, coder)
    predict._written(model, questions, replace(coder, end=None))
    predict._written(model, questions, replace(coder, pad=(0, 0)))
    assert asked == [5, 4, predict.LONGEST]


def test_plain_lines_pairs_and_stdin(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("source\n" + "\n".join(SOURCES) + "\n")
    wanted = texts(done("predict", run, tmp_path / "a.csv").out)
    (tmp_path / "b.txt").write_text("\n".join(SOURCES))
    (tmp_path / "c.tsv").write_text("".join(f"{s}\t1\n" for s in SOURCES))
    for name in ("b.txt", "c.tsv"):
        assert texts(done("predict", run, tmp_path / name).out) == wanted
    plain = io.BytesIO("\n".join(SOURCES).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(plain))
    assert texts(done("predict", run, "-").out) == wanted


def test_bad_sources(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.txt"
    file.write_text("1+1\n1+x\n\n2+2\n")
    ran = command("predict", run, file)
    assert (ran.code, ran.out) == (5, "")
    assert f"{file}:2 [DATA_UNKNOWN_TOKEN]" in ran.err and f"{file}:3 [DATA_EMPTY]" in ran.err
    ran = done("predict", run, file, "--skip-bad")
    assert [json.loads(line)["line"] for line in ran.out.splitlines()] == [1, 4]
    assert "2 bad rows skipped" in ran.err
    file.write_text('{"source": 5}\n')
    assert f"{file}:1 [DATA_FIELD] source: expected a text, received 5" in (
        command("predict", run, file).err
    )


def test_nothing_is_carried_from_source_to_source(run: Path, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("1+1\n")
    ran = command("predict", run, tmp_path / "d.txt", "--state-out", tmp_path / "s")
    assert ran.code == 6
    assert "[STATE_NOT_CAUSAL] an encoder reads its whole source, so nothing is car" in ran.err
    with pytest.raises(ValueError, match="the encoder reads its whole source before the first"):
        load(run).start()
