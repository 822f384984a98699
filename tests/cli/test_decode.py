"""rnnkit decode: what is printed is what the model writes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from helpers import command, done, pair_spec

from rnnkit.inference.model import Model, load
from rnnkit.inference.translate import translate

SOURCES = ["57+5", "1+2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    spec = pair_spec(epochs=20)
    spec["data"]["count"] = 60
    (folder / "spec.json").write_text(json.dumps(spec))
    done("run", folder / "spec.json", "--out", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load(run)


def test_a_line_for_each_source(run: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "".join(targets[0].text + "\n" for targets in translate(model, SOURCES))
    assert done("decode", run, *SOURCES).out == wanted
    for lines in (b"57+5\r\n1+2\n", b"57+5\r1+2\r", b"\xef\xbb\xbf57+5\n1+2"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        assert done("decode", run).out == wanted
        for sources in (["-"], ["-", SOURCES[0]]):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
            more = wanted.splitlines(keepends=True)[0] if sources[1:] else ""
            assert done("decode", run, *sources).out == wanted + more
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert done("decode", run).out == ""


def test_a_block_for_each_source_where_many_are_shown(run: Path, model: Model) -> None:
    ran = done("decode", run, *SOURCES, "--beam", 3, "-n", 2, "--alpha", 0.5)
    blocks = [
        "\n".join(f"{each.log_probability:.4f}\t{each.text}" for each in targets[:2])
        for targets in translate(model, SOURCES, 3, 0.5)
    ]
    assert ran.out == "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("count", [1, 2])
def test_json_has_every_target_and_its_scores(run: Path, model: Model, count: int) -> None:
    options = ("--beam", 3, "-n", count, "--alpha", 0.5, "--json")
    found = json.loads(done("decode", run, *SOURCES, *options).out)
    assert found["checkpoint"] == str(model.path)
    assert found["targets"] == [
        {"source": source, "targets": [each._asdict() for each in targets[:count]]}
        for source, targets in zip(SOURCES, translate(model, SOURCES, 3, 0.5), strict=True)
    ]


def test_a_target_is_no_longer_than_it_may_be(run: Path) -> None:
    whole = done("decode", run, *SOURCES, "--length", 9).out.splitlines()
    assert max(map(len, whole)) > 1
    assert done("decode", run, *SOURCES, "--length", 1).out.splitlines() == [w[:1] for w in whole]


def test_options_that_do_not_go_together(run: Path) -> None:
    ran = command("decode", run, "-", "1+2", "-")
    assert ran.code == 2 and "stdin is read once (give - once)" in ran.err
    ran = command("decode", run, *SOURCES, "--beam", 2, "-n", 3)
    assert ran.code == 2 and "-n 3 needs as many beams (give --beam 3)" in ran.err
    ran = command("decode", run, *SOURCES, "--alpha", "nan")
    assert ran.code == 2 and "--alpha': expected a number, received nan" in ran.err
