"""Tokenizers: round trips, chunk borders, bad bytes, unknown tokens, and the Penn Treebank."""

from __future__ import annotations

import collections
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.builtin.tokenizers import _text, _words, word
from rnnkit.builtin.tokenizers.byte import Byte
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.builtin.tokenizers.word import Word
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError

# A combining mark, a right-to-left word, an emoji family of seven code points, the last code point,
# a NUL, and separators that `str.splitlines` takes for line ends.
EXOTIC = "e\u0301 שלום 👨‍👩‍👧‍👦 \U0010ffff \x00 a\u2028b\x85c\x1cd\u3000e\r\nf\ufeff\n"


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize(
    "tokenizer", [Char(verbatim=True), Byte(), Char(unknown="<unk>", verbatim=True)]
)
def test_text_comes_back_unchanged(tokenizer: Tokenizer) -> None:
    text = EXOTIC.encode()
    vocabulary = tokenizer.fit([text])
    ids = tokenizer.encode(text, vocabulary)
    assert ids.ndim == 1 and ids.dtype == np.uint8 and ids.flags.writeable
    assert tokenizer.decode(ids, vocabulary) == EXOTIC
    assert tokenizer.decode(ids.tolist(), vocabulary) == EXOTIC
    assert tokenizer.decode(ids.astype(np.int32), vocabulary) == EXOTIC


FOREIGN = "\ufeffthe cat\r\nsat\r\r\n\ufeffon the mat\r"
PLAIN = "the cat\nsat\n\n\ufeffon the mat\n"


@pytest.mark.parametrize("tokenizer", [Char(), Word(), Char(unknown="?"), Word(unknown=None)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 1000])
def test_line_ends_of_any_kind_are_read_as_one_and_a_mark_is_dropped(
    tokenizer: Tokenizer, size: int
) -> None:
    foreign, plain = FOREIGN.encode(), PLAIN.encode()
    vocabulary = tokenizer.fit(pieces(foreign, size))
    assert vocabulary == tokenizer.fit([plain])
    ids = tokenizer.encode(plain, vocabulary)
    found = list(tokenizer.stream(pieces(foreign, size), vocabulary))
    np.testing.assert_array_equal(np.concatenate(found), ids)
    assert tokenizer.plain(foreign) == plain
    spelling = tokenizer.spelling(foreign, vocabulary)
    assert b"".join(spelling) == foreign and len(spelling) == len(ids)
    assert [part.lstrip("\ufeff".encode()) for part in spelling][:2] == tokenizer.spelling(
        plain, vocabulary
    )[:2]


@pytest.mark.parametrize("tokenizer", [Char(), Word(unknown=None)])
def test_one_mark_is_dropped_of_two(tokenizer: Tokenizer) -> None:
    text = "\ufeff\ufeffab ab\r\n".encode()
    vocabulary = tokenizer.fit([text])
    ids = tokenizer.encode(text, vocabulary)
    assert vocabulary.tokens[ids[0]].startswith("\ufeff")
    for tokens in (1, 2):
        head = b"".join(tokenizer.head([text], tokens))
        np.testing.assert_array_equal(tokenizer.encode(head, vocabulary), ids[:tokens])
    assert tokenizer.encode("\ufeff".encode(), vocabulary).tolist() == []
    assert tokenizer.spelling("\ufeff".encode(), vocabulary) == []


@pytest.mark.parametrize(
    ("tokenizer", "text"), [(Char(verbatim=True), FOREIGN), (Byte(), FOREIGN), (Word(), PLAIN)]
)
def test_bytes_are_kept_as_they_are_where_that_is_asked(tokenizer: Tokenizer, text: str) -> None:
    vocabulary = tokenizer.fit([text.encode()])
    ids = tokenizer.encode(text.encode(), vocabulary)
    assert tokenizer.decode(ids, vocabulary) == text
    assert tokenizer.plain(text.encode()) == text.encode()


def test_words_keep_a_mark_where_that_is_asked() -> None:
    kept = Word(verbatim=True).fit([FOREIGN.encode()])
    assert "\ufeffthe" in kept.tokens
    ids = Word(verbatim=True).encode(FOREIGN.encode(), kept)
    assert [kept.tokens[i] for i in ids].count("<eos>") == 2


@pytest.mark.parametrize("tokenizer", [Char(), Word(unknown=None)])
@pytest.mark.parametrize("size", [2, 7, 1000])
def test_places_in_errors_are_those_of_the_file(tokenizer: Tokenizer, size: int) -> None:
    vocabulary = tokenizer.fit([b"ab c\n"])
    text = "\ufeffab c\r\nab\rab Z".encode()
    with pytest.raises(DataError, match='"Z" at line 3, column 4 '):
        list(tokenizer.stream(pieces(text, size), vocabulary))
    bad = "\ufeffab c\r\nab\r".encode() + b"ab\r\n\xff"
    with pytest.raises(DataError, match=f"byte 0xff at offset {len(bad) - 1} is not UTF-8"):
        tokenizer.fit(pieces(bad, size))


def test_a_stored_tokenizer_of_an_older_version_keeps_what_it_learned() -> None:
    for kind, stored in ((Char, {"type": "char"}), (Word, {"type": "word", "min_count": 2})):
        assert kind.version == 2
        assert kind.migrate(stored, 1) == {**stored, "verbatim": True}


def test_words_come_back_with_single_spaces() -> None:
    text = "  the cat \t sat\r\n\non the\u00a0mat\n\nso"
    vocabulary = Word().fit([text.encode()])
    ids = Word().encode(text.encode(), vocabulary)
    assert Word().decode(ids, vocabulary) == "the cat sat\n\non the mat\n\nso"
    again = Word().encode(b"the cat sat\n\non the mat\n\nso", vocabulary)
    np.testing.assert_array_equal(again, ids)


@pytest.mark.parametrize("tokenizer", [Char(), Byte(), Word()])
@pytest.mark.parametrize("text", [EXOTIC, "", "no line end", "one two\nthree two\n"])
def test_chunk_borders_do_not_matter(tokenizer: Tokenizer, text: str) -> None:
    whole = tokenizer.fit([text.encode()])
    for size in (1, 2, 3, 7):
        assert tokenizer.fit(pieces(text.encode(), size)) == whole
    assert tokenizer.fit([b"", *pieces(text.encode(), 5), b""]) == whole


@pytest.mark.parametrize("tokenizer", [Char(), Byte(), Word()])
def test_vocabulary_survives_json(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.fit([EXOTIC.encode()])
    text = json.dumps(vocabulary.model_dump(mode="json"))
    assert Vocabulary.model_validate_json(text) == vocabulary
    assert len(set(vocabulary.tokens)) == vocabulary.size


@pytest.mark.parametrize("tokenizer", [Char(), Byte(), Word()])
def test_no_text_has_no_ids(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.fit([])
    ids = tokenizer.encode(b"", vocabulary)
    assert ids.shape == (0,) and ids.dtype == np.uint8
    assert tokenizer.decode(ids, vocabulary) == ""


BAD = [
    (b"abc\xffdef", 3, "0xff"),
    ("é".encode() + b"\xc3(", 2, "0xc3"),
    (b"ab\xe2\x82", 2, "0xe2"),
    (b"\xed\xa0\x80", 0, "0xed"),
    ("日本".encode() * 20 + b"\x80", 120, "0x80"),
]


@pytest.mark.parametrize("tokenizer", [Char(), Word()])
@pytest.mark.parametrize(("text", "offset", "byte"), BAD)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_bad_byte_is_named_with_its_offset(
    tokenizer: Tokenizer, text: bytes, offset: int, byte: str, size: int
) -> None:
    message = rf"\[DATA_ENCODING\] byte {byte} at offset {offset} is not UTF-8: .*\(save the text"
    with pytest.raises(DataError, match=message):
        tokenizer.fit(pieces(text, size))
    with pytest.raises(DataError, match=message):
        tokenizer.encode(text, Vocabulary(tokens=("a",), unknown=0))


def test_no_more_is_read_than_the_first_tokens_need() -> None:
    chunks = iter([b"ab", b"cd", b"ef"])
    assert list(Byte().head(chunks, 4)) == [b"ab", b"cd"]
    assert list(chunks) == [b"ef"]


def test_bytes_read_anything() -> None:
    everything = bytes(range(256))
    vocabulary = Byte().fit([b"whatever"])
    np.testing.assert_array_equal(Byte().encode(everything, vocabulary), np.arange(256))
    assert vocabulary.tokens[97] == "a" and vocabulary.tokens[10] == "\\n"
    assert all(token.isascii() and token.isprintable() for token in vocabulary.tokens)
    assert Byte().decode([0xC3, 0xA9, 0xC3, 0x28], vocabulary) == "é\ufffd("


def test_characters_are_in_the_order_of_their_code_points() -> None:
    vocabulary = Char().fit(["zß日a\n".encode()])
    assert vocabulary == Vocabulary(tokens=("\n", "a", "z", "ß", "日"))


def test_characters_may_have_an_unknown_token() -> None:
    tokenizer = Char(unknown="<unk>")
    vocabulary = tokenizer.fit([b"abc"])
    assert vocabulary == Vocabulary(tokens=("a", "b", "c", "<unk>"), unknown=3)
    ids = tokenizer.encode("cЖa\U0010ffff".encode(), vocabulary)
    assert ids.tolist() == [2, 3, 0, 3]
    assert tokenizer.decode(ids, vocabulary) == "c<unk>a<unk>"


def test_an_unknown_character_of_the_text_is_one_id() -> None:
    vocabulary = Char(unknown="?").fit([b"ab?c"])
    assert vocabulary == Vocabulary(tokens=("?", "a", "b", "c"), unknown=0)


@pytest.mark.parametrize(
    ("text", "shown", "line", "column"),
    [("ab\nabЖ", "Ж", 2, 3), ("\x1bab", r"\\x1b", 1, 1), ("a\n\n\u202e", r"\\u202e", 3, 1)],
)
def test_an_unknown_character_is_named(
    text: str, shown: str, line: int, column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = Char().fit([b"ab\n"])
    message = (
        rf'\[DATA_UNKNOWN_TOKEN\] the character "{shown}" at line {line}, column {column} is not '
        r'in the vocabulary \(.*"unknown": "<unk>"'
    )
    for size in (_text.PIECE, 2):
        monkeypatch.setattr(_text, "PIECE", size)
        with pytest.raises(DataError, match=message):
            Char().encode(text.encode(), vocabulary)


def test_long_texts_are_encoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Char().fit([EXOTIC.encode()])
    whole = Char().encode(EXOTIC.encode(), vocabulary)
    monkeypatch.setattr(_text, "PIECE", 4)
    np.testing.assert_array_equal(Char().encode(EXOTIC.encode(), vocabulary), whole)


@pytest.mark.parametrize(("unknown", "line", "column"), [("dog", 3, 5), ("cats", 1, 1)])
def test_an_unknown_word_is_named(unknown: str, line: int, column: int) -> None:
    tokenizer = Word(unknown=None)
    vocabulary = tokenizer.fit([b"the cat\n"])
    start = {"dog": "the cat\n\nthe ", "cats": ""}[unknown]
    message = re.escape(f'the word "{unknown}" at line {line}, column {column} is not in the')
    with pytest.raises(DataError, match=message):
        tokenizer.encode(f"{start}{unknown} the\ndog".encode(), vocabulary)


def test_words_are_ordered_by_count_then_code_point() -> None:
    text = b"b d\nc c <unk> b\na\n"
    vocabulary = Word().fit([text])
    assert vocabulary == Vocabulary(tokens=("<unk>", "<eos>", "b", "c", "a", "d"), unknown=0)
    assert Word().encode(text, vocabulary).tolist() == [2, 5, 1, 3, 3, 0, 2, 1, 4, 1]
    assert Word(unknown=None).fit([b"b a a"]).tokens == ("<eos>", "a", "b")


def test_rare_words_become_unknown() -> None:
    text = b"a a a b b c\n"
    assert Word(min_count=2).fit([text]).tokens == ("<unk>", "<eos>", "a", "b")
    vocabulary = Word(max_size=3).fit([text])
    assert vocabulary.tokens == ("<unk>", "<eos>", "a")
    assert Word().encode(text, vocabulary).tolist() == [2, 2, 2, 0, 0, 0, 1]


def test_words_that_the_text_spells_out_are_the_special_tokens() -> None:
    vocabulary = Word(unknown="UNK").fit([b"a <eos> UNK b UNK\n"])
    assert vocabulary.tokens == ("UNK", "<eos>", "a", "b")
    ids = Word(unknown="UNK").encode(b"a <eos> UNK zebra\n", vocabulary)
    assert ids.tolist() == [2, 1, 0, 0, 1]


def test_a_word_without_end_is_refused() -> None:
    text = "漢" * 70_000
    with pytest.raises(DataError, match=r"DATA_TOKEN_TOO_LONG.*70000 characters.*\"char\""):
        Word().fit(pieces(text.encode(), 10_000))


@pytest.mark.parametrize("space", ["\t", "\u3000", " "])
def test_any_whitespace_ends_a_word_in_time(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word, "ENDLESS", 40)
    text = space.join(["héllo", "x" * 30, "a"] * 9).encode()
    for size in (1, 7, 1000):
        vocabulary = Word(unknown=None).fit(pieces(text, size))
        assert vocabulary.tokens == ("<eos>", "a", "héllo", "x" * 30)


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
@pytest.mark.parametrize("filler", ["x", "漢"])
def test_a_text_without_whitespace_is_refused_before_it_fills_memory(
    size: int, filler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word, "ENDLESS", 40)
    text = f"a b {filler * 60} c".encode()
    message = rf'DATA_TOKEN_TOO_LONG\] the word "{filler}+.?" has more than 40 bytes, but a token'
    with pytest.raises(DataError, match=message):
        Word().fit(pieces(text, size))
    with pytest.raises(DataError, match=message):
        list(Word().stream(pieces(text, size), Vocabulary(tokens=("<unk>",), unknown=0)))


def test_counts_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    words = [f"w{number}" for number in random.zipf(1.3, 3000) % 900] + ["a\0", "a", "é"]
    text = " ".join(words * 2).encode()
    counts = collections.Counter(words * 2)
    by_hand = sorted(counts, key=lambda each: (-counts[each], each.encode()))
    thrice = [each for each in by_hand if counts[each] >= 3]
    for size in (200, 2**18):
        monkeypatch.setattr(_text, "PIECE", size)
        assert Word().fit([text]).tokens == ("<unk>", "<eos>", *by_hand)
        assert Word(min_count=3).fit([text]).tokens == ("<unk>", "<eos>", *thrice)
        assert Word(max_size=50).fit([text]).tokens == ("<unk>", "<eos>", *by_hand[:48])
        assert Word(unknown=None).fit([text]).tokens == ("<eos>", *by_hand)


def test_special_words_of_the_text_take_no_room() -> None:
    text = b"<unk> <unk> <unk> \n \n a a b c"
    assert Word(max_size=3).fit([text]).tokens == ("<unk>", "<eos>", "a")
    assert Word(max_size=4, min_count=2).fit([text]).tokens == ("<unk>", "<eos>", "a")
    assert Word(max_size=4).fit([b"b a c"]).tokens == ("<unk>", "<eos>", "a", "b")


def test_more_different_words_than_are_counted_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(word, "COUNTED", 2**20)
    words = [f"w{number:04}" for number in range(6356)]  # 165 bytes each
    assert Word().fit([" ".join([*words[:6355], ""]).encode()] * 2).size == 6357
    message = (
        "DATA_TOO_MANY_TOKENS] the text has at least 6,356 different words, more than are counted "
        "in 1 MiB of memory (put spaces between words and punctuation, read less of the text with "
        '"limit", or use the tokenizer "char" or "byte")'
    )
    for tokenizer in (Word(), Word(max_size=4), Word(min_count=2), Word(unknown=None)):
        with pytest.raises(DataError, match=re.escape(message)):
            tokenizer.fit([" ".join(words).encode()])


def test_errors_have_their_places_in_the_whole_text() -> None:
    tokenizer = Word(unknown=None)
    vocabulary = tokenizer.fit([b"a b\n"])
    for text, said in {
        b"a b\n" * 90 + b"a \xff": "byte 0xff at offset 362 is not UTF-8",
        b"a b\n" * 90 + b"a Z b\n" * 90: '"Z" at line 91, column 3 is not in the vocabulary',
    }.items():
        with pytest.raises(DataError, match=said):
            list(tokenizer.stream(pieces(text, 50), vocabulary))


@pytest.mark.parametrize("bits", [1, 6, 18])
def test_words_are_told_apart(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_words, "SLOT_BITS", bits)
    random = np.random.default_rng(bits)
    parts = ["a", "b", "\0", "ab\0", "é", "日本", "x" * 21, "x" * 22, "x" * 23]
    picks = [random.integers(0, len(parts), random.integers(1, 5)) for _ in range(2000)]
    words = ["".join(parts[index] for index in pick) for pick in picks]
    vocabulary = Word(unknown=None).fit([" ".join(words).encode()])
    ids = Word(unknown=None).encode(" ".join(words).encode(), vocabulary)
    assert [vocabulary.tokens[i] for i in ids] == words
    assert set(vocabulary.tokens) == {"<eos>", *words}
    less = Vocabulary(tokens=("<unk>", *vocabulary.tokens[1:99]), unknown=0)
    known = {token: index for index, token in enumerate(less.tokens)}
    found = Word().encode(" ".join(words).encode(), less)
    assert found.tolist() == [known.get(word, 0) for word in words]


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)],
)
def test_ids_are_as_small_as_the_vocabulary_allows(size: int, dtype: Any) -> None:
    words = [f"w{number}" for number in range(size)]
    ids = Word().encode(" ".join(words).encode(), Vocabulary(tokens=tuple(words)))
    assert ids.dtype == dtype
    np.testing.assert_array_equal(ids, np.arange(size))
    characters = [chr(0xF0000 + number) for number in range(min(size, 60_000))]
    vocabulary = Vocabulary(tokens=tuple(characters))
    found = Char().encode("".join(characters).encode(), vocabulary)
    assert found.dtype == np.min_scalar_type(len(characters) - 1)
    np.testing.assert_array_equal(found, np.arange(len(characters)))


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (Word, {"min_count": 2, "unknown": None}, 'need "unknown"'),
        (Word, {"unknown": "<eos>"}, "the end of a line"),
        (Word, {"unknown": "two words"}, "pattern"),
        (Word, {"max_size": 2}, "greater than or equal to 3"),
        (Char, {"unknown": ""}, "at least 1 character"),
    ],
)
def test_options_are_bounded(cls: type[Tokenizer], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**options)


def test_the_penn_treebank_has_its_published_counts(ptb: Path) -> None:
    texts = {split: (ptb / f"ptb.{split}.txt").read_bytes() for split in ("train", "valid", "test")}
    vocabulary = Word().fit(pieces(texts["train"], 1 << 20))
    assert vocabulary.size == 10_000
    ids = {split: Word().encode(text, vocabulary) for split, text in texts.items()}
    found = {split: len(tokens) for split, tokens in ids.items()}
    assert found == {"train": 929_589, "valid": 73_760, "test": 82_430}
    for split, text in texts.items():
        assert ids[split].dtype == np.uint16
        assert (ids[split] == vocabulary.unknown).sum() == text.split().count(b"<unk>")
        assert (ids[split] == 1).sum() == text.count(b"\n")
    spelled = Word().decode(ids["valid"], vocabulary)
    assert spelled == "\n".join(line.strip() for line in texts["valid"].decode().split("\n"))
