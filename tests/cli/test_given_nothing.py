"""Nothing to answer, or a JSON list where lines are read: it is said, with what to do."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from helpers import command, done, pair_spec, plain_spec, sequences_data, write_spec

from rnnkit.files.json_list import is_json_list

LISTED = '["ab","x"]\n'


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    rows = [{"text": "ab" * n, "label": "no"} for n in range(1, 20)]
    spec = plain_spec(epochs=1)
    spec["data"] = sequences_data(folder, rows)
    spec["data"]["inputs"] = {"kind": "text", "key": "text", "tokenizer": {"type": "char"}}
    spec["data"]["targets"] = {"kind": "class", "key": "label", "labels": ["no", "yes"]}
    done("run", write_spec(folder, spec), "--out", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoder")
    spec = pair_spec(epochs=1)
    spec["data"]["count"] = 60
    done("run", write_spec(folder, spec), "--out", folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("words", "asked"), [(["score"], "score"), (["predict", "RUN", "-"], "predict")]
)
def test_nothing_is_told(
    words: list[str], asked: str, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, "")
    given = [words[0], tiny_run, *words[2:]]
    ran = done(*given)
    assert ran.out == ""
    assert ran.err == f"stdin holds nothing to {asked} (give it a line for each text or row)\n"
    say(monkeypatch, "ab\n")
    assert "holds nothing" not in done(*given).err


def test_a_conversation_and_a_decoder_tell_it_too(
    tiny_run: Path, decoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, "")
    assert "stdin holds nothing to answer (" in done("sample", tiny_run, "--stream").err
    say(monkeypatch, "")
    assert "stdin holds nothing to decode (" in done("decode", decoder).err


def test_a_table_without_a_row(classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("text,label\n")
    ran = done("predict", classifier, tmp_path / "d.csv")
    assert ran.err.startswith(f"{tmp_path / 'd.csv'} holds nothing to predict (") and not ran.out


@pytest.mark.parametrize("words", [["score"], ["predict", "RUN", "-"]])
def test_a_model_of_text_reads_a_list_as_text_and_says_so(
    words: list[str], tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain_spec(epochs=1)
    spec["data"]["tokenizer"] = {"type": "byte"}
    done("run", write_spec(tmp_path, spec, "ab[]\n" * 200), "--out", tmp_path / "run")
    say(monkeypatch, LISTED)
    assert done(words[0], tmp_path / "run", *words[2:]).err == (
        "stdin is a JSON list, and read as text, brackets and quotes too (give each text a line: "
        "jq -r '.[]')\n"
    )
    if words == ["score"]:  # before what the model does not know
        say(monkeypatch, LISTED)
        assert "stdin is a JSON list, and read as text" in command("score", tiny_run).err


@pytest.mark.parametrize("name", ["-", "d.txt", "d.json"])
def test_a_list_is_no_lines_of_text(
    name: str, classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, LISTED)
    (tmp_path / "d.txt").write_text(LISTED)
    (tmp_path / "d.json").write_text(LISTED)
    ran = command("predict", classifier, name if name == "-" else tmp_path / name)
    assert ran.code == 5
    assert "[DATA_JSON] expected a JSON object, received " in ran.err


def test_nor_are_they_sources(decoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, LISTED)
    ran = command("decode", decoder)
    assert ran.code == 5 and ran.err.strip() == (
        "stdin [DATA_JSON] is a JSON list, and a source is a line (give each a line: jq -r '.[]')"
    )


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (LISTED, True),
        ("[]", True),
        (" [1,\n [2]]\n", True),
        ('["a"]\n["b"]\n', False),
        ("[1] Elman 1990 [2]", False),
        ('{"a": [1]}', False),
        ("[" * 100_000 + "]", False),
        ("", False),
    ],
)
def test_what_a_list_is(text: str, is_one: bool) -> None:
    assert is_json_list(text.encode()) == is_one
    assert not is_one or isinstance(json.loads(text), list)
