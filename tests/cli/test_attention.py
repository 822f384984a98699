"""rnnkit attention: the maps of a trained encoder and decoder, and what it refuses."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, small_spec, trained

from rnnkit.analysis.attention.texts import grids_of, looks
from rnnkit.contracts.ragged import side_by_side
from rnnkit.core.context import Context
from rnnkit.inference.decode import TargetLimits, decode_greedily
from rnnkit.inference.model import load

TEXTS = [("abc", "cba"), ("bca", "acb"), ("cab", "bac"), ("a b", "b a")]


def pair_spec(**data: Any) -> dict[str, Any]:
    """Return a spec that turns short texts around."""
    spec = small_spec(epochs=30, optimizer={"type": "adam", "lr": 0.02}, schedule=None)
    del spec["train"]["window"]
    spec["data"] = {
        "type": "pairs",
        "path": "text.txt",
        "tokenizer": {"type": "char"},
        "split": [1.0, 0.0, 0.0],
        "start": "_",
        "end": "\n",
        **data,
    }
    recurrent = [{"type": "embedding", "units": 4}, {"type": "lstm", "units": 6}]
    decoder = [*recurrent, {"type": "attention"}, {"type": "affine"}]
    spec["model"] = {
        "encoder": {"layers": recurrent},
        "decoder": {"layers": decoder},
        "loss": {"type": "softmax_cross_entropy"},
    }
    return spec


def pair_run(folder: Path, spec: dict[str, Any]) -> Path:
    spec["data"]["path"] = "text.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"source": a, "target": b + ""}) for a, b in TEXTS * 3]
    (folder / "text.jsonl").write_text("\n".join(rows))
    return trained(folder, spec)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair_run(tmp_path_factory.mktemp("pairs"), pair_spec())


@pytest.fixture(scope="module")
def reversed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair_run(
        tmp_path_factory.mktemp("reversed"), pair_spec(reverse=True, end="", pad=[5, 3])
    )


def test_a_map_of_what_the_model_writes(run: Path) -> None:
    (found,) = json.loads(done("attention", run, "abc", "--json").out)["maps"]
    assert found["layer"] == "decoder.2.attention"
    assert found["read"] == list("abc")
    weights = np.array(found["weights"])
    assert weights.shape == (len(found["written"]), 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert found["written"][-1] == "\n" or len(found["written"]) == 26


def test_what_is_written_is_what_is_decoded(run: Path) -> None:
    model = load(run)
    data: Any = model.spec.data
    coder = data.coder(model.vocabulary)
    source = side_by_side([coder.source("cab")])
    limits = TargetLimits(coder.start, coder.end, 26)
    (ids,) = decode_greedily(model.network, model.store.values, source, limits)
    (grid,) = grids_of(model, model.network, data, "cab", None)
    assert "".join(grid.written).removesuffix("\n") == coder.text(ids)


def test_each_line_of_stdin_is_a_source(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = json.loads(done("attention", run, "abc", "ba", "cab", "--json").out)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc\nba\n")))
    assert json.loads(done("attention", run, "-", "cab", "--json").out) == given


def test_stdin_without_a_source(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for more in ((), ("--out", tmp_path / "map.svg")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        ran = done("attention", run, "-", *more)
        assert ran.out == "" and ran.err.startswith("stdin holds nothing to read (")
    assert not (tmp_path / "map.svg").exists()


def test_a_target_that_is_given(run: Path) -> None:
    ran = done("attention", run, "abc", "a b", "--target", "cc", "--json")
    maps = json.loads(ran.out)["maps"]
    assert [found["written"] for found in maps] == [["c", "c", "\n"]] * 2
    assert [found["read"] for found in maps] == [list("abc"), list("a b")]


def test_a_source_that_is_read_backwards_is_shown_forwards(reversed_run: Path) -> None:
    model = load(reversed_run)
    data: Any = model.spec.data
    (grid,) = grids_of(model, model.network, data, "abc", None)
    assert grid.read == tuple("abc  ") and len(grid.written) == 3
    coder = data.coder(model.vocabulary)
    source = side_by_side([coder.source("abc")])
    ids = [model.vocabulary.tokens.index(token) for token in grid.written]
    params = model.store.values
    (raw,) = looks(model.network, params, source, [coder.start, *ids[:-1]]).values()
    np.testing.assert_array_equal(grid.weights, raw[:, ::-1])


def test_the_weights_are_the_softmax_of_the_dot_products(run: Path) -> None:
    model = load(run)
    data: Any = model.spec.data
    source = side_by_side([data.coder(model.vocabulary).source("abc")])
    network, params = model.network, model.store.values
    ids = [3, 1, 2]
    (found,) = looks(network, params, source, ids).values()
    start = np.zeros((1, 6), np.float32)
    read = params["encoder.0.embedding"]["W"][source.inputs]
    encoder, decoder = network.layers[1], network.layers[3]
    before = (start, start)
    memory, state, _ = encoder.scan(params["encoder.1.lstm"], read, before, None, Context())
    xs = params["decoder.0.embedding"]["W"][np.array(ids)[:, None]]
    hs, _, _ = decoder.scan(params["decoder.1.lstm"], xs, state, None, Context())
    scores = np.exp(hs[:, 0] @ memory[:, 0].T)
    np.testing.assert_allclose(found, scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)


def test_the_picture(run: Path, tmp_path: Path) -> None:
    for name in ("map.svg", "map.html"):
        ran = done("attention", run, "abc", "--target", "ca", "--out", tmp_path / name)
        assert f"wrote {tmp_path / name}" in ran.err
        picture = (tmp_path / name).read_text()
        assert picture.count("<rect ") == 9 and "c looks at a: 0." in picture
    assert "<title>small: attention</title>" in (tmp_path / "map.html").read_text()
    lines = done("attention", run, "abc", "--target", "ca").out.splitlines()
    assert lines[:2] == ["decoder.2.attention", "  a b c"]
    assert [line[0] for line in lines[2:]] == ["c", "a", "↵"]
    coloured = done("attention", run, "abc", "--target", "ca", "--color").out
    assert re.search(r"\nc (\x1b\[48;5;\d+m  ){3}\x1b\[0m\n", coloured)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Missing argument 'TEXT...'"),
        (["abc", "--out", "map.png"], 2, "a name that ends in .svg or .html, received 'map.png'"),
        (["abz"], 5, 'source 1 [DATA_UNKNOWN_TOKEN] the character "z" at line 1, column 3'),
        (["abc", "abz"], 5, "source 2 [DATA_UNKNOWN_TOKEN]"),
        ([""], 5, "source 1 [DATA_EMPTY] the source is empty"),
        (["abc", "--target", "q"], 5, '--target [DATA_UNKNOWN_TOKEN] the character "q"'),
    ],
)
def test_what_it_refuses(arguments: list[str], code: int, said: str, run: Path) -> None:
    ran = command("attention", run, *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_models_that_look_at_no_source(tiny_run: Path, tmp_path: Path) -> None:
    ran = command("attention", tiny_run, "abc")
    assert ran.code == 6
    assert "[CKPT_NO_ENCODER] the model has no encoder that reads a text" in ran.err
    spec = pair_spec()
    del spec["model"]["decoder"]["layers"][2]
    plain = pair_run(tmp_path, spec)
    ran = command("attention", plain, "abc")
    assert ran.code == 6
    assert "[CKPT_NO_ATTENTION] the decoder has no layer that looks at its source" in ran.err
    neurons = command("neurons", plain, tmp_path / "text.jsonl")
    assert neurons.code == 6 and "[CKPT_ENCODER] the model has an encoder" in neurons.err


def test_a_target_without_an_end_is_cut_where_decode_cuts_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "rnnkit.analysis.attention.texts.decode_greedily",
        lambda network, params, source, limits: [[1] * limits.steps],
    )
    ran = done("attention", run, "abc", "--json")
    (found,) = json.loads(ran.out)["maps"]
    assert len(found["written"]) == 200
    assert "what the model writes has no end within 200 tokens: it is cut there" in ran.err
