"""The layout of the text: parallel streams, windows, what is left over, cursor, resets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, plain_spec, write_spec

from rnnkit.builtin.datasets.text.corpus import python_docs, python_prose
from rnnkit.builtin.datasets.text.streams import (
    Documents,
    at_separators,
    count_windows,
    stream_windows,
)
from rnnkit.builtin.datasets.text.text import Text, TextSource
from rnnkit.contracts.dataset import Batch, Layout
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError
from rnnkit.types import Array

SIZES = [(2, 1, 1), (26, 3, 4), (25, 3, 4), (27, 5, 5), (100, 7, 6), (101, 10, 10), (64, 1, 9)]


def all_windows(ids: Array, layout: Layout, separator: Array | None = None) -> list[Batch]:
    return list(stream_windows(Documents(ids), layout, None, separator))


def source(folder: Path, content: str, tokenizer: str = "char", **more: object) -> TextSource:
    (folder / "text.txt").write_text(content)
    block = {"type": "text", "path": "text.txt", "tokenizer": {"type": tokenizer}, **more}
    found = Text.model_validate(
        {**block, "split": (1.0, 0.0, 0.0)}, context={"catalog": Registry()}
    )
    return found.open(folder)


@pytest.mark.parametrize(
    ("tokenizer", "content", "separator", "starts"),
    [
        ("char", "ab--cd--ef", "--", [3, 7]),
        ("char", "ab-cd-ef", "-", [2, 5]),
        ("word", "a . . b . c . . d", ". .", [2, 7]),
    ],
)
def test_a_separator_may_have_several_tokens(
    tokenizer: str, content: str, separator: str, starts: list[int], tmp_path: Path
) -> None:
    layout = Layout(1, 3, "document", tail=True, separator=separator)
    found = source(tmp_path, content, tokenizer).batches("train", layout, None)
    resets = np.concatenate([batch.resets[:, 0] for batch in found])
    assert np.flatnonzero(resets).tolist() == [0, *starts]


def test_the_text_that_comes_with_rnnkit_is_read() -> None:
    block = {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}}
    block |= {"limit": 500, "split": (1.0, 0.0, 0.0)}
    found = Text.model_validate(block, context={"catalog": Registry()}).open(Path("none"))
    tokens, ids = found.vocabulary.tokens, found.part("train").ids
    assert "".join(tokens[i] for i in ids) == b"".join(python_docs().chunks()).decode()[:500]


@pytest.mark.parametrize(
    ("second", "limit", "starts"),
    [("abca", 3, []), ("abca", 4, [3]), ("abca", 7, [3]), ("\ufeff", None, [])],
)
def test_a_file_that_the_limit_leaves_nothing_of_begins_nowhere(
    second: str, limit: int | None, starts: list[int], tmp_path: Path
) -> None:
    for name, content in {"a.txt": "abc", "b.txt": second}.items():
        (tmp_path / name).write_text(content)
    found = source(tmp_path, "", path=("a.txt", "b.txt"), limit=limit if second else None).part(
        "train"
    )
    assert (len(found.ids), found.starts.tolist()) == (limit or 3, starts)


@pytest.mark.parametrize(("tokens", "streams", "window"), SIZES)
def test_each_stream_is_contiguous_and_its_targets_are_the_next_tokens(
    tokens: int, streams: int, window: int
) -> None:
    ids = np.arange(tokens)
    found = all_windows(ids, Layout(streams, window))
    n = (tokens - 1) // streams
    assert len(found) == n // window == count_windows(tokens, Layout(streams, window), "")
    xs = np.concatenate([b.inputs for b in found])
    for stream in range(streams):
        start = stream * n
        np.testing.assert_array_equal(xs[:, stream], ids[start : start + len(xs)])
    np.testing.assert_array_equal(np.concatenate([b.targets for b in found]), xs + 1)
    for batch in found:
        assert batch.inputs.shape == (window, streams)
        assert batch.inputs.dtype == batch.targets.dtype == np.int32
        assert batch.inputs.flags.c_contiguous and batch.targets.flags.c_contiguous
        assert batch.weights.dtype == np.float32 and (batch.weights == 1).all()


def test_what_training_leaves_over() -> None:
    found = all_windows(np.arange(100), Layout(7, 6))
    n = 99 // 7
    assert (n, len(found)) == (14, 2)
    read = {int(t) for b in found for t in b.targets.ravel()}
    assert len(read) == 7 * 2 * 6
    assert 99 - len(read) == 99 % 7 + 7 * (n % 6)


@pytest.mark.parametrize(("tokens", "streams", "window"), SIZES)
def test_an_evaluation_loses_only_the_remainder(tokens: int, streams: int, window: int) -> None:
    layout = Layout(streams, window, tail=True)
    found = all_windows(np.arange(tokens), layout)
    assert len(found) == count_windows(tokens, layout, "")
    targets = [int(t) for b in found for t in b.targets.ravel()]
    assert len(targets) == len(set(targets)) == tokens - 1 - (tokens - 1) % streams
    assert set(targets) == set(range(1, len(targets) + 1))
    n = (tokens - 1) // streams
    assert [len(b.inputs) for b in found[:-1]] == [window] * (len(found) - 1)
    assert len(found[-1].inputs) == (n % window or window)


def test_a_cursor_goes_on_inside_the_epoch() -> None:
    ids = np.arange(101)
    layout = Layout(4, 5)
    whole = all_windows(ids, layout)
    assert [b.next_cursor for b in whole] == [*({"window": i + 1} for i in range(4)), None]
    for index, batch in enumerate(whole[:-1]):
        rest = list(stream_windows(Documents(ids), layout, batch.next_cursor, None))
        assert len(rest) == len(whole) - index - 1
        for got, wanted in zip(rest, whole[index + 1 :], strict=True):
            for one, other in zip(got[:4], wanted[:4], strict=True):
                np.testing.assert_array_equal(one, other)
            assert got.next_cursor == wanted.next_cursor


@pytest.mark.parametrize(
    ("reset", "first", "later"),
    [("window", True, True), ("epoch", True, False), ("never", False, False)],
)
def test_reset_rows(reset: str, first: bool, later: bool) -> None:
    found = all_windows(np.arange(61), Layout(3, 5, reset))  # type: ignore[arg-type]
    assert len(found) == 4
    for index, batch in enumerate(found):
        assert batch.resets.shape == (5, 3) and batch.resets.dtype == bool
        assert (batch.resets[0] == (later if index else first)).all()
        assert not batch.resets[1:].any()


def starts_of(content: str, separator: str) -> list[int]:
    return [m.end() for m in re.finditer(f"(?={re.escape(separator)})", content)]


@pytest.mark.parametrize("separator", ["|", "ab", "ba|", "\n\n"])
def test_a_document_starts_at_the_end_of_a_separator(tmp_path: Path, separator: str) -> None:
    random = np.random.default_rng(len(separator))
    pieces = random.choice(["ab", "ba|", "|", "\n\n", "c", "d"], 120)
    content = "".join(pieces) + "abcd|\n"
    opened = source(tmp_path, content)
    layout = Layout(3, 7, "document", separator)
    found = list(opened.batches("train", layout, None))
    n = (len(content) - 1) // 3
    starts = {i + len(separator) - 1 for i in starts_of(content, separator)}
    rows = np.concatenate([b.resets for b in found])
    for step, stream in np.ndindex(rows.shape):
        assert rows[step, stream] == (step == 0 or stream * n + step in starts)
    inside = {s % n % 7 for s in starts if s % n < len(rows)}
    assert len(inside) > 3, "the separators should end at many places of a window"


def test_a_separator_across_two_windows() -> None:
    ids = np.array([0, 1, 2, 9, 8, 3, 4, 5, 6])
    found = all_windows(ids, Layout(1, 4, "document", "98"), np.array([9, 8]))
    assert [b.resets[:, 0].tolist() for b in found] == [
        [True, False, False, False],
        [True, False, False, False],
    ]


def test_a_document_starts_only_at_a_whole_separator() -> None:
    ids, separator = np.array([9, 8, 1, 9, 8]), np.array([9, 8])
    assert at_separators(ids, np.arange(5), separator).tolist() == [0, 1, 0, 0, 1]
    assert not at_separators(ids[1:3], np.arange(2), separator).any()
    assert not at_separators(ids[:1], np.arange(1), separator).any()


def test_a_separator_may_be_one_token_of_several_characters(tmp_path: Path) -> None:
    opened = source(tmp_path, "one two <eos> three four\nfive six seven eight nine\n", "word")
    layout = Layout(1, 3, "document", "<eos>")
    rows = np.concatenate([b.resets for b in opened.batches("train", layout, None)])[:, 0]
    ids = opened.parts["train"].ids[: len(rows)]
    end = opened.vocabulary.tokens.index("<eos>")
    assert np.flatnonzero(rows).tolist() == [0, *np.flatnonzero(ids == end)]


@pytest.mark.parametrize(
    ("tokenizer", "separator"), [("word", " "), ("word", "missing"), ("char", "#")]
)
def test_a_separator_that_is_no_token_is_refused(
    tmp_path: Path, tokenizer: str, separator: str
) -> None:
    opened = source(tmp_path, "a b c d e f g h\n" * 4, tokenizer)
    with pytest.raises(DataError) as caught:
        opened.windows("train", Layout(1, 3, "document", separator))
    message = f"the text has no {separator!r} (give a separator that it holds)"
    assert str(caught.value) == f"train.state.separator [DATA_SEPARATOR] {message}"


@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize(
    ("tokens", "streams", "window"), [(9, 3, 4), (12, 3, 4), (3, 4, 2), (2, 2, 1), (50, 64, 64)]
)
def test_too_short_says_what_fits_and_it_does_fit(
    tokens: int, streams: int, window: int, tail: bool
) -> None:
    layout = Layout(streams, window, tail=tail)
    if (tokens - 1) // streams >= (1 if tail else window):
        assert count_windows(tokens, layout, "here") > 0
        return
    with pytest.raises(DataError) as caught:
        count_windows(tokens, layout, "here")
    problem = caught.value.problems[0]
    assert (problem.code, problem.where) == ("DATA_TOO_SHORT", "here")
    assert f"{tokens} tokens" in problem.message
    assert f"{streams} streams" in problem.message
    need = int(re.search(r"at least (\d+)", problem.message)[1])  # type: ignore[index]
    assert count_windows(need, layout, "") == 1
    with pytest.raises(DataError):
        count_windows(need - 1, layout, "")
    if fit := re.search(r"at most (\d+) streams", problem.message):
        assert count_windows(tokens, Layout(int(fit[1]), window, tail=tail), "") >= 1
        with pytest.raises(DataError):
            count_windows(tokens, Layout(int(fit[1]) + 1, window, tail=tail), "")
    if fit := re.search(r"windows of at most (\d+)", problem.message):
        assert count_windows(tokens, Layout(streams, int(fit[1]), tail=tail), "") >= 1
        with pytest.raises(DataError):
            count_windows(tokens, Layout(streams, int(fit[1]) + 1, tail=tail), "")


@pytest.mark.parametrize("tokens", [0, 1])
def test_nothing_fits_into_nothing(tokens: int) -> None:
    with pytest.raises(DataError, match="give more text"):
        count_windows(tokens, Layout(1, 1), "")


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    opened = source(tmp_path, "abcdefgh")
    assert opened.splits() == ("train",)
    with pytest.raises(DataError, match=r"DATA_NO_SPLIT.*no valid split \(there is tr") as caught:
        opened.windows("valid", Layout(1, 1))
    assert str(caught.value).endswith(': give it a share in "split", or a file with rows')


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_a_file_of_another_system_holds_the_same_text(tmp_path: Path, tokenizer: str) -> None:
    plain = source(tmp_path, "the cat\nsat on\n\nthe mat\n", tokenizer)
    (tmp_path / "text.txt").write_bytes("\ufeffthe cat\r\nsat on\r\n\r\nthe mat\r\n".encode())
    found = plain.block.open(tmp_path)
    assert isinstance(found, TextSource) and found.vocabulary == plain.vocabulary
    np.testing.assert_array_equal(found.parts["train"].ids, plain.parts["train"].ids)
    assert found.digest() != plain.digest()


def test_prose_is_sentences_alone() -> None:
    text = b"".join(python_prose().chunks()).decode()
    lines = text.splitlines()
    assert len(text) > 100_000 and len(set(lines)) == len(lines) and text.isascii()
    assert all(line[0].isupper() and line.endswith(".") for line in lines)
    assert not any("  " in line or "+--" in line or "===" in line for line in lines)
    whole = b"".join(python_docs().chunks()).decode()
    assert "Assert statements are a convenient way to insert debugging" in whole
    assert text.startswith("These equivalences assume that __debug__ and AssertionError refer")


def test_the_last_window_of_documents_is_as_short_as_what_is_left() -> None:
    ids = np.array([1, 2, 9, 3, 4, 5, 9, 6, 7, 8, 9, 1, 2])
    layout = Layout(2, 4, "document", "|", tail=True)
    found = all_windows(ids, layout, np.array([9]))
    shapes = [[array.shape for array in batch[:4]] for batch in found]
    assert shapes == [[(4, 2)] * 4, [(2, 2)] * 4]
    assert found[1].resets.tolist() == [[False, True], [False, False]]


def several(folder: Path, texts: list[str], path: object, **more: object) -> TextSource:
    (folder / "texts").mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / "texts" / f"{number}.txt").write_bytes(text.encode())
    block = {"type": "text", "path": path, "tokenizer": {"type": "char"}, "split": [1, 0, 0]}
    given = json.dumps({**block, **more})
    return Text.model_validate_json(given, context={"catalog": Registry()}).open(folder)


TEXTS = ["abcde", "\ufefffgh\r\n", "ijklmnopq"]


def test_each_of_several_files_is_a_document(tmp_path: Path) -> None:
    opened = several(tmp_path, TEXTS, "texts/*.txt")
    ids, starts = opened.parts["train"]
    assert "".join(opened.vocabulary.tokens[i] for i in ids) == "abcdefgh\nijklmnopq"
    assert starts.tolist() == [5, 9]
    assert opened.note == "3 files, texts/0.txt to texts/2.txt, each from a zero hidden state"
    found = list(opened.batches("train", Layout(2, 3, "epoch", tail=True), None))
    resets = np.concatenate([batch.resets for batch in found]).T
    weights = np.concatenate([batch.weights for batch in found]).T
    targets = np.concatenate([batch.targets for batch in found]).T
    assert np.flatnonzero(resets[0]).tolist() == [0, 5]
    assert np.flatnonzero(resets[1]).tolist() == [0, 1]
    assert (weights[0] == [1, 1, 1, 1, 0, 1, 1, 1]).all()
    assert (weights[1] == [0, 1, 1, 1, 1, 1, 1, 1]).all()
    assert opened.vocabulary.tokens[targets[0, 4]] == "f"


def test_a_list_keeps_its_order_and_a_pattern_is_sorted(tmp_path: Path) -> None:
    first = several(tmp_path, TEXTS, ["texts/2.txt", "texts/[01].txt"])
    assert "".join(first.vocabulary.tokens[i] for i in first.parts["train"].ids) == (
        "ijklmnopqabcdefgh\n"
    )
    assert first.digest() != several(tmp_path, TEXTS, "texts/*").digest()
    moved = several(tmp_path, ["abcd", "efgh\n", "ijklmnopq"], "texts/*")
    assert moved.digest() != several(tmp_path, ["abcde", "fgh\n", "ijklmnopq"], "texts/*").digest()
    with pytest.raises(DataError, match=r"none\*.txt \[DATA_NOT_FOUND\] no file has such a name"):
        several(tmp_path, TEXTS, ["texts/0.txt", "none*.txt"])


@pytest.mark.parametrize("kind", ["char", "word"])
@pytest.mark.parametrize("limit", [2, 5, 6, 9, 12])
def test_a_limit_counts_over_the_files(tmp_path: Path, kind: str, limit: int) -> None:
    texts = ["a b c", "\ufeffd e\r\n", "f g"]
    tokenizer = {"type": kind}
    whole = several(tmp_path, texts, "texts/*", tokenizer=tokenizer)
    part = several(tmp_path, texts, "texts/*", tokenizer=tokenizer, limit=limit)
    tokens = [whole.vocabulary.tokens[i] for i in whole.parts["train"].ids][:limit]
    assert [part.vocabulary.tokens[i] for i in part.parts["train"].ids] == tokens
    starts = whole.parts["train"].starts
    assert part.parts["train"].starts.tolist() == starts[starts < limit].tolist()


def test_splits_of_several_files_keep_their_edges(tmp_path: Path) -> None:
    opened = several(tmp_path, ["abcd", "efgh", "ij"], "texts/*", split=[0.5, 0.5, 0])
    assert opened.parts["train"].starts.tolist() == [4]
    assert opened.parts["valid"].starts.tolist() == [3]


def test_an_error_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "1.bad").write_bytes(b"ab\xff")
    with pytest.raises(DataError, match=r"texts/1.bad \[DATA_ENCODING\] byte 0xff at offset 2 "):
        several(tmp_path, ["abc"], ["texts/0.txt", "texts/1.bad"])


def test_a_text_of_one_character_is_told_and_learned(tmp_path: Path) -> None:
    spec = plain_spec(window=2)
    path = write_spec(tmp_path, spec, "a" * 85)
    said = "every token is 'a', so there is nothing to learn and the loss is 0"
    assert said in done("check", "--data", path).err
    ran = done("run", path, "--out", tmp_path / "run")
    assert said in ran.out + ran.err and "train loss 0" in ran.out + ran.err
    assert done("sample", tmp_path / "run", "--length", 4, "--prompt", "a").out == "aaaaa\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a", "1 tokens, but 3 streams of windows of 4 need at least 13 (give more text, or a"),
        ("\ufeff", "there is no token in it (give it some text)"),
    ],
)
def test_a_text_of_one_token_or_none_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = write_spec(tmp_path, plain_spec(), content)
    for line in (["check", "--data", path], ["run", path, "--out", tmp_path / "run"]):
        ran = command(*line)
        assert ran.code == 5 and f"[DATA_TOO_SHORT] {said}" in ran.err


def test_two_files_are_told_and_one_is_not(tmp_path: Path) -> None:
    told = "2 files, texts/0.txt to texts/1.txt, each from a zero hidden state"
    assert several(tmp_path, TEXTS[:2], "texts/*.txt").note == told
    assert several(tmp_path, TEXTS[:2], ["texts/0.txt"]).note == ""
