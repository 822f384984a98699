"""Numbers for the words of a text, found many at once.

A word of up to 23 bytes is its own key, three integers: its bytes, and its length in the last byte.
NumPy compares the keys of a whole piece with those in a table of slots. A word that is longer, new,
or whose slot is taken is looked up alone; new words take free slots, so the frequent ones, which
come early, are found the fast way. It is 2.5 times as fast as a dictionary for every word.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from rnnkit.types import Array

SLOT_BITS = 18
LONGEST_KEY = 23

# What `str.split` takes for whitespace: one byte in UTF-8, and more. Each pattern starts with one
# byte, which is found fast.
_SPACES = b"\t\n\v\f\r \x1c\x1d\x1e\x1f"
_WIDE_SPACES = (
    re.compile(rb"\xc2[\x85\xa0]"),
    re.compile(rb"\xe1\x9a\x80"),
    re.compile(rb"\xe2(?:\x80[\x80-\x8a\xa8\xa9\xaf]|\x81\x9f)"),
    re.compile(rb"\xe3\x80\x80"),
)
_ANY_SPACE = re.compile(
    b"|".join([b"[" + re.escape(_SPACES) + b"]", *(spaces.pattern for spaces in _WIDE_SPACES)])
)
_IN_WORD = bytes(byte not in _SPACES for byte in range(256))
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class WordNumbers:
    """The number of each word; `number` tells that of one, and is asked once for most."""

    def __init__(self, number: Callable[[bytes], int]) -> None:
        self._number = number
        # The key of a word and its number; all zeros where the slot is free.
        self._slots = np.zeros((1 << SLOT_BITS, 4), np.uint64)

    def of(self, text: bytes) -> Array:
        """Return the numbers (N,) of the words of a text, which has only ASCII whitespace."""
        starts, ends = _spans(text)
        keys = _keys(text, starts, ends - starts)
        places = _places(keys)
        there = self._slots.take(places, axis=0)
        found = there[:, 3].astype(np.int32)
        others = np.flatnonzero(
            (there[:, 0] != keys[0]) | (there[:, 1] != keys[1]) | (there[:, 2] != keys[2])
        )
        spans = zip(starts[others].tolist(), ends[others].tolist(), strict=True)
        found[others] = [self._number(text[start:end]) for start, end in spans]
        free = (there[others, 2] == 0) & (ends[others] - starts[others] <= LONGEST_KEY)
        # Of several words for one slot, the first.
        taken, first = np.unique(places[others[free]], return_index=True)
        new = others[free][first]
        self._slots[taken] = np.stack(
            [*(key[new] for key in keys), found[new].astype(np.uint64)], 1
        )
        return found


def narrow_spaces(text: bytes) -> bytes:
    """Return the UTF-8 text with a space for each whitespace character outside ASCII."""
    for spaces in _WIDE_SPACES:
        text = spaces.sub(b" ", text)
    return text


def last_space(text: bytes) -> int:
    """Return the end of the last whitespace of a UTF-8 text, 0 where there is none."""
    return max((match.end() for match in _ANY_SPACE.finditer(text)), default=0)


def _spans(text: bytes) -> tuple[Array, Array]:
    inside = np.frombuffer(b"\0" + text.translate(_IN_WORD) + b"\0", np.uint8)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return edges[::2], edges[1::2]


def _keys(text: bytes, starts: Array, lengths: Array) -> list[Array]:
    """Return the first eight bytes of each word, the next eight, then seven and the length."""
    # Eight bytes from every place on; the zeros let the last words read past the end.
    eights: Array = np.ndarray(len(text) + 17, "<u8", text + bytes(24), strides=(1,))
    keys = [
        eights[starts + skip] & _FIRST_BYTES[np.clip(lengths - skip, 0, most)]
        for skip, most in ((0, 8), (8, 8), (16, 7))
    ]
    keys[2] |= np.minimum(lengths, 255).astype(np.uint64) << np.uint64(56)
    return keys


def _places(keys: list[Array]) -> Array:
    mixed = keys[0] * _MIX[0] ^ keys[1] * _MIX[1] ^ keys[2] * _MIX[2]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX[0]
    places: Array = (mixed >> np.uint64(64 - SLOT_BITS)).astype(np.int64)
    return places
