"""Changes from the command line, and errors that point at them."""
# ruff: noqa: E501 - a message is one line

from __future__ import annotations

import pytest

from rnnkit.contracts.registry import Registry, installed
from rnnkit.errors import RnnkitError, printable
from rnnkit.spec.locations import Draft, Location, Position
from rnnkit.spec.model import Spec
from rnnkit.spec.overrides import apply_override
from rnnkit.spec.read import parse_spec

BASE = b"""{
  "name": "tiny",
  "data": {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}},
  "model": {
    "layers": [
      {"type": "embedding", "units": 16},
      {"type": "lstm", "units": 32},
      {"type": "affine"}
    ],
    "loss": {"type": "softmax_cross_entropy"}
  },
  "train": {
    "epochs": 2,
    "optimizer": {"type": "adam", "lr": 0.002},
    "clip": {"norm": 5.0},
    "schedule": null
  }
}
"""

REGISTRY = Registry(plugin for plugin in installed() if plugin.distribution == "rnnkit")


def changed(*overrides: str) -> Spec:
    return parse_spec(BASE, "spec.json", REGISTRY, overrides).spec


def problems(*overrides: str) -> list[str]:
    with pytest.raises(RnnkitError) as caught:
        changed(*overrides)
    return str(caught.value).splitlines()


def test_a_value_is_json_where_it_parses() -> None:
    assert changed("train.epochs=10").train.epochs == 10
    assert changed("train.optimizer.lr=1e-3").train.optimizer.lr == 1e-3
    assert changed('data.tokenizer={"type":"byte"}').model_dump()["data"]["tokenizer"] == {
        "type": "byte"
    }
    assert changed("train.clip=null").train.clip is None


def test_a_value_that_is_no_json_is_a_string() -> None:
    assert changed("name=other").name == "other"
    assert changed("train.every.evaluate=epoch").train.every.evaluate == "epoch"
    state = changed("train.state.reset=document", "train.state.separator==={\n").train.state
    assert state.separator == "=={\n"


def test_a_list_item_is_changed_by_its_index() -> None:
    assert changed("model.layers[1].units=64").model_dump()["model"]["layers"][1]["units"] == 64
    assert changed('model.layers[1]={"type":"rnn","units":8}').model.layers[1].type == "rnn"
    assert changed("model.layers[1].init.Wx.type=zeros").model.layers[1].init["Wx"].type == "zeros"


def test_objects_on_the_way_are_created() -> None:
    spec = changed("train.state.reset=window", "evaluate.streams=4", "train.schedule.type=constant")
    assert spec.train.state.reset == "window"
    assert spec.evaluate.streams == 4
    assert spec.train.schedule is not None and spec.train.schedule.type == "constant"


def test_the_last_override_wins() -> None:
    assert changed("train.epochs=3", "train.epochs=4").train.epochs == 4
    assert (
        changed("train.clip=null", "train.clip.value=2").train.clip
        == changed('train.clip={"value":2}').train.clip
    )


def test_a_list_that_is_not_there_is_the_fault_of_the_override_around_it_too() -> None:
    file = Location(Position(0, 1, 1, "spec.json"), Position(0, 1, 1, "spec.json"))
    draft = Draft({"data": {}}, {(): file, ("data",): file})
    apply_override(draft, "data.split[0]=0.5", 1)
    assert [str(draft.where(path)) for path in (("data",), ("data", "split"))] == [
        "-s data.split[0]=0.5"
    ] * 2


def test_an_override_repairs_the_file() -> None:
    wrong = BASE.replace(b'"epochs": 2', b'"epochs": 0')
    assert parse_spec(wrong, "spec.json", REGISTRY, ["train.epochs=1"]).spec.train.epochs == 1


WRONG = [
    ("train.epochs", "-s train.epochs [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("=3", "-s =3 [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("model.layers[x]=3", "-s model.layers[x]=3 [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("model.layers[-1]=3", "-s model.layers[-1]=3 [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("model..layers=3", "-s model..layers=3 [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("[0]=3", "-s [0]=3 [SPEC_SYNTAX] expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"),
    ("model.layers[3].units=8", "-s model.layers[3].units=8 [SPEC_RANGE] model.layers: has the items [0] to [2], but not [3]"),
    ("model.layers.units=8", '-s model.layers.units=8 [SPEC_TYPE] model.layers: is a list (write an index, such as [0]), so it has no key "units"'),
    ("train[0]=8", "-s train[0]=8 [SPEC_TYPE] train: is no list, so it has no item [0]"),
    ("train.epochs.x=8", '-s train.epochs.x=8 [SPEC_TYPE] train.epochs: is no object, so it has no key "x"'),
    ("train.epoch=3", '-s train.epoch=3 [SPEC_UNKNOWN_KEY] train.epoch: unknown key; did you mean "epochs"? allowed: best, bptt, clip, epochs, every, feed, keep, optimizer, recompute, sample, schedule, seed, shards, start, state, stop, streams, sync, window'),
    ("trian.epochs=3", '-s trian.epochs=3 [SPEC_UNKNOWN_KEY] trian: unknown key; did you mean "train"? allowed: data, evaluate, model, name, spec_version, train'),
    ("model.layer[1].units=8", '-s model.layer[1].units=8 [SPEC_UNKNOWN_KEY] model.layer: unknown key; did you mean "layers"? allowed: layers, loss'),
    ("data.split[0]=0.5", "-s data.split[0]=0.5 [SPEC_RANGE] data.split: expected a list of 3 items, received a list of 0 items"),
    ("model.layers[1].units=0", "-s model.layers[1].units=0 [SPEC_RANGE] model.layers[1].units: expected an integer from 1 to 65536, received 0"),
    ("model.layers[1].units=many", '-s model.layers[1].units=many [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received "many"'),
    ('train.epochs=08', '-s train.epochs=08 [SPEC_TYPE] train.epochs: expected an integer from 1 to 1000000, received "08" (write 8)'),
    ('model.layers[1].units="8"', '-s model.layers[1].units="8" [SPEC_TYPE] model.layers[1].units: expected an integer from 1 to 65536, received "8" (remove the quotes)'),
    ("train.optimizer.lr=NaN", "-s train.optimizer.lr=NaN [SPEC_NONFINITE] train.optimizer.lr: expected a finite number, received NaN"),
    ("train.optimizer.lr=1e-400", "-s train.optimizer.lr=1e-400 [SPEC_UNDERFLOW] train.optimizer.lr: 1e-400 would become 0 (the smallest number is about 4.9e-324)"),
    ('train.clip={"norm":1,"norm":2}', '-s train.clip={"norm":1,"norm":2} [SPEC_DUPLICATE_KEY] train.clip.norm: key given twice (keep one)'),
    ("train.clip.value=1", '-s train.clip.value=1 [SPEC_INCONSISTENT] train.clip: give "norm" or "value", not both (or leave "clip" out)'),
    ("train.schedule.factor=0.5", "-s train.schedule.factor=0.5 [SPEC_MISSING_KEY] train.schedule.type: missing; expected one of <schedules>"),
    ("model.layers[0].type=lstm", "-s model.layers[0].type=lstm [SPEC_SHAPE] model.layers[0]: reads values, but receives token ids (put an embedding or one_hot layer before it)"),
    ("name=\udcff", "-s name=\\udcff [SPEC_SURROGATE] name: half of a surrogate pair is no character (write both halves, or neither)"),
    ("train.epochs=" + "[" * 40, "-s train.epochs=" + "[" * 40 + " [SPEC_TOO_DEEP] more than 32 levels of brackets"),
    ("a." * 40 + "a=1", "-s " + "a." * 40 + "a=1 [SPEC_TOO_DEEP] a path of more than 32 steps"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "message"), WRONG, ids=range(len(WRONG)))
def test_an_error_points_at_the_override(override: str, message: str) -> None:
    schedules = ", ".join(REGISTRY.names("rnnkit.schedules"))
    assert problems(override) == [message.replace("<schedules>", schedules)]


def test_errors_of_the_file_come_first_and_overrides_in_their_order() -> None:
    wrong = BASE.replace(b'"epochs": 2', b'"epochs": 0')
    overrides = ["train.streams=0", "name=9", "model.layers[1].units=0"]
    with pytest.raises(RnnkitError) as caught:
        parse_spec(wrong, "spec.json", REGISTRY, overrides)
    assert [problem.where for problem in caught.value.problems] == [
        "spec.json:13:15",
        "-s train.streams=0",
        "-s name=9",
        "-s model.layers[1].units=0",
    ]


def test_a_path_may_have_32_steps() -> None:
    deep = ".".join(["x-a"] * 32)
    assert changed(f"{deep}=1").name == "tiny"
    assert problems(f"{deep}.b=1") == [
        f"-s {printable(deep + '.b=1', 200)} [SPEC_TOO_DEEP] a path of more than 32 steps"
    ]


def test_the_end_of_a_list_is_no_item() -> None:
    assert changed("model.layers[2].bias=false").model.layers[2].bias is False
    assert "has the items [0] to [2], but not [3]" in problems("model.layers[3].bias=false")[0]


def test_what_an_override_puts_in_the_place_of_a_block_is_blamed_alone() -> None:
    override = 'model.layers[1]={"type": "lstm"}'
    assert problems(override) == [
        f"-s {override} [SPEC_MISSING_KEY] model.layers[1].units: missing; "
        "expected an integer from 1 to 65536"
    ]
