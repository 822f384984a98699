"""rnnkit sample --stream: a line in, an answer out at once, the state carried from line to line."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ONE_THREAD, Ran, command

from rnnkit.cli import common, sample
from rnnkit.inference import states
from rnnkit.inference.model import load
from rnnkit.inference.states import load_states

SAID = "abc\nde\n\nabcde\n"


def told(run: Path, said: bytes | str, monkeypatch: pytest.MonkeyPatch, *options: object) -> Ran:
    data = said.encode() if isinstance(said, str) else said
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return command("sample", run, "--stream", "--length", 20, *options)


def begun(run: Path, *options: object) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "rnnkit.cli", "sample", run, "--stream", "--length", 20, *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*map(str, line)], env={**os.environ, **ONE_THREAD}, **pipes)


def say(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline()


def test_each_line_is_answered_before_the_next_is_read(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = begun(tiny_run)
    answers = [say(process, line.encode()) for line in SAID.splitlines(keepends=True)]
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, b"", b"")
    assert b"".join(answers).decode() == told(tiny_run, SAID, monkeypatch).out


def test_the_answers_are_one_stream(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "s"
    ran = told(tiny_run, SAID, monkeypatch, "--greedy", "--state-out", state)
    model, text = load(tiny_run), "\n"
    for line, answer in zip(SAID.splitlines(), ran.out.splitlines(), strict=True):
        text += line + "\n"
        wanted = model.sample(text, 20, greedy=True)
        assert answer == wanted.split("\n")[0]
        text += answer + "\n" * ("\n" in wanted)
    stands, again = load_states(state, model), model.after(text, [[]])
    assert stands.last.tolist() == again.last.tolist()
    assert stands.states["1.lstm"][0] == pytest.approx(again.states["1.lstm"][0], abs=1e-6)


def test_a_conversation_goes_on_tomorrow(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, lines = tmp_path / "s", SAID.splitlines(keepends=True)
    out = told(tiny_run, lines[0], monkeypatch, "--state-out", state).out
    more = ("--state-in", state, "--state-out", state)
    out += told(tiny_run, "".join(lines[1:]), monkeypatch, *more).out
    assert out == told(tiny_run, SAID, monkeypatch, "--state-out", tmp_path / "whole").out
    assert state.read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_was_said_before_counts(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = [told(tiny_run, line, monkeypatch).out for line in SAID.splitlines(keepends=True)]
    assert told(tiny_run, SAID, monkeypatch).out != "".join(cold)
    after = told(tiny_run, "ab\n", monkeypatch, "--prompt", "dd\n", "--greedy").out
    wanted = load(tiny_run).sample("\ndd\nab\n", 20, greedy=True)
    assert after == wanted.split("\n")[0] + "\n"


def test_answers_as_json(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = told(tiny_run, SAID, monkeypatch).out.splitlines()
    lines = told(tiny_run, SAID, monkeypatch, "--json").out.splitlines()
    wanted = [{"line": n, "answer": answer} for n, answer in enumerate(plain, 1)]
    assert [json.loads(line) for line in lines] == wanted


def test_an_answer_ends_at_a_stop_of_ones_own(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told(tiny_run, "ab\n", monkeypatch, "--stop", "not there").out
    assert told(tiny_run, "ab\n", monkeypatch, "--stop", whole[4]).out == (
        whole[: whole.index(whole[4])] + "\n"
    )


def test_no_line_at_all(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "stdin holds nothing to answer (give it a line for each text or row)\n"
    assert told(tiny_run, "", monkeypatch) == Ran(0, "", said)


def test_a_model_without_a_line_end(
    dna_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "states"
    ran = told(dna_run, "ACG\n\nTTA\n", monkeypatch, "--state-out", path, "--greedy")
    answers = ran.out.splitlines()
    assert (ran.code, [len(answer) for answer in answers]) == (0, [20, 20, 20])
    model = load(dna_run)
    assert answers[0] == model.sample("AACG", 20, greedy=True)  # the first token begins a line
    assert load_states(path, model).last.tolist() == [model.encode(answers[-1])[-1]]
    ran = told(dna_run, "ACG\nB\n", monkeypatch)
    assert ran.code == 5 and 'stdin:2 [DATA_UNKNOWN_TOKEN] the character "B"' in ran.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ACG\n")))
    shown = command("sample", dna_run, "--prompt", "-", "--greedy", "--length", 20).out
    assert shown == f"ACG{model.sample('ACG', 20, greedy=True)}\n"


def test_words(word_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = told(word_run, "the cat\nc d", monkeypatch, "--greedy").out
    assert len(out.splitlines()) == 2 and out.split()


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_line_that_the_model_does_not_know(
    json_too: list[str], tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "s"
    ran = told(tiny_run, "ab\ncé\nab\n", monkeypatch, "--state-out", state, *json_too)
    assert ran.code == 5
    assert 'stdin:2 [DATA_UNKNOWN_TOKEN] the character "é" at column 2 is not in the' in ran.err
    told(tiny_run, "ab\n", monkeypatch, "--state-out", tmp_path / "t")
    assert state.read_bytes() == (tmp_path / "t").read_bytes()


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_keeps_what_was_answered(
    number: signal.Signals, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "s"
    process = begun(tiny_run, "--state-out", state)
    assert say(process, b"abc\n")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"Traceback" not in errors
    told(tiny_run, "abc\n", monkeypatch, "--state-out", tmp_path / "t")
    assert state.read_bytes() == (tmp_path / "t").read_bytes()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_signal_that_comes_with_the_end_of_an_answer(
    number: signal.Signals,
    json_too: list[str],
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = told(tiny_run, "abc\n", monkeypatch, "--state-out", tmp_path / "t", *json_too)
    once, handler = sample.print_result, signal.getsignal(number)

    def print_result(text: str = "", nl: bool = True) -> None:
        once(text, nl=nl)
        if nl:
            monkeypatch.undo()
            signal.raise_signal(number)

    monkeypatch.setattr(sample, "print_result", print_result)
    monkeypatch.setattr(common, "print_result", print_result)
    ran = told(tiny_run, "abc\nde\n", monkeypatch, "--state-out", tmp_path / "s", *json_too)
    assert ran.code == 128 + number and ran.out.startswith(first.out)
    assert (tmp_path / "s").read_bytes() == (tmp_path / "t").read_bytes()
    assert signal.getsignal(number) == handler


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_with_the_end_of_stdin(
    number: signal.Signals, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that closes sends both, and so does Ctrl-C in a pipeline."""
    told(tiny_run, SAID, monkeypatch, "--state-out", tmp_path / "t")
    once = states.save_states

    def save_states(*arguments: Any) -> None:
        signal.raise_signal(number)
        once(*arguments)

    monkeypatch.setattr(states, "save_states", save_states)
    assert told(tiny_run, SAID, monkeypatch, "--state-out", tmp_path / "s").code == 128 + number
    assert (tmp_path / "s").read_bytes() == (tmp_path / "t").read_bytes()


def test_a_signal_that_is_ignored_ends_nothing(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the SIGINT of what a script put into the background is."""
    plain, once = told(tiny_run, SAID, monkeypatch), sample.print_result

    def print_result(text: str = "", nl: bool = True) -> None:
        once(text, nl=nl)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sample, "print_result", print_result)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert told(tiny_run, SAID, monkeypatch) == plain
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_reader_that_leaves_ends_it_quietly(tiny_run: Path, tmp_path: Path) -> None:
    process = begun(tiny_run, "--state-out", tmp_path / "s")
    assert say(process, b"abc\n")
    process.stdout.close()
    process.stdin.write(b"abc\n" * 9)
    process.stdin.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait(60) == 0
    assert (tmp_path / "s").exists()


@pytest.mark.parametrize("more", [["-n", 2], ["--prompt", "-"]])
def test_what_does_not_go_with_a_stream(more: list[object], tiny_run: Path) -> None:
    ran = command("sample", tiny_run, "--stream", *more)
    assert ran.code == 2
    assert f"answers each line once: leave out {' '.join(map(str, more))}"[:-2] in ran.err
