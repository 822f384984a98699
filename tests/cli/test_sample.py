"""rnnkit sample: how a token is chosen, where a sample ends, and what of it is written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Ran, command, done, plain_spec, process, text, trained

from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.inference import generate
from rnnkit.inference.generate import Sampling, choose_ids, choose_in_numpy
from rnnkit.inference.model import Model, load
from rnnkit.inference.sample_stream import grow
from rnnkit.types import Array

GRID = (np.arange(4000) + 0.5) / 4000
"""Numbers that cover [0, 1) evenly: the share that falls on an id is its probability."""


def shares(logits: Sequence[float], **options: object) -> list[float]:
    """Return how often each id is chosen, over all the numbers that may be drawn."""
    rows = np.tile(np.array(logits, np.float32), (len(GRID), 1))
    ids = choose_ids(rows, Sampling.model_validate(options), GRID)
    return (np.bincount(ids, minlength=len(logits)) / len(GRID)).tolist()


def softmax(logits: Sequence[float]) -> Array:
    weights = np.exp(np.array(logits))
    return weights / weights.sum()


LOGITS = (0.5, 2.0, -1.0, 1.0)  # likeliest first: 1, 3, 0, 2


def test_an_id_is_drawn_as_often_as_it_is_likely() -> None:
    assert shares(LOGITS) == pytest.approx(softmax(LOGITS), abs=1e-3)


@pytest.mark.parametrize("temperature", [0.3, 3.0])
def test_temperature_divides_the_logits(temperature: float) -> None:
    expected = softmax([x / temperature for x in LOGITS])
    assert shares(LOGITS, temperature=temperature) == pytest.approx(expected, abs=1e-3)


def test_extreme_temperatures_and_logits() -> None:
    assert shares(LOGITS, temperature=1e-6) == [0, 1, 0, 0]
    assert shares(LOGITS, temperature=1e6) == pytest.approx([0.25] * 4, abs=1e-3)
    assert shares([3e38, -3e38, 0.0], temperature=0.5) == [1, 0, 0]


def test_greedy_takes_the_first_of_the_largest() -> None:
    assert shares([1.0, 3.0, 3.0, 0.0], greedy=True) == [0, 1, 0, 0]


def test_top_k_keeps_the_k_likeliest() -> None:
    kept = softmax([2.0, 1.0])
    assert shares(LOGITS, top_k=2) == pytest.approx([0, kept[0], 0, kept[1]], abs=1e-3)
    assert shares(LOGITS, top_k=1) == [0, 1, 0, 0]
    assert shares(LOGITS, top_k=99) == shares(LOGITS)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    first, second, third, _ = sorted(softmax(LOGITS), reverse=True)
    assert shares(LOGITS, top_p=first - 1e-6) == [0, 1, 0, 0]
    two = np.array([first, second]) / (first + second)
    for p in (first + 1e-6, first + second - 1e-6):
        assert shares(LOGITS, top_p=p) == pytest.approx([0, two[0], 0, two[1]], abs=1e-3)
    assert shares(LOGITS, top_p=first + second + third - 1e-6)[2] == 0
    assert shares(LOGITS, top_p=1.0) == shares(LOGITS)


def test_top_k_comes_before_top_p() -> None:
    kept = softmax([2.0, 1.0])
    assert shares(LOGITS, top_k=2, top_p=kept[0] - 1e-6) == [0, 1, 0, 0]


@pytest.mark.parametrize("choose", [choose_ids, choose_in_numpy])
@pytest.mark.parametrize(
    ("logits", "options", "may"),
    [
        ([0.0, 0.0, 0.0, 0.0], {"top_p": 0.5}, {0, 1}),
        ([0.0, 0.0, 0.0, 0.0], {"top_p": 0.25}, {0}),
        ([0.0, 0.0, 0.0, 0.0], {"top_p": 0.250001}, {0, 1}),
        ([0.0, 1.0, 1.0, 1.0], {"top_k": 2}, {1, 2}),
        ([1.0, 1.0, 0.0, 0.0], {"top_k": 3, "top_p": 1e-9}, {0}),
        ([0.0, 0.0, -1.0, -1.0], {"top_k": 2, "top_p": 0.5}, {0}),
    ],
)
def test_what_may_be_drawn(
    choose: Callable[[Array, Sampling, Array], Array],
    logits: list[float],
    options: dict[str, float],
    may: set[int],
) -> None:
    rows = np.tile(np.array(logits, np.float32), (len(GRID), 1))
    assert set(choose(rows, Sampling.model_validate(options), GRID).tolist()) == may


def test_the_largest_number_that_may_be_drawn() -> None:
    last = np.array([np.nextafter(1.0, 0.0)])
    logits = np.array([LOGITS], np.float32)
    assert choose_ids(logits, Sampling(), last) == [3]
    assert choose_ids(logits[:, :3].copy(), Sampling(top_k=2), last) == [1]


def test_samples_follow_the_model(tiny_run: Path) -> None:
    model = load(tiny_run)
    expected = softmax(model.forward(np.array([model.prompt_ids("a")]).T)[0][-1, 0].astype(float))
    first = next(model.stream("a", 20000, Sampling()))
    found = np.bincount(first, minlength=len(expected)) / 20000
    assert found == pytest.approx(expected, abs=0.015)


def test_greedy_is_the_likeliest_of_a_long_forward(tiny_run: Path) -> None:
    model = load(tiny_run)
    tokens = model.encode("ab").tolist()
    for _ in range(20):
        tokens.append(int(model.forward(np.array([tokens]).T)[0][-1, 0].argmax()))
    out = done("sample", tiny_run, "--prompt", "ab", "--length", "20", "--greedy").out
    assert out == model.text()[0].decode(tokens, model.vocabulary) + "\n"


def sample(run: Path, *options: object) -> str:
    return done("sample", run, "--length", "60", *options).out


def test_only_the_text_goes_to_stdout(tiny_run: Path) -> None:
    ran = done("sample", tiny_run, "--prompt", "abc", "--length", "60")
    assert ran.out.startswith("abc") and ran.out.endswith("\n")
    assert (len(ran.out), ran.err) == (3 + 60 + 1, "")


def test_seeds(tiny_run: Path) -> None:
    assert sample(tiny_run) == sample(tiny_run, "--seed", 1)
    assert sample(tiny_run) != sample(tiny_run, "--seed", 2)


def test_the_first_of_many_is_the_only_one(tiny_run: Path) -> None:
    only = json.loads(sample(tiny_run, "--json"))["samples"]
    many = json.loads(sample(tiny_run, "--json", "-n", 3))["samples"]
    assert many[0] == only[0]
    assert len(set(many)) == 3
    text = sample(tiny_run, "-n", 3, "--prompt", "ab")
    samples = json.loads(sample(tiny_run, "--json", "-n", 3, "--prompt", "ab"))["samples"]
    assert text == "\n\n".join("ab" + each for each in samples) + "\n"


def test_json(tiny_run: Path) -> None:
    result = json.loads(sample(tiny_run, "--json", "--prompt", "ab", "--seed", 4))
    assert result.keys() == {"prompt", "seed", "samples"}
    assert (result["prompt"], result["seed"]) == ("ab", 4)
    assert "ab" + result["samples"][0] + "\n" == sample(tiny_run, "--prompt", "ab", "--seed", 4)


def test_options_reach_the_choice(tiny_run: Path) -> None:
    greedy = sample(tiny_run, "--greedy")
    assert sample(tiny_run, "--top-k", 1) == greedy
    assert sample(tiny_run, "--top-p", 0.001) == greedy
    assert sample(tiny_run, "-t", 0.0001) == greedy
    assert sample(tiny_run, "--temperature", 1.0) != greedy


def test_a_temperature_of_zero_is_greedy_and_says_so(tiny_run: Path) -> None:
    ran = command("sample", tiny_run, "-t", 0, "--length", 30)
    assert ran.code == 0
    assert "-t 0: the likeliest token each time, as with --greedy" in ran.err
    assert ran.out == command("sample", tiny_run, "--greedy", "--length", 30).out


@pytest.mark.parametrize("temperature", ["1e-7", "-1", "2e6", "nan"])
def test_a_temperature_out_of_range(tiny_run: Path, temperature: str) -> None:
    ran = command("sample", tiny_run, "-t", temperature)
    assert ran.code == 2 and ran.out == ""
    expected = "expected 0, for the likeliest token each time, or a number from 1e-06 to 1e+06"
    assert f"{expected}, received {float(temperature):g}" in ran.err


@pytest.mark.parametrize(("seed", "code"), [(2**63 - 1, 0), (2**63, 2), (0, 0), (-1, 2)])
def test_the_largest_seed(seed: int, code: int, tiny_run: Path) -> None:
    ran = command("sample", tiny_run, "--length", 1, f"--seed={seed}")
    assert ran.code == code and ("0<=x<=9223372036854775807" in ran.err) == bool(code)


def test_no_length(tiny_run: Path) -> None:
    assert done("sample", tiny_run, "--length", 0, "--prompt", "ab").out == "ab\n"
    assert done("sample", tiny_run, "--length", 0, "-n", 2).out == "\n\n\n"
    ran = done("sample", tiny_run, "--length", 0, "-n", 2, "--json")
    assert json.loads(ran.out)["samples"] == ["", ""]
    assert command("sample", tiny_run, "--length", 0, "--prompt", "é").code == 5


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 100, 700])
def test_text_that_is_written_as_it_grows_is_the_text(tiny_run: Path, length: int) -> None:
    one = done("sample", tiny_run, "--length", length).out
    whole = json.loads(done("sample", tiny_run, "--length", length, "--json").out)
    assert one == whole["samples"][0] + "\n"
    assert load(tiny_run).sample(length=length) + "\n" == one


@pytest.mark.parametrize("start", [5, 30, 33])
def test_stop_ends_before_the_text(tiny_run: Path, start: int) -> None:
    whole = sample(tiny_run)[:-1]
    stop = whole[start : start + 4]  # from 30 on it straddles the first two writes
    first = whole.index(stop)
    assert sample(tiny_run, "--stop", stop) == whole[:first] + "\n"
    several = json.loads(sample(tiny_run, "--stop", stop, "-n", 2, "--json"))["samples"]
    assert several[0] == whole[:first]
    assert stop not in several[1]
    assert sample(tiny_run, "--stop", "not there") == whole + "\n"
    assert sample(tiny_run, "--stop", "") == whole + "\n"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\ufeff\n"])
def test_a_line_end_of_any_kind_stops(tiny_run: Path, end: str) -> None:
    options = "--prompt", "ab", "--length", 60
    whole = done("sample", tiny_run, *options).out
    assert whole.count("\n") > 1
    first = whole[: whole.index("\n") + 1]
    assert done("sample", tiny_run, *options, "--stop", end).out == first


def test_a_stop_that_never_comes_holds_nothing_back(tiny_run: Path) -> None:
    model = load(tiny_run)
    pieces = [grown.texts[0] for grown in grow(model, "a", 100, 1, Sampling(), "never")]
    assert len(pieces) > 2
    assert all(b.startswith(a) for a, b in zip(pieces, pieces[1:], strict=False))
    assert pieces[-1] == model.sample("a", 100)


def piped(run: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, *options: object) -> Ran:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return command("sample", run, "--prompt", "-", "--length", "8", *options)


def test_a_prompt_from_stdin(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = done("sample", tiny_run, "--prompt", "ab\n", "--length", "8").out
    assert piped(tiny_run, b"ab\n", monkeypatch).out == given


def test_an_unknown_character(tiny_run: Path) -> None:
    for line in (["--prompt", "ab\ncé"], ["--prompt", "ab\ncé", "--json"]):
        ran = command("sample", tiny_run, *line)
        assert ran.code == 5
        assert '[DATA_UNKNOWN_TOKEN] the character "é" at line 2, column 2 is not' in ran.err
        assert "take it out of the text" in ran.err
    assert json.loads(ran.out)["error"]["problems"][0]["code"] == "DATA_UNKNOWN_TOKEN"


def test_a_prompt_that_is_no_text(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = piped(tiny_run, b"ab\xff", monkeypatch)
    assert ran.code == 5
    assert "[DATA_ENCODING] byte 0xff at offset 2 is not UTF-8" in ran.err
    assert command("sample", tiny_run, "--prompt", "ab\udcff").err == ran.err
    assert command("sample", tiny_run, "--prompt", "ab\ud800").code == 5


def test_words_are_joined_by_spaces(word_run: Path) -> None:
    model = load(word_run)
    words = model.sample(length=6, greedy=True)
    assert words.split() and not words.startswith(" ")
    added = model.sample("the cat", 6, greedy=True)
    assert added[0] in " \n"
    for prompt in ("the cat", "the cat ", "the cat\n", " the   cat\n\n "):
        out = done("sample", word_run, "--prompt", prompt, "--length", 6, "--greedy").out
        assert out.startswith(prompt)
        tokenizer, vocabulary = model.text()
        ids = [next(steps)[0] for steps in [model.stream(prompt, 1, Sampling(greedy=True))] * 6]
        both = [*model.encode(prompt).tolist(), *map(int, ids)]
        assert out.split() == tokenizer.decode(both, vocabulary).split()
        assert "  " not in out.removeprefix(prompt)
        assert not prompt.endswith(" ") or out[len(prompt)] != " "


def test_a_prompt_without_a_word_is_the_start_of_a_line(word_run: Path) -> None:
    model = load(word_run)
    assert model.prompt_ids("  ").tolist() == model.prompt_ids("").tolist()
    assert model.vocabulary.tokens[model.prompt_ids("")[0]] == "<eos>"


def test_an_unknown_word_is_read_as_such(word_run: Path) -> None:
    assert done("sample", word_run, "--prompt", "the zebra", "--length", 3).out[:9] == "the zebra"


class Scripted(Model):
    """A model that gives one id after the other."""

    script: tuple[int, ...] = ()

    def stream(self, prompt, count, sampling, begun=None):  # noqa: ANN001, ANN201
        return (np.array([token]) for token in self.script)


def scripted(run: Path, script: bytes) -> Model:
    model = load(run)
    found = Scripted(**{name: getattr(model, name) for name in model.__dataclass_fields__})
    object.__setattr__(found, "script", tuple(script))
    return found


@pytest.mark.parametrize("before", range(28, 36))
def test_bytes_are_written_as_whole_characters(byte_run: Path, before: int) -> None:
    said = ("." * before + "é€😀x").encode() + b"\xff" + "ü".encode() + b"." * 40 + b"\xe2\x82"
    model = scripted(byte_run, said)
    pieces = [grown.texts[0] for grown in grow(model, "", len(said), 1, Sampling(), None)]
    assert all(b.startswith(a) for a, b in zip(pieces, pieces[1:], strict=False))
    assert all("\ufffd" not in piece.rstrip(".") for piece in pieces[:1])
    assert pieces[-1] == said.decode(errors="replace")


def test_a_character_that_the_prompt_began(byte_run: Path) -> None:
    model = scripted(byte_run, "€".encode()[2:] + b"a")
    begun = "€".encode()[:2].decode(errors="surrogateescape")
    assert model.continuation(begun, [0xAC, 0x61]).endswith("a")
    assert model.continuation("a", list("é".encode())) == "é"


def test_nothing_is_compiled_where_kernels_are_off(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_run)
    monkeypatch.setattr(generate, "kernels_available", lambda: False)
    states = model.line_start().states
    assert generate.compiled(model.network, model.store.values, states) is None


def test_words_are_joined_by_a_space(word_run: Path) -> None:
    model = load(word_run)
    ids = model.encode("cat end").tolist()
    assert model.continuation("the", ids) == " cat end"
    assert model.continuation("the ", ids) == "cat end"


def test_bytes_as_a_prompt(byte_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = piped(byte_run, b"a\xff", monkeypatch, "--greedy")
    assert ran.code == 0 and ran.out.startswith("a\ufffd")
    again = piped(byte_run, b"a\xff", monkeypatch, "--greedy", "--json")
    assert json.loads(again.out)["prompt"] == "a\ufffd"


def test_a_file_is_as_good_as_its_run(tiny_run: Path) -> None:
    assert sample(tiny_run / "best.h5") == sample(tiny_run)


def test_a_model_without_a_vocabulary(tiny_run: Path) -> None:
    model = replace(load(tiny_run), vocabulary=None)
    with pytest.raises(Exception, match="CKPT_NO_TEXT.*reads no text"):
        model.sample()


def test_the_start_of_a_line_is_the_end_of_one(tiny_run: Path) -> None:
    model = load(tiny_run)
    assert model.vocabulary.tokens[model.prompt_ids("")[0]] == "\n"
    plain = replace(model, vocabulary=Vocabulary(tokens=("a", "b")))
    assert plain.prompt_ids("").tolist() == [0]


def test_a_closed_pipe_ends_quietly(tiny_run: Path) -> None:
    line = f"{sys.executable} -m rnnkit.cli sample {tiny_run} --length 200000"
    assert (Path(__file__).parents[2] / "rnnkit" / "cli" / "__main__.py").exists()
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} | head -c 5"], capture_output=True, timeout=120
    )
    assert (ran.returncode, len(ran.stdout), ran.stderr) == (0, 5, b"")


def test_help_into_a_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "rnnkit.cli", "--help"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_full_disk_for_stdout(tiny_run: Path) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "rnnkit.cli", "sample", str(tiny_run), "--length", "5"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ran.returncode == 74
    assert ran.stderr == "stdout [IO_ERROR] No space left on device (check the disk and the path)\n"


def test_a_character_that_the_terminal_lacks(byte_run: Path) -> None:
    ran = process(["sample", byte_run, "--prompt", "€", "--length", 0], PYTHONIOENCODING="latin-1")
    assert (ran.returncode, ran.stdout) == (0, "\\u20ac\n"), ran.stderr


@pytest.fixture(scope="module")
def estimating_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = plain_spec(epochs=1)
    spec["model"]["loss"] = {"type": "mse"}
    return trained(tmp_path_factory.mktemp("mse"), spec, content=text(200))


def test_what_is_no_distribution_is_neither_drawn_nor_scored(
    estimating_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text("ab\n")
    reason = "[CKPT_NO_DISTRIBUTION] the loss mse gives no probabilities of tokens, so "
    ran = command("sample", estimating_run, "--length", 5)
    assert ran.code == 6 and ran.out == ""
    assert f"{reason}none can be drawn by chance (take the likeliest: --greedy" in ran.err
    ran = command("score", estimating_run, tmp_path / "lines")
    assert ran.code == 6 and f"{reason}no text has a probability" in ran.err


def test_greedily_an_estimate_is_sampled(estimating_run: Path) -> None:
    model = load(estimating_run)
    ids, expected = model.prompt_ids("ab").tolist(), []
    for _ in range(6):
        ys, _ = model.forward(np.array(ids)[:, None])
        ids.append(int(ys[-1, 0].argmax()))
        expected.append(ids[-1])
    assert model.sample("ab", 6, greedy=True) == model.continuation("ab", expected)


@pytest.mark.parametrize("verb", ["sample", "score"])
def test_what_cannot_go_on_is_refused_before_a_word_is_written(
    tiny_run: Path, tmp_path: Path, verb: str
) -> None:
    """The answer itself could be given; its states could not be saved after it."""
    states, text = tmp_path / "states.h5", tmp_path / "text.txt"
    text.write_text("ab\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnnkit.network.network.Network.reads_later", "1.lstm")
        options = ["--length", 3] if verb == "sample" else [text]
        ran = command(verb, tiny_run, *options, "--state-out", states)
    assert (ran.code, ran.out) == (6, "") and "[STATE_NOT_CAUSAL]" in ran.err
    assert not states.exists()
