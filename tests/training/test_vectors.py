"""Embeddings that begin with vectors of a file: formats, faults with their lines, and resumes."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    JSONObject,
    command,
    done,
    newest,
    plain_spec,
    results,
    told,
    trained,
    write_spec,
)

from rnnkit import api
from rnnkit.errors import DataError
from rnnkit.training.initial.vectors_file import read_vectors
from rnnkit.types import Array

TEXT = "The cat saw . . . a dog\nthe dog saw The bird\n" * 20
LINES = ["the 0.5 -1 2e-1", "saw 1 2 3", "Dog 9 9 9", "dog 4 5 6", "dog 7 7 7", "zebra 0 0 1"]
ROWS = {"the": [0.5, -1, 0.2], "saw": [1, 2, 3], "dog": [4, 5, 6]}


def wordy(**init: object) -> JSONObject:
    spec = plain_spec()
    spec["data"]["tokenizer"] = {"type": "word"}
    vectors = {"type": "vectors", "path": "vectors.txt", **init}
    spec["model"]["layers"][0] = {"type": "embedding", "units": 3, "init": {"W": vectors}}
    return spec


def written(folder: Path, spec: JSONObject, lines: list[str] = LINES) -> Path:
    path = write_spec(folder, spec, TEXT)
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n")
    return path


def table(folder: Path, spec: JSONObject) -> tuple[tuple[str, ...], Array, Array]:
    """Return the tokens of a spec, the table that it starts with, and the one that is drawn."""
    model = api.build(api.load_spec(folder / "spec.json"), folder)
    del spec["model"]["layers"][0]["init"]
    (folder / "plain.json").write_text(json.dumps(spec))
    drawn = api.build(api.load_spec(folder / "plain.json"), folder)
    assert model.vocabulary
    tables = [each.store.values["0.embedding"]["W"] for each in (model, drawn)]
    return model.vocabulary.tokens, tables[0], tables[1]


@pytest.mark.parametrize("lower", [False, True])
def test_tokens_take_their_vectors_and_the_rest_is_drawn(tmp_path: Path, lower: bool) -> None:
    spec = wordy(lower=lower)
    written(tmp_path, spec)
    tokens, begun, drawn = table(tmp_path, spec)
    rows = {**ROWS, "The": ROWS["the"]} if lower else ROWS
    assert {*rows} < {*tokens}
    for token, own, other in zip(tokens, begun, drawn, strict=True):
        wanted = np.array(rows[token], np.float32) if token in rows else other
        np.testing.assert_array_equal(own, wanted)


def test_what_was_found_is_said_stored_and_shown(tmp_path: Path) -> None:
    path = written(tmp_path, wordy(lower=True))
    ran = done("run", path, "--out", tmp_path / "run")
    said = [
        "0.embedding W: 4 of 10 tokens have a vector in vectors.txt, 1 of them in lower case; "
        "6 are drawn",
        "  lines that repeat a word, of which the first counts: 1",
    ]
    assert "\n".join(said) in ran.err
    assert "\n".join(said) in done("show", tmp_path / "run").out
    assert "\n".join(said) in done("explain", path).out
    assert "\n".join(said) in done("check", "--data", path).err
    facts = newest(tmp_path / "run").meta.begun
    assert facts and facts.vectors[0].model_dump() == {
        "layer": "0.embedding",
        "parameter": "W",
        "path": "vectors.txt",
        "sha256": hashlib.sha256((tmp_path / "vectors.txt").read_bytes()).hexdigest(),
        "words": 6,
        "repeated": 1,
        "found": 4,
        "lowered": 1,
        "missing": 6,
    }


def test_a_resume_does_not_read_them_again(tmp_path: Path) -> None:
    spec = wordy()
    spec["train"] |= {
        "start": {"freeze": ["0.embedding"]},
        "optimizer": {"type": "adam", "lr": 0.01},
    }
    written(tmp_path / "whole", spec)
    whole = trained(tmp_path / "whole", spec, content=TEXT)
    written(tmp_path / "part", spec)
    part = trained(tmp_path / "part", spec, "--max-steps", 0, content=TEXT)
    (tmp_path / "part/vectors.txt").unlink()
    done("resume", part, "--max-steps", 6)
    done("resume", part)
    assert results(part) == results(whole)
    _, begun, _ = table(tmp_path / "whole", spec)
    np.testing.assert_array_equal(newest(whole).arrays["params/0.embedding/W"], begun)
    for file in (part / "checkpoints").iterdir():
        file.unlink()
    told(
        command("resume", part), 8, "[RUN_NO_CHECKPOINT] was saved, but holds no step file any more"
    )


def read(folder: Path, content: bytes, width: int = 3) -> dict[str, list[float]]:
    path = folder / "v"
    path.write_bytes(content)
    wanted = {b"the", b"cat", b". . .", b"at name@domain.com", "naïve".encode(), b"1"}
    found = read_vectors(path, wanted, width)
    return {word.decode(): array.tolist() for word, array in found.found.items()}


PLAIN = "the 1 2 3\nnaïve 4 5 6\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.replace("\n", " \n").encode(),  # fastText
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace(" ", "\t").encode(),
        ("2 3\n" + PLAIN).encode(),  # word2vec, gensim
        b"\xef\xbb\xbf2 3\n" + PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.rstrip("\n").encode(),
        (PLAIN + "\n\n").encode(),
        gzip.compress(PLAIN.encode()),
        bz2.compress(("2 3\n" + PLAIN).encode()),
        lzma.compress(PLAIN.encode()),
    ],
    ids=range(12),
)
def test_formats(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == {"the": [1, 2, 3], "naïve": [4, 5, 6]}


def test_words_with_spaces_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    content = b". . . 1 2 3\nthe 4 5 6\nat name@domain.com 7 8 9\n\xff\xfe 1 1 1\ncat nan nan 1e"
    content = content.replace(b"cat nan nan 1e", b"dog nan nan 1e")  # nobody wants it
    found = {". . .": [1, 2, 3], "the": [4, 5, 6], "at name@domain.com": [7, 8, 9]}
    assert read(tmp_path, content) == found


def test_vectors_of_one_number_may_look_like_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, b"1 5\nthe 2\n", 1) == {"1": [5], "the": [2]}
    assert read(tmp_path, b"2 1\n1 5\nthe 2\n", 1) == {"1": [5], "the": [2]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "the 1 2\ncat 1 2\n",
            ["v [DATA_VECTORS] its vectors have 2 numbers, but the rows have 3"],
        ),
        ("the\n", ["its vectors have 0 numbers, but the rows have 3 (is it one of vectors?)"]),
        (
            "the 1 2 3\ncat 1 2\nsaw 1\nbird 1 2 3\nnaïve 1 nan 3\n. . . 1 x 3\n",
            [
                "v:2 [DATA_VECTORS] expected a word and 3 numbers, received 3 fields in place of 4",
                "v:3 [DATA_VECTORS] expected a word and 3 numbers, received 2 fields in place of 4",
                'v:5 [DATA_VECTORS] the vector of "naïve" holds what is no finite number',
                'v:6 [DATA_VECTORS] the vector of ". . ." holds what is no finite number',
            ],
        ),
        ("the 1 2 1e99\n", ['v:1 [DATA_VECTORS] the vector of "the" holds what is no finite']),
        (
            "9 5\nthe 1 2 3\n",
            ["v:1 [DATA_VECTORS] says that the vectors have 5 numbers, but they have 3 (correct"],
        ),
        (
            "9 3\nthe 1 2 3\n",
            ["v:1 [DATA_VECTORS] says that there are 9 words, but there are 1 (the file"],
        ),
    ],
    ids=range(6),
)
def test_faults_are_told_with_their_lines(tmp_path: Path, content: str, said: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content.encode())
    assert len(caught.value.problems) == len(said)
    for problem, part in zip(caught.value.problems, said, strict=True):
        assert part in str(problem)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a 1 2\nb 3 4\n".encode("utf-16"), "mark of UTF-16 or UTF-32 (save the file as UTF-8)"),
        (b"a 1 2\rb 3 4\r", "in a carriage return alone (save the file with line feeds)"),
    ],
)
def test_a_file_without_lines_of_utf_8_is_refused_at_once(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_vectors(tmp_path / "v.txt", {b"a"}, 2)
    assert len(caught.value.problems) == 1 and str(caught.value).endswith(said)


def test_of_many_faults_the_first_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, b"a 1 2 3\n" * 99 + b"b\n" * 50)
    assert len(caught.value.problems) == 21
    assert "30 more lines have such faults" in str(caught.value)


def test_a_line_without_an_end_is_no_reason_to_hold_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 \\[DATA_VECTORS\\] |its vectors have"):
        read(tmp_path, b"the 1 2 3\n" + b"x" * 3_000_000)


def change_width(spec: JSONObject) -> None:
    spec["model"]["layers"][0]["units"] = 4


def on_values(spec: JSONObject) -> None:
    init = spec["model"]["layers"][0].pop("init")
    spec["model"]["layers"][1]["init"] = {"Wx": init["W"]}


def other_words(spec: JSONObject) -> None:
    spec["data"]["tokenizer"] = {"type": "byte"}


def no_file(spec: JSONObject) -> None:
    spec["model"]["layers"][0]["init"]["W"]["path"] = "vector.txt"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (change_width, 5, 'its vectors have 3 numbers, but the rows have 4 ("units": 3, or other'),
        (on_values, 3, "layers[1].init.Wx: init gives Wx vectors of words, but it has no row for "),
        (other_words, 5, "[DATA_VECTORS] has a vector for none of the 256 tokens (take other "),
        (no_file, 5, "[DATA_NOT_FOUND] no such file; check the path; did you mean "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_given(
    tmp_path: Path, change: Callable[[JSONObject], None], code: int, said: str
) -> None:
    spec = wordy()
    change(spec)
    told(command("run", written(tmp_path, spec), "--out", tmp_path / "run"), code, said)
    assert not (tmp_path / "run").exists()


def test_ids_without_names_take_no_vectors(tmp_path: Path) -> None:
    spec = wordy()
    reads = {"kind": "ids", "key": "x", "size": 4}
    targets = {"kind": "class", "key": "y"}
    spec["data"] = {"type": "sequences", "path": "rows.jsonl", "inputs": reads, "targets": targets}
    row = json.dumps({"x": [1, 2, 3], "y": "u"}) + "\n" + json.dumps({"x": [0], "y": "v"}) + "\n"
    (tmp_path / "rows.jsonl").write_text(row * 20)
    ran = command("run", written(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 5, "the rows of W of layer 0.embedding are those of ids without names, so no word")


def test_what_another_model_gives_comes_last(tmp_path: Path) -> None:
    spec = wordy()
    written(tmp_path / "other", spec)
    other = trained(tmp_path / "other", spec, content="the cat saw\n" * 30)
    spec["train"]["start"] = {"from": str(other), "vocabulary": "extend"}
    written(tmp_path, spec)
    model = api.build(api.load_spec(tmp_path / "spec.json"), tmp_path)
    given = api.load(other)
    assert model.vocabulary and given.vocabulary
    begun = dict(zip(model.vocabulary.tokens, model.store.values["0.embedding"]["W"], strict=True))
    known = dict(zip(given.vocabulary.tokens, given.store.values["0.embedding"]["W"], strict=True))
    assert "dog" not in known
    np.testing.assert_array_equal(begun["dog"], ROWS["dog"])
    np.testing.assert_array_equal(begun["saw"], known["saw"])
    assert not np.array_equal(known["saw"], np.array(ROWS["saw"], np.float32))
