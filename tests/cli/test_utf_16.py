"""Text in UTF-16 is read wherever text is: data, prompts, stdin; bytes stay bytes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, newest, plain_spec, small_spec, text, trained, write_spec

from rnnkit.inference.model import load

SAID = "abc\r\nde\nabcde\n"
ASKED = {
    "score": ["score", "RUN", "FILE"],
    "predict": ["predict", "RUN", "FILE"],
    "a prompt": ["sample", "RUN", "--length", 5, "--prompt", "-"],
    "a stream": ["sample", "RUN", "--length", 5, "--stream"],
    "neurons": ["neurons", "RUN", "FILE", "--json"],
}


@pytest.mark.parametrize("kind", ["char", "word"])
def test_a_model_of_it_is_the_same(tmp_path: Path, kind: str) -> None:
    spec = small_spec() if kind == "char" else plain_spec()
    spec["data"]["tokenizer"] = {"type": kind}
    written = text(90).replace("a", " ä ")
    run = trained(tmp_path / "plain", spec, content=written)
    path = write_spec(tmp_path / "wide", spec)
    (path.parent / "text.txt").write_bytes(written.encode("utf-16"))
    done("run", path, "--out", tmp_path / "run")
    plain, found = newest(run), newest(tmp_path / "run")
    for name, array in plain.arrays.items():
        assert np.array_equal(found.arrays[name], array), name
    assert load(tmp_path / "run").vocabulary == load(run).vocabulary


@pytest.mark.parametrize("stdin", [False, True])
@pytest.mark.parametrize("words", ASKED.values(), ids=ASKED)
def test_what_a_model_is_asked(
    words: list[object],
    stdin: bool,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = []
    for encoding in ("utf-8", "utf-16"):
        data = SAID.encode(encoding)
        (tmp_path / "f.txt").write_bytes(data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        names = {"RUN": tiny_run, "FILE": "-" if stdin else tmp_path / "f.txt"}
        answers.append(done(*(names.get(str(word), word) for word in words)).out)
    assert answers[0] == answers[1] != ""


def test_bytes_and_verbatim_text_stay_what_they_are(tmp_path: Path) -> None:
    spec = plain_spec(epochs=1)
    path = write_spec(tmp_path, spec)
    (tmp_path / "text.txt").write_bytes(text(90).encode("utf-16"))
    refused = command("check", path, "--data", "-s", "data.tokenizer.verbatim=true")
    assert refused.code == 5 and "[DATA_ENCODING] byte 0xff at offset 0 is not UTF-8" in refused.err
    done("run", path, "--out", tmp_path / "r", "-s", 'data.tokenizer={"type":"byte"}')
    (tmp_path / "f.bin").write_bytes("é".encode("utf-16"))
    scored = json.loads(done("score", tmp_path / "r", tmp_path / "f.bin", "--json").out)
    assert [line["tokens"] for line in scored["lines"]] == [4]


def test_what_is_marked_and_is_not(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"\xff\xfea")
    said = (
        f"{tmp_path}/f.txt [DATA_ENCODING] is marked as UTF-16 and is not (save the file as UTF-8)"
    )
    for verb in ("score", "predict", "neurons"):
        ran = command(verb, tiny_run, tmp_path / "f.txt")
        assert (ran.code, ran.err) == (5, said + "\n")
