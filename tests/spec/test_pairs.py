"""What the spec of a model with an encoder and a decoder may be, and the words where it may not."""
# ruff: noqa: E501 - a message is one line

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnkit import build
from rnnkit.contracts.registry import Registry
from rnnkit.errors import SpecError
from rnnkit.spec.model import Spec
from rnnkit.spec.read import parse_spec

JSONObject = dict[str, Any]


def spec() -> JSONObject:
    return {
        "data": {"type": "pairs", "source": "dates", "tokenizer": {"type": "char"}},
        "model": {
            "encoder": {
                "layers": [{"type": "embedding", "units": 8}, {"type": "lstm", "units": 16}]
            },
            "decoder": {
                "layers": [
                    {"type": "embedding", "units": 8},
                    {"type": "lstm", "units": 16},
                    {"type": "attention"},
                    {"type": "affine"},
                ]
            },
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {"epochs": 1, "optimizer": {"type": "adam", "lr": 0.001}},
    }


def parsed(value: JSONObject) -> Spec:
    return parse_spec(json.dumps(value).encode(), "s.json", Registry()).spec


def encoder(value: JSONObject) -> list[JSONObject]:
    layers: list[JSONObject] = value["model"]["encoder"]["layers"]
    return layers


def decoder(value: JSONObject) -> list[JSONObject]:
    layers: list[JSONObject] = value["model"]["decoder"]["layers"]
    return layers


def test_what_is_peeked_at_is_the_first_array_of_a_state() -> None:
    value = spec()
    value["model"]["peek"] = True
    for layers in (encoder(value), decoder(value)):
        layers[1]["type"] = "gru"  # its state is one array
    assert parsed(value).model.peek


def test_a_valid_one_is_read_and_written_back() -> None:
    found = parsed(spec())
    assert parsed(json.loads(found.canonical())) == found
    model = json.loads(found.canonical())["model"]
    assert (model["bridge"], model["peek"]) == ("all", False)


def test_a_table_of_the_encoder_may_be_shared() -> None:
    value = spec()
    encoder(value)[0] |= {"name": "table", "units": 32}
    decoder(value)[3]["tie"] = "table"
    value["data"]["count"] = 400
    store = build(parsed(value)).store
    table, tied = store.values["table"]["W"], store.values["decoder.3.affine"]["W"]
    assert np.shares_memory(table, tied) and table.shape == tied.shape
    assert "decoder.3.affine/W" not in store.stored()


@pytest.mark.parametrize(("at", "name"), [(3, "own"), (2, "late")])
def test_no_table_is_shared_with_itself_or_a_later_layer(at: int, name: str) -> None:
    value = spec()
    decoder(value).insert(2, {"type": "affine", "units": 16})
    decoder(value)[4]["name"] = name
    decoder(value)[at if name == "late" else 4]["tie"] = name
    with pytest.raises(SpecError) as caught:
        parsed(value)
    assert f'tie: no earlier layer has the name "{name}"' in str(caught.value)


BOTH_WAYS = {"type": "bidirectional", "layer": {"type": "lstm", "units": 16}}
INNER = {"type": "residual", "layer": {"type": "attention"}}
STACK = {"layers": [{"type": "attention"}], "loss": {"type": "softmax_cross_entropy"}}
TEXT = {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}}

# fmt: off
WRONG: list[tuple[Callable[[JSONObject], Any], list[str]]] = [
    (lambda s: s["model"].pop("decoder"), ["[SPEC_MISSING_KEY] model.decoder: missing; expected an object"]),
    (lambda s: s["model"].update(layers=[]), ["[SPEC_UNKNOWN_KEY] model.layers: unknown key; allowed: bridge, decoder, encoder, loss, peek"]),
    (lambda s: s["model"].update(encoder=[]), ["[SPEC_TYPE] model.encoder: expected an object, received a list of 0 items"]),
    (lambda s: s["model"].update(bridge="al"), ['[SPEC_RANGE] model.bridge: expected "all" or "output", received "al" (did you mean "all"?)']),
    (lambda s: s["model"].update(peek="yes"), ['[SPEC_TYPE] model.peek: expected true or false, received "yes"']),
    (lambda s: (encoder(s)[1].update(units="4"), decoder(s)[1].update(unit=4)), [
        '[SPEC_TYPE] model.encoder.layers[1].units: expected an integer from 1 to 65536, received "4" (remove the quotes)',
        '[SPEC_UNKNOWN_KEY] model.decoder.layers[1].unit: unknown key; did you mean "units"? allowed: forget_bias, init, name, type, units',
    ]),
    (lambda s: decoder(s)[1].update(units=4), [
        "[SPEC_SHAPE] model.decoder: recurrent layer 1 of the encoder has a state of 16 and 16, that of the decoder one of 4 and 4 (make them equal)",
        '[SPEC_SHAPE] model.decoder.layers[2]: receives values of width 4, but the encoder gives values of width 16 (a dot product needs equal widths: change one, or take "score": "additive")',
    ]),
    (lambda s: encoder(s)[1].update(type="gru"), ['[SPEC_SHAPE] model.decoder: recurrent layer 1 of the encoder has a state of 16, that of the decoder one of 16 and 16 (make them equal, or pass only the output: "bridge": "output")']),
    (lambda s: (encoder(s).pop(1), decoder(s).pop(2)), ["[SPEC_SHAPE] model.encoder: the encoder has no recurrent layer (give it one, such as lstm)"]),
    (lambda s: encoder(s).append({"type": "lstm", "units": 16}), ["[SPEC_SHAPE] model.decoder: the encoder has 2 recurrent layers, the decoder 1 (states pass layer by layer: give both as many)"]),
    (lambda s: encoder(s).append({"type": "attention"}), ["[SPEC_INCONSISTENT] model.encoder.layers[2]: reads what an encoder gives (it belongs in model.decoder)"]),
    (lambda s: encoder(s).append({"type": "affine"}), ['[SPEC_SHAPE] model.encoder.layers[2]: only the last layer takes its width from the data (add "units")']),
    (lambda s: decoder(s).__setitem__(2, INNER), ["[SPEC_INCONSISTENT] model.decoder.layers[2]: reads what an encoder gives (make it a layer of its own in model.decoder, not inside another)"]),
    (lambda s: (decoder(s).__setitem__(1, BOTH_WAYS), decoder(s).pop(2)), ["[SPEC_INCONSISTENT] model.decoder.layers[1]: reads later inputs, and so the very token it is to predict (remove it)"]),
    (lambda s: decoder(s)[2].update(units=4), ['[SPEC_SHAPE] model.decoder.layers[2]: a dot product has no "units" (leave them out)']),
    (lambda s: (encoder(s)[0].update(name="t"), decoder(s)[0].update(name="t")), ['[SPEC_INCONSISTENT] model.decoder.layers[0].name: "t" is also the name of model.encoder.layers[0] (names are unique)']),
    (lambda s: decoder(s)[3].update(tie="t"), ['[SPEC_INCONSISTENT] model.decoder.layers[3].tie: no earlier layer has the name "t" (give it one: "name")']),
    (lambda s: (encoder(s)[0].update(name="t"), decoder(s)[3].update(tie="t")), ['[SPEC_INCONSISTENT] model.decoder.layers[3].tie: "t" gives values of width 8, but this layer receives values of width 32 (a shared table needs equal widths)']),
    (lambda s: (s["model"].update(peek=True), decoder(s)[0].update(name="t", units=32), decoder(s)[3].update(tie="t")), ['[SPEC_INCONSISTENT] model.decoder.layers[3].tie: "t" gives values of width 32, but this layer receives values of width 48 (a shared table needs equal widths)']),
    (lambda s: s["train"].update(recompute=True), ["[SPEC_INCONSISTENT] train.recompute: a model with an encoder is not learned in blocks (leave it out)"]),
    (lambda s: s.update(data=TEXT), ['[SPEC_INCONSISTENT] data.type: text data has no sources for an encoder (data of type "pairs" has)']),
    (lambda s: s.update(model=STACK), [
        '[SPEC_INCONSISTENT] model: this data has sources, which an encoder reads (give the model "encoder" and "decoder" in place of "layers")',
        "[SPEC_INCONSISTENT] model.layers[0]: reads what an encoder gives (it belongs in model.decoder)",
    ]),
    (lambda s: s["data"].update(end=""), ['[SPEC_INCONSISTENT] data: without an "end" every target needs the same length: give "pad": [0, N]']),
    (lambda s: s["data"].update(path="x"), ['[SPEC_INCONSISTENT] data: give one of "source", "path" or "train", not source and path']),
    (lambda s: s["data"].pop("source"), ['[SPEC_INCONSISTENT] data: give one of "source", "path" or "train", received none']),
    (lambda s: s["data"].update(valid="x"), ['[SPEC_INCONSISTENT] data: "valid" and "test" go with "train"']),
    (lambda s: s["data"].update(split=[0.5, 0.1, 0.1]), ['[SPEC_INCONSISTENT] data: "split" must sum to 1, received [0.5, 0.1, 0.1]']),
]
# fmt: on


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=range(len(WRONG)))
def test_errors(change: Callable[[JSONObject], Any], expected: list[str]) -> None:
    value = spec()
    change(value)
    with pytest.raises(SpecError) as caught:
        parsed(value)
    found = [str(problem).partition(" ")[2] for problem in caught.value.problems]
    assert sorted(found) == sorted(expected)
    assert all(str(p).startswith("s.json:1:") for p in caught.value.problems)
