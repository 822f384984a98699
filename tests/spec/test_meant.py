"""Names that people bring from elsewhere, or misplace: each gets the sentence of a friend."""
# ruff: noqa: E501 - a message is one line

from __future__ import annotations

import io
import sys

import pytest

from rnnkit.contracts.registry import Registry
from rnnkit.errors import RnnkitError, SpecError
from rnnkit.spec.read import parse_spec, read_spec

SPEC = b"""{
  "data": {"type": "text", "path": "a.txt", "tokenizer": {"type": "char"}},
  "model": {
    "layers": [{"type": "one_hot"}, {"type": "lstm", "units": 8}, {"type": "affine"}],
    "loss": {"type": "softmax_cross_entropy"}
  },
  "train": {"epochs": 2, "optimizer": {"type": "adam", "lr": 0.002}}
}
"""


def problem(*overrides: str) -> str:
    with pytest.raises(RnnkitError) as caught:
        parse_spec(SPEC, "spec.json", Registry(), overrides)
    return caught.value.problems[0].message


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("batch_size=4", "train.streams"),
        ("train.batch_size=4", "streams"),
        ("data.batch_size=4", "train.streams"),
        ("train.batch-size=4", "streams"),
        ("learning_rate=1", "train.optimizer.lr"),
        ("train.learning_rate=1", "train.optimizer.lr"),
        ("train.lr=1", "train.optimizer.lr"),
        ("train.optimizer.learning_rate=1", "lr"),
        ("train.seq_len=4", "window"),
        ("evaluate.batch_size=4", "streams"),
        ("epochs=4", "train.epochs"),
        ("data.epochs=4", "train.epochs"),
        ("train.num_epochs=4", "epochs"),
        ("layers=[]", "model.layers"),
        ("tokenizer=char", "data.tokenizer"),
        ("train.metric=x", "train.best.metric"),
        ("train.early_stopping=4", "train.stop.patience"),
        ("train.grad_clip=4", "train.clip.norm"),
        ("model.layers[1].hidden_size=4", "units"),
        ("bptt=35", "train.window"),
        ("train.tbptt=35", "window"),
        ("clip=5", "train.clip.norm"),
        ("clip=-5", "train.clip"),
        ("stop=5", "train.stop.patience"),
    ],
)
def test_a_key_from_elsewhere_or_in_the_wrong_place(override: str, meant: str) -> None:
    assert f'unknown key; did you mean "{meant}"? allowed: ' in problem(override)


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("train.bptt", "35", '"window": 35 in its place'),
        ("train.clip", "0.5", '{"norm": 0.5}'),
        ("train.stop", "5", '{"patience": 5}'),
        ("train.sync", "4", '{"every": 4}'),
        ("train.feed", '"sample"', '{"type": "sample"}'),
        ("train.state", '"never"', '{"reset": "never"}'),
        ("train.best", '"valid_accuracy"', '{"metric": "valid_accuracy"}'),
        ("train.sample", '"hello"', '{"prompt": "hello"}'),
        ("train.start", '"old.h5"', '{"from": "old.h5"}'),
    ],
)
def test_a_plain_value_in_place_of_an_object(key: str, value: str, instead: str) -> None:
    said = f"{key}: expected an object, received {value} (write {instead})"
    assert problem(f"{key}={value}") == said


@pytest.mark.parametrize(
    "override",
    ["train.bptt=0", "train.clip=-1", "train.stop=2.5", "train.state=no", "train.best=x"],
)
def test_a_plain_value_that_would_not_do_gets_no_advice(override: str) -> None:
    assert "expected an object, received " in problem(override)
    assert "write" not in problem(override)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("train.gpu", "rnnkit computes on the processor alone: leave it out"),
        ("data.device", "rnnkit computes on the processor alone: leave it out"),
        ("Use-CUDA", "rnnkit computes on the processor alone: leave it out"),
        ("train.fp16", "rnnkit computes in float32 alone: leave it out"),
        ("train.num_workers", "how many threads compute is the option --threads: leave it out"),
        ("model.layers[1].num_layers", 'each layer is an entry of "layers": write it as often as'),
    ],
)
def test_a_key_that_there_is_not(key: str, said: str) -> None:
    assert f"unknown key; {said}" in problem(f"{key}=1")


@pytest.mark.parametrize("override", ["train.sample.prompt=The", "train.sample={}"])
def test_a_sample_that_is_never_written(override: str) -> None:
    assert problem(override) == (
        'train: "sample" says what is written, and nothing says when '
        '(give "every": {"sample": 100}, or leave "sample" out)'
    )
    for when in ("100", "null"):
        spec = parse_spec(SPEC, "s", Registry(), (override, f"train.every.sample={when}")).spec
        assert parse_spec(spec.canonical(), "s", Registry()).spec == spec


@pytest.mark.parametrize("key", ["train.shuffle", "train.type", "data.verbose"])
def test_a_key_that_nothing_answers_to_gets_no_guess(key: str) -> None:
    assert "unknown key; allowed: " in problem(f"{key}=1")


def test_a_layer_that_is_given_as_a_key() -> None:
    said = 'unknown key; a layer of its own is {"type": "dropout", ...}; allowed: '
    assert said in problem("model.layers[1].dropout=0.2")
    assert said in problem("train.dropout=0.2")


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("model.layers[2].type=dense", "affine"),
        ("model.layers[2].type=linear", "affine"),
        ("model.layers[1].type=simple_rnn", "rnn"),
        ("model.layers[1].type=bilstm", "bidirectional"),
        ("model.loss.type=crossentropy", "softmax_cross_entropy"),
        ("model.loss.type=cross_entropy", "softmax_cross_entropy"),
        ("model.loss.type=sparse_categorical_crossentropy", "softmax_cross_entropy"),
        ("model.loss.type=binary_crossentropy", "binary_cross_entropy"),
        ("model.loss.type=mean_squared_error", "mse"),
        ("train.optimizer.type=adma", "adam"),
    ],
)
def test_a_type_from_elsewhere(override: str, meant: str) -> None:
    assert f"; did you mean '{meant}'? installed: " in problem(override)


def test_a_type_without_its_object() -> None:
    assert problem("model.loss=crossentropy").endswith(
        'received "crossentropy" (write {"type": "softmax_cross_entropy"})'
    )
    assert problem("train.optimizer=nothing").endswith('received "nothing"')


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("1e3", " (write 1000)"),
        ("1e12", ""),
        ("-1e12", ""),
        ("1000001.0", ""),
        ("0.0", ""),
        ('"7"', " (remove the quotes)"),
        ('"007"', " (write 7)"),
        ('"0"', ""),
        ('"99999999"', ""),
        ('"1.5"', ""),
    ],
)
def test_advice_on_a_number_would_be_taken(written: str, advice: str) -> None:
    expected = f"train.epochs: expected an integer from 1 to 1000000, received {written}{advice}"
    assert problem(f"train.epochs={written}") == expected


def test_a_name_that_quotes_would_not_save() -> None:
    assert problem("name=3").endswith(", received 3")
    assert problem("data.path=3").endswith("received 3 (put it in quotes)")


def test_an_override_beside_a_key_of_the_file_says_what_to_leave_out() -> None:
    both = 'data: give one of "source", "path" or "train", not source and path'
    assert problem("data.source=python-docs") == f"{both} (-s data.path=null leaves the other out)"
    assert parse_spec(SPEC, "s", Registry(), ["data.source=python-docs", "data.path=null"])
    own = SPEC.replace(b'"path"', b'"source": "python-docs", "path"')
    with pytest.raises(SpecError) as caught:
        parse_spec(own, "spec.json", Registry())
    assert caught.value.problems[0].message == both


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("data:\n  type: text\n", "YAML"),
        ("# a comment\n\n---\ndata: {}\n", "YAML"),
        ("- a\n", "YAML"),
        ('[data]\ntype = "text"\n', "TOML"),
        ("# x\nname = 'a'\n", "TOML"),
    ],
)
def test_another_language_is_named(text: str, language: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text.encode(), "m.yaml", Registry())
    assert str(caught.value) == (
        f"m.yaml:1:1 [SPEC_SYNTAX] this looks like {language}; "
        "a spec is one JSON object (any JSON converter does it)"
    )


def test_a_spec_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    class Stdin:
        buffer = io.BytesIO(SPEC)

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert read_spec(Path("-"), Registry(), ["train.epochs=7"]).spec.train.epochs == 7
    Stdin.buffer = io.BytesIO(b"{")
    with pytest.raises(SpecError, match=r"^stdin:1:2 \[SPEC_SYNTAX\]"):
        read_spec(Path("-"), Registry())
