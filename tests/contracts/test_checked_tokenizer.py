"""What a tokenizer gives is looked at before it is used."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from rnnkit.builtin.tokenizers.char import Char
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary, as_read, lines_as_read
from rnnkit.errors import PluginError
from rnnkit.types import Array

VOCABULARY = Vocabulary(tokens=("a", "b", "c"))


class Fixed(Tokenizer):
    """Gives one answer to everything."""

    answer: Any = None

    def fit(self, chunks: Any) -> Any:
        return self.answer

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Any:
        return self.answer

    def decode(self, ids: Any, vocabulary: Vocabulary) -> Any:
        return self.answer


class Reading(Char):
    """Gives one answer to what may be asked of a tokenizer and need not be written."""

    answer: tuple[Any, ...] = ()

    def plain(self, text: bytes) -> Any:
        return self.answer[0]

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> Any:
        return self.answer[0]

    def head(self, chunks: Iterable[bytes], tokens: int) -> Any:
        return self.answer[0]


def ways(answer: object) -> dict[str, Callable[[], object]]:
    tokenizer = Fixed(type="fixed", answer=answer)
    return {
        "fit": lambda: checked_tokenizer.fit(tokenizer, [b"ab"]),
        "encode": lambda: checked_tokenizer.encode(tokenizer, b"ab", VOCABULARY),
        "stream": lambda: list(checked_tokenizer.stream(tokenizer, [b"a", b"b"], VOCABULARY)),
        "encoder": lambda: list(checked_tokenizer.encoder(tokenizer, VOCABULARY)([b"a", b"b"])),
        "decode": lambda: checked_tokenizer.decode(tokenizer, [0, 1], VOCABULARY),
        "head": lambda: list(checked_tokenizer.head(tokenizer, [b"ab"], 1)),
        "spelling": lambda: checked_tokenizer.spelling(tokenizer, b"ab", VOCABULARY),
    }


@pytest.mark.parametrize(
    ("way", "answer"),
    [
        ("fit", VOCABULARY),
        ("encode", np.array([0, 2], np.uint8)),
        ("encode", np.array([], np.int64)),
        ("decode", "ab"),
    ],
)
def test_what_is_right_is_given_back(way: str, answer: object) -> None:
    assert ways(answer)[way]() is answer


@pytest.mark.parametrize(
    ("way", "answer", "said"),
    [
        ("fit", ("a", "b"), "fit: expected a Vocabulary, received a tuple of 2"),
        ("fit", {"a": 1}, "fit: expected a Vocabulary, received dict"),
        ("fit", None, "fit: expected a Vocabulary, received None"),
        (
            "encode",
            (0, 1),
            "ids: expected integers of shape (N,) in an array, received a tuple of 2",
        ),
        (
            "encode",
            np.zeros(2),
            "ids: expected integers of shape (N,) in an array, received float64 of (2,)",
        ),
        (
            "stream",
            np.zeros((1, 2), np.uint8),
            "ids: expected integers of shape (N,) in an array, received uint8 of (1, 2)",
        ),
        ("encode", np.array([-1, 2]), "ids: expected 0 to 2, received -1 to 2"),
        ("encoder", np.array([1, 3], np.uint8), "ids: expected 0 to 2, received 1 to 3"),
        ("decode", b"ab", "decode: expected a str, received bytes"),
        ("head", ("a", "b"), "fit: expected a Vocabulary, received a tuple of 2"),
        ("spelling", np.array([3]), "ids: expected 0 to 2, received 3 to 3"),
    ],
)
def test_what_is_wrong_names_the_tokenizer(way: str, answer: object, said: str) -> None:
    with pytest.raises(PluginError) as raised:
        ways(answer)[way]()
    assert str(raised.value) == (f"[PLUGIN_CONTRACT] tokenizer, Fixed: {said} (tell its author)")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (3, "plain: expected bytes, received int"),
        ("ab", "plain: expected bytes, received str"),
        (3, "spelling: expected a list, received int"),
        (["a"], "spelling of an id: expected bytes, received str"),
        (3, "head: expected an iterator, received int"),
        ("ab", "a part of head: expected bytes, received str"),
    ],
)
def test_what_need_not_be_written_is_looked_at_where_it_is(answer: object, said: str) -> None:
    tokenizer = Reading(type="char", answer=(answer,))
    roads = {
        "plain": lambda: as_read(tokenizer, b"ab", "text"),
        "spelling": lambda: checked_tokenizer.spelling(tokenizer, b"ab", VOCABULARY),
        "head": lambda: list(checked_tokenizer.head(tokenizer, [b"ab"], 1)),
    }
    with pytest.raises(PluginError) as raised:
        next(road for name, road in roads.items() if name in said.split(":")[0])()
    assert f": {said} (tell its author)" in str(raised.value)


def test_a_line_of_a_stream_is_looked_at_too() -> None:
    lines = lines_as_read(Reading(type="char", answer=(3,)), io.BytesIO(b"ab\n"), "text")
    with pytest.raises(PluginError, match="plain: expected bytes, received int"):
        next(lines)


def test_a_unit_is_a_word() -> None:
    class Unit(Char):
        unit: ClassVar[Any] = 3

    with pytest.raises(PluginError, match="unit: expected a str, received int"):
        checked_tokenizer.fit(Unit(type="char"), [b"ab"])


class Upper(Char):
    """Overrides what its parent's `stream` and `encoder` do by a road of their own."""

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        return super().encode(text.lower(), vocabulary)


class Streamed(Char):
    """Overrides what its parent's `encoder` does."""

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        return super().stream((chunk.lower() for chunk in chunks), vocabulary)


@pytest.mark.parametrize("kind", [Upper, Streamed])
def test_a_method_of_a_subclass_is_not_passed_by(kind: type[Char]) -> None:
    tokenizer, chunks = kind(type="char"), [b"aB", b"C"]
    for found in (
        [checked_tokenizer.encode(tokenizer, b"aBC", VOCABULARY)],
        list(checked_tokenizer.stream(tokenizer, chunks, VOCABULARY)),
        list(checked_tokenizer.encoder(tokenizer, VOCABULARY)(chunks)),
    ):
        assert np.concatenate(found).tolist() == [0, 1, 2]


class Twos(Char):
    """Two characters an id."""

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        string = text.decode()
        pairs = [string[k : k + 2] for k in range(0, len(string), 2)]
        return np.array([vocabulary.tokens.index(pair) for pair in pairs])

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        return Vocabulary(tokens=("ab", "c!", "é"))


def test_head_and_spelling_follow_what_a_subclass_encodes() -> None:
    text, twos = "abc!é".encode(), Twos(type="char")
    assert list(checked_tokenizer.head(twos, [text[:3], text[3:]], 2)) == [b"abc!"]
    assert checked_tokenizer.spelling(twos, text, twos.fit([])) == [b"ab", b"c!", "é".encode()]


def test_a_method_that_is_missing_is_named() -> None:
    tokenizer = Tokenizer(type="bare")
    for way, method in {
        "fit": lambda: checked_tokenizer.fit(tokenizer, [b""]),
        "encode": lambda: checked_tokenizer.encode(tokenizer, b"", VOCABULARY),
        "decode": lambda: checked_tokenizer.decode(tokenizer, [], VOCABULARY),
    }.items():
        with pytest.raises(PluginError) as raised:
            method()
        assert str(raised.value) == (
            f"[PLUGIN_CONTRACT] tokenizer, Tokenizer: Tokenizer.{way} is not written "
            "(tell its author)"
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"unknown": 9}, "fit: expected unknown to be one of 2 ids, received 9"),
        ({"tokens": ("a", 3)}, "fit: expected tokens of UTF-8 in a tuple, received ('a', 3)"),
        (
            {"tokens": ("\ud800",)},
            "fit: expected tokens of UTF-8 in a tuple, received ('\\ud800',)",
        ),
    ],
)
def test_a_vocabulary_that_no_checkpoint_gives_back_is_refused(
    change: dict[str, object], said: str
) -> None:
    bad = Vocabulary(tokens=("a", "b")).model_copy(update=change)
    with pytest.raises(PluginError) as caught:
        ways(bad)["fit"]()
    assert said in str(caught.value)


def test_ids_that_come_from_nowhere_are_refused() -> None:
    class Unwritten(Char):
        def stream(self, chunks: Any, vocabulary: Vocabulary) -> Any:
            return None

    class Prepared(Char):
        def encoder(self, vocabulary: Vocabulary) -> Any:
            return 3

    with pytest.raises(PluginError, match="stream: expected an iterator, received None"):
        list(checked_tokenizer.stream(Unwritten(), [b"a"], VOCABULARY))
    with pytest.raises(PluginError, match="encoder: expected a function, received int"):
        checked_tokenizer.encoder(Prepared(), VOCABULARY)
