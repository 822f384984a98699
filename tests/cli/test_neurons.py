"""rnnkit neurons: the tables, the colours, the page, and what it refuses."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import command, done, plain_spec, text, trained

from rnnkit.analysis.neurons.record import Activations
from rnnkit.analysis.neurons.saturation import Saturation
from rnnkit.cli.neurons import _as_text, _row, chosen
from rnnkit.cli.options import wants_colour


@pytest.fixture
def reads(tmp_path: Path) -> Path:
    """A text in which some of the properties change."""
    path = tmp_path / "reads.txt"
    path.write_text("abc\ndea\nbcd\n" * 5)
    return path


def test_the_table_names_the_units_that_follow(tiny_run: Path, reads: Path) -> None:
    ran = done("neurons", tiny_run, reads, "--property", "line", "--property", "regex:[ab]")
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[0] == ["property", "unit", "r", "chance", "auc", "accuracy", "guess"]
    assert [row[0] for row in rows[1:7]] == ["line"] * 3 + ["regex:[ab]"] * 3
    assert all(re.fullmatch(r"(1.lstm/[hcifo]|3.residual/[hrz])/\d", row[1]) for row in rows[1:7])
    assert [len(row) for row in rows[1:7]] == [4] * 3 + [7] * 3
    assert rows[8] == "gate left right always left always right".split()
    assert [row[0] for row in rows[9:]] == [f"1.lstm/{g}" for g in "ifo"] + [
        "3.residual/r",
        "3.residual/z",
    ]
    assert ran.err == ""


def test_the_same_as_json(tiny_run: Path, reads: Path) -> None:
    arguments = ("neurons", tiny_run, reads, "--top", "2", "--json")
    ran = done(*arguments)
    found = json.loads(ran.out)
    assert [each["property"] for each in found["properties"]] == ["line", "word"]
    assert "no unit can follow 'quotes': it never changes in this text" in ran.err
    assert found["tokens"] == len(found["values"]) == 60
    assert found["unit"] == found["properties"][0]["units"][0]["unit"]
    assert [each["gate"] for each in found["gates"]][0] == "1.lstm/i"
    assert len(found["gates"][0]["left"]) == 6
    other = json.loads(done(*arguments, "--unit", "3.residual/h/4", "--length", "7").out)
    assert (other["unit"], other["tokens"]) == ("3.residual/h/4", 7)
    assert all(-1 <= value <= 1 for value in other["values"])


def test_colours_only_where_they_are_wanted(
    tiny_run: Path, reads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in done("neurons", tiny_run, reads).out
    out = done("neurons", tiny_run, reads, "--color", "--unit", "1.lstm/c/3").out
    assert out.startswith("1.lstm/c/3: tanh(c)\n\n\x1b[38;5;16;48;5;")
    bare = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert reads.read_text().rstrip() in bare

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colour(None) and not wants_colour(False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(None) and wants_colour(True)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.delenv("NO_COLOR")
    assert not wants_colour(None)


def test_a_gate_is_always_open_above_nine_tenths_of_the_time() -> None:
    gate = Activations("1.lstm", "f", np.zeros((2, 3), np.float32), gate=True)
    times = np.array([0.9, 0.91, 0.3])
    shown = _as_text([], [Saturation(gate, times, times[::-1])]).splitlines()[-1].split()
    assert shown == ["1.lstm/f", "0.703", "0.703", "1", "1"]


def test_the_page_is_written(tiny_run: Path, reads: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    ran = done("neurons", tiny_run, reads, "--out", out, "--unit", "1.lstm/h/2")
    assert f"wrote {out}" in ran.err
    assert '"unit":"1.lstm/h/2"' in out.read_text()
    assert "<title>small: reads.txt</title>" in out.read_text()


def test_a_long_text_is_cut_and_says_so(tiny_run: Path, reads: Path) -> None:
    ran = done("neurons", tiny_run, reads, "--length", "20", "--json")
    assert json.loads(ran.out)["tokens"] == 20
    assert "reads the first 20 of 60 tokens (--length reads more)" in ran.err
    for length in (60, 61):
        ran = done("neurons", tiny_run, reads, "--length", length, "--json")
        assert json.loads(ran.out)["tokens"] == 60 and "reads the first" not in ran.err


@pytest.mark.parametrize(
    ("run", "content", "tokens"),
    [("word_run", "the end cat\nthe\n", 6), ("byte_run", "aé€\n\xff", 9)],
)
def test_words_and_bytes(
    run: str, content: str, tokens: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_text(content)
    folder = request.getfixturevalue(run)
    out = done("neurons", folder, path, "--color", "--property", "word").out
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert content in shown
    assert json.loads(done("neurons", folder, path, "--json").out)["tokens"] == tokens


@pytest.mark.parametrize("kind", ["tiny_run", "word_run"])
def test_marks_and_line_ends_are_no_part_of_a_token(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run, lines = request.getfixturevalue(kind), text(60)
    if kind == "word_run":
        lines = lines.replace("a", "the ").replace("b", "cat ")
    (tmp_path / "t.txt").write_text(lines)
    for json_or_colour in ("--json", "--color"):
        wanted = done("neurons", run, tmp_path / "t.txt", json_or_colour).out
        for encoding, end in (("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-16", "\r")):
            (tmp_path / "o.txt").write_bytes(lines.replace("\n", end).encode(encoding))
            assert done("neurons", run, tmp_path / "o.txt", json_or_colour).out == wanted


def test_from_stdin(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"abc\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert json.loads(done("neurons", tiny_run, "-", "--json").out)["tokens"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--property", "colour"], 2, "expected one of quotes, brackets, line, word, or regex:"),
        (["--property", "regex:("], 2, "'regex:(' is no regular expression: missing ), unterm"),
        (["--property", "regex:a{99999999999}"], 2, "is no regular expression: the repetition num"),
        (["--property", f"regex:{'(' * 5000}"], 2, "is no regular expression: it is nested too de"),
        (
            ["--property", "regex:[[z]"],
            5,
            "reads.txt [DATA_NO_PROPERTY] the property 'regex:[[z]' never changes in this text",
        ),
        (["--unit", "1.lstm/x/0"], 2, "LAYER/PART/UNIT with one of 1.lstm/h, 1.lstm/c, 1.lstm/i"),
        (["--unit", "1.lstm/h/6"], 2, "a unit from 1.lstm/h/0 to 1.lstm/h/5, received"),
        (["--length", "0"], 2, "0 is not in the range"),
        (
            ["--property", "regex:z"],
            5,
            "reads.txt [DATA_NO_PROPERTY] the property 'regex:z' never changes in this text, so no "
            "unit can follow it (give another text, or a greater --length)",
        ),
    ],
)
def test_what_it_refuses(
    arguments: list[str], code: int, said: str, tiny_run: Path, reads: Path
) -> None:
    ran = command("neurons", tiny_run, reads, *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "[DATA_TOO_SMALL] holds no token (give a text that is not empty)"),
        (b"abz", '[DATA_UNKNOWN_TOKEN] the character "z" at line 1, column 3 is not in'),
        (b"ab\xff", "[DATA_ENCODING] byte 0xff at offset 2 is not UTF-8"),
    ],
)
def test_texts_that_cannot_be_read(
    content: bytes, said: str, tiny_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    ran = command("neurons", tiny_run, path)
    assert ran.code == 5
    assert ran.err.startswith(f"{path} {said}")
    missing = command("neurons", tiny_run, tmp_path / "none.txt")
    assert missing.code == 5 and "[DATA_NOT_FOUND]" in missing.err


def test_a_model_without_a_hidden_state(tmp_path: Path, reads: Path) -> None:
    spec: dict[str, Any] = plain_spec(epochs=1)
    del spec["model"]["layers"][1]
    ran = command("neurons", trained(tmp_path, spec, content=text(85)), reads)
    assert ran.code == 6
    assert "[CKPT_NO_STATE] no layer of the model is recurrent, so it has no hidden unit" in ran.err


def test_the_guide_runs(tiny_run: Path, reads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "guide" / "neurons.md"
    (block,) = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    first, *lines = block.splitlines()
    assert first.startswith("rnnkit run model_specs/char_lstm.json")
    (reads.parent / "mapping.txt").write_text(reads.read_text())
    monkeypatch.chdir(reads.parent)
    for line in lines:
        given = line.replace("runs/char", str(tiny_run)).replace("c/121", "c/5")
        given = given.replace("[0-9]", "[ab]")  # the small text has no digits
        program, *arguments = shlex.split(given)
        assert program == "rnnkit"
        done(*arguments)
    assert (reads.parent / "page.html").stat().st_size > 10_000


def test_it_opens_on_the_unit_that_is_furthest_above_chance() -> None:
    part = SimpleNamespace()

    def follower(unit: int, r: float) -> Any:
        return SimpleNamespace(part=part, unit=unit, r=r)

    searches: Any = [
        SimpleNamespace(units=[follower(1, 0.9)], chance=0.95),
        SimpleNamespace(units=[follower(2, -0.6)], chance=0.2),
        SimpleNamespace(units=[follower(3, 0.5)], chance=0.2),
    ]
    assert chosen([], searches, None) == (part, 2)


@pytest.mark.parametrize(("mean", "guess"), [(0.2, "0.800"), (0.5, "0.500"), (0.9, "0.900")])
def test_a_guess_is_the_more_frequent_answer(mean: float, guess: str) -> None:
    follower = SimpleNamespace(label="lstm/h/1", r=0.5, auc=0.75, accuracy=0.9)
    found = SimpleNamespace(property=SimpleNamespace(name="line"), mean=mean, chance=0.1)
    assert _row(found, follower) == (  # type: ignore[arg-type]
        *("line", "lstm/h/1", "0.500", "0.100"),
        *("0.750", "0.900", guess),
    )


def test_one_unit_and_one_token_may_be_asked_for(tiny_run: Path, reads: Path) -> None:
    found = json.loads(done("neurons", tiny_run, reads, "--top", 1, "--json").out)
    assert [len(each["units"]) for each in found["properties"]] == [1, 1]
    for option in ("--top", "--length"):
        assert command("neurons", tiny_run, reads, option, 0).code == 2
    one = command("neurons", tiny_run, reads, "--length", 1, "--unit", "1.lstm/h/0", "--json")
    assert one.code == 0 and json.loads(one.out)["tokens"] == 1
