"""The scanner: JSON with places, its limits, and what it says about text that is not JSON."""
# ruff: noqa: E501 - a message is one line

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from rnnkit.contracts.registry import Registry
from rnnkit.errors import SpecError
from rnnkit.spec.read import read_spec
from rnnkit.spec.scan import MAX_BYTES, scan_file
from rnnkit.spec.scanner import MAX_FINDINGS

SYNTAX = [
    (" \n ", "1:1 the file is empty"),
    ('{"a": 1,}', '1:8 remove the comma before "}"'),
    ('{"a": [1, 2, ]}', '1:12 remove the comma before "]"'),
    ('{"a": 1 /* x */}', '1:9 JSON has no comments (put the text into a "$comment" key)'),
    ('{"a": 1} // x', '1:10 JSON has no comments (put the text into a "$comment" key)'),
    ('# x\n{"a": 1}', '1:1 JSON has no comments (put the text into a "$comment" key)'),
    ("{'a': 1}", '1:2 strings and keys take straight double quotes (")'),
    ("{\"a\": 'x'}", '1:7 strings and keys take straight double quotes (")'),
    ("{“a”: 1}", '1:2 strings and keys take straight double quotes (")'),
    ("{a: 1}", '1:2 expected a key in double quotes, received a (write "a")'),
    ('{"a": 064}', "1:7 expected a value, received 064 (write 64)"),
    ('{"a": -007.5}', "1:7 expected a value, received -007.5 (write -7.5)"),
    ('{"a": .5}', "1:7 expected a value, received .5 (write 0.5)"),
    ('{"a": -.5}', "1:7 expected a value, received -.5 (write -0.5)"),
    ('{"a": 5.}', "1:7 expected a value, received 5. (write 5.0)"),
    ('{"a": +1}', "1:7 expected a value, received +1 (write 1)"),
    ('{"a": 0x40}', "1:7 expected a value, received 0x40 (write 64)"),
    ('{"a": 1_000}', "1:7 expected a value, received 1_000 (write 1000)"),
    ('{"a": True}', "1:7 expected a value, received True (write true)"),
    ('{"a": None}', "1:7 expected a value, received None (write null)"),
    ('{"a": nan}', "1:7 expected a value, received nan"),
    ('{"a": 1e}', "1:7 expected a value, received 1e"),
    ('{"a": -}', "1:7 expected a value, received -"),
    ('{"a": 1 "b": 2}', '1:9 expected "," or "}", received "b" (a comma is missing before it)'),
    ('{"a": 1\n "b": 2}', '2:2 expected "," or "}", received "b" (a comma is missing before it)'),
    ('{"a": [1 2]}', '1:10 expected "," or "]", received 2 (a comma is missing before it)'),
    ('{"a": [{} {}]}', '1:11 expected "," or "]", received { (a comma is missing before it)'),
    ('{"a" 1}', '1:6 expected a ":" after the key, received 1'),
    ('{"a"}', '1:5 expected a ":" after the key, received }'),
    ('{"a": }', "1:7 expected a value, received }"),
    ('{"a": [1, , 2]}', "1:11 expected a value, received ,"),
    ("{,}", "1:2 expected a key in double quotes, received ,"),
    ('{"a": 1', '1:1 this "{" is never closed'),
    ('{"a": 1,', '1:1 this "{" is never closed'),
    ('{"a": [1, 2}', '1:12 expected "," or "]", received }'),
    ('{"a": [1, 2', '1:7 this "[" is never closed'),
    ('{"a": "x}', "1:7 this string is not closed on its line"),
    ('{"a": "x\ny"}', "1:7 this string is not closed on its line"),
    ('{"a": "x\x01y"}', "1:9 control character in a string (write \\u0001)"),
    ('{"a": "x\ty"}', "1:9 control character in a string (write \\t)"),
    ('{"a": "\\x41"}', "1:8 \\x is no escape (write \\\\ for a backslash)"),
    ('{"a": "\\u12"}', "1:8 \\u12 is no escape (write \\\\ for a backslash)"),
    ('{"a": "C:\\data"}', "1:10 \\d is no escape (write \\\\ for a backslash)"),
    ('{"a": 1} x', "1:10 expected nothing after the end of the spec, received x"),
    ('{"a": 1}{"b": 2}', "1:9 expected nothing after the end of the spec, received {"),
    ('{"a": 1}}', "1:9 expected nothing after the end of the spec, received }"),
    ('{"a": 1}\x00', "1:9 expected nothing after the end of the spec, received \\x00"),
    ("[1", '1:1 this "[" is never closed'),
    ('{"a": tru}', "1:7 expected a value, received tru"),
    ('{"a": 1;}', '1:8 expected "," or "}", received ;'),
    ('{"a"= 1}', '1:5 expected a ":" after the key, received ='),
    ("{1: 2}", '1:2 expected a key in double quotes, received 1 (write "1")'),
    ('{"a": <x>}', "1:7 expected a value, received <"),
    ('{"a":', "1:6 the file ends where a value should stand"),
    ('{"a', "1:2 this string is not closed on its line"),
]


def error(data: bytes) -> str:
    with pytest.raises(SpecError) as caught:
        scan_file(data, "spec.json")
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), SYNTAX)
def test_a_syntax_error_is_placed_and_explained(text: str, message: str) -> None:
    where, _, sentence = message.partition(" ")
    assert error(text.encode()) == f"spec.json:{where} [SPEC_SYNTAX] {sentence}"


LIMITS = [
    (
        b"[]",
        "spec.json:1:1 [SPEC_NOT_OBJECT] a spec is one JSON object: it starts with { and ends with }",
    ),
    (
        b"\n null",
        "spec.json:2:2 [SPEC_NOT_OBJECT] a spec is one JSON object: it starts with { and ends with }",
    ),
    (b'{"a": "\xe9"}', "spec.json [SPEC_NOT_UTF8] byte 7 (0xe9) is not UTF-8 (save it as UTF-8)"),
    (
        '{"a": 1}'.encode("utf-16"),
        "spec.json [SPEC_NOT_UTF8] byte 0 (0xff) is not UTF-8, the file looks like UTF-16 (save it as UTF-8)",
    ),
    (
        b'\xef\xbb\xbf{"a": 1}',
        "spec.json [SPEC_BOM] the file starts with a byte order mark (save it as UTF-8 without)",
    ),
    (b" " * 5_000_000, "spec.json [SPEC_TOO_LARGE] 5,000,000 bytes, limit 1,048,576"),
    (b"[" * 100_000, "spec.json:1:33 [SPEC_TOO_DEEP] more than 32 levels of brackets"),
    (b'{"a":' * 100_000, "spec.json:1:161 [SPEC_TOO_DEEP] more than 32 levels of brackets"),
    (
        b'{"a": [' + b"0," * 20_000 + b"0]}",
        "spec.json:1:20004 [SPEC_TOO_LARGE] more than 10,000 values",
    ),
    (
        b"{" + b'"a": 0,' * 20_000 + b'"a": 0}',
        "spec.json:1:70000 [SPEC_TOO_LARGE] more than 10,000 values",
    ),
]


@pytest.mark.parametrize(("data", "message"), LIMITS, ids=range(len(LIMITS)))
def test_a_limit_is_named(data: bytes, message: str) -> None:
    assert error(data) == message


def test_32_levels_and_20_digits_are_allowed() -> None:
    nested = b'{"a":' * 31 + b"[99999999999999999999]" + b"}" * 31
    assert not scan_file(nested, "spec.json").findings


FINDINGS = [
    (
        '{"a": {"b": 1, "b": 2}}',
        "spec.json:1:16 [SPEC_DUPLICATE_KEY] a.b: key given twice, first at 1:8 (keep one)",
    ),
    (
        '{"a": 1,\n "\\u0061": 2}',
        "spec.json:2:2 [SPEC_DUPLICATE_KEY] a: key given twice, first at 1:2 (keep one)",
    ),
    (
        '{"a": [0, NaN]}',
        "spec.json:1:11 [SPEC_NONFINITE] a[1]: expected a finite number, received NaN",
    ),
    (
        '{"a": -Infinity}',
        "spec.json:1:7 [SPEC_NONFINITE] a: expected a finite number, received -Infinity",
    ),
    (
        '{"a": -1e400}',
        "spec.json:1:7 [SPEC_NONFINITE] a: -1e400 overflows (the largest number is about 1.8e308)",
    ),
    (
        '{"a": 1e-400}',
        "spec.json:1:7 [SPEC_UNDERFLOW] a: 1e-400 would become 0 (the smallest number is about 4.9e-324)",
    ),
    (
        '{"a": 123456789012345678901}',
        "spec.json:1:7 [SPEC_INT_TOO_LONG] a: an integer of 21 digits, limit 20",
    ),
    (
        '{"a": -' + "9" * 5000 + "}",
        "spec.json:1:7 [SPEC_INT_TOO_LONG] a: an integer of 5,000 digits, limit 20",
    ),
    (
        '{"a": "\\ud800"}',
        "spec.json:1:7 [SPEC_SURROGATE] a: half of a surrogate pair is no character (write both halves, or neither)",
    ),
    (
        '{"\\udc00": 1}',
        "spec.json:1:2 [SPEC_SURROGATE] half of a surrogate pair is no character (write both halves, or neither)",
    ),
    ('{"a": "x\\u0000y"}', "spec.json:1:7 [SPEC_NUL] a: the character \\u0000 is not allowed"),
]


@pytest.mark.parametrize(("text", "message"), FINDINGS, ids=range(len(FINDINGS)))
def test_what_is_wrong_inside_the_syntax_is_collected(text: str, message: str) -> None:
    scan = scan_file(text.encode(), "spec.json")
    assert [str(finding.problem()) for finding in scan.findings] == [message]


@pytest.mark.parametrize("text", ["0.0", "-0.0", "0e5", "0.000e-999", "4.9e-324", "-1.7e308"])
def test_zeros_and_extreme_floats_are_kept(text: str) -> None:
    scan = scan_file(f'{{"a": {text}}}'.encode(), "spec.json")
    assert not scan.findings and repr(scan.value["a"]) == repr(float(text))


def test_every_value_has_its_place() -> None:
    text = '{\n  "é\\n": [1,\r\n   {"b": "😀"}], "c": 3}'
    places = scan_file(text.encode(), "s").places
    shown = {path: (str(place.key), str(place.value), place.text) for path, place in places.items()}
    assert shown == {
        (): ("s:1:1", "s:1:1", ""),
        ("é\n",): ("s:2:3", "s:2:10", ""),
        ("é\n", 0): ("s:2:11", "s:2:11", "1"),
        ("é\n", 1): ("s:3:4", "s:3:4", ""),
        ("é\n", 1, "b"): ("s:3:5", "s:3:10", '"😀"'),
        ("c",): ("s:3:17", "s:3:22", "3"),
    }


def test_findings_end_at_the_limit() -> None:
    for count, kept in ((MAX_FINDINGS - 1, MAX_FINDINGS - 1), (MAX_FINDINGS + 1, MAX_FINDINGS)):
        scan = scan_file(f'{{"a": [{", ".join(["NaN"] * count)}]}}'.encode(), "s")
        assert len(scan.findings) == kept
        assert scan.findings[-1].path == ("a", kept - 1)


def test_a_spec_may_be_as_large_as_the_limit() -> None:
    whole = b'{"a": 1}'.ljust(MAX_BYTES)
    assert scan_file(whole, "s").value == {"a": 1}
    with pytest.raises(SpecError, match=r"^s \[SPEC_TOO_LARGE\] 1,048,577 bytes, limit 1,048,576$"):
        scan_file(whole + b" ", "s")


def document(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 5 else 6)
    if kind == 0:
        return rng.choice([True, False, None])
    if kind == 1:
        return rng.randrange(-(10 ** rng.randrange(1, 20)), 10 ** rng.randrange(1, 20))
    if kind == 2:
        return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300)
    if kind <= 5:
        return "".join(chr(rng.choice([rng.randrange(1, 128), 0xE9, 0x1F600])) for _ in range(5))
    if kind == 6:
        return [document(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {str(rng.random()): document(rng, depth + 1) for _ in range(rng.randrange(5))}


@pytest.mark.parametrize("seed", range(400))
def test_it_agrees_with_json(seed: int) -> None:
    rng = random.Random(seed)
    text = json.dumps(
        {"top": document(rng), '"\\/\t': document(rng)},
        ensure_ascii=rng.random() < 0.5,
        indent=rng.choice([None, 0, 3]),
    )
    scan = scan_file(text.encode(), "spec.json")
    assert not scan.findings
    assert repr(scan.value) == repr(json.loads(text))


def file_error(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_spec(path, Registry())
    return caught.value.problems[0].code


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert file_error(tmp_path / "missing.json") == "SPEC_NOT_FOUND"
    assert file_error(tmp_path) == "SPEC_NOT_REGULAR"
    assert file_error(tmp_path / "fifo") == "SPEC_NOT_REGULAR"
    assert file_error(Path("/dev/zero")) == "SPEC_NOT_REGULAR"
    assert file_error(Path("/proc/self/environ")) == "SPEC_NOT_REGULAR"
    (tmp_path / "large.json").write_bytes(b" " * 2_000_000)
    assert file_error(tmp_path / "large.json") == "SPEC_TOO_LARGE"
