"""rnnkit show --equations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from helpers import command, done, plain_spec, trained

from rnnkit import EquationCell
from rnnkit.compute.equations import sigmoid, tanh
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block


class Long(EquationCell):
    type: Literal["lstm"] = "lstm"
    forget_bias: float = 0.0
    gates = ("i", "f", "o", "g")
    states = ("h", "c")

    def equations(self, x, r, s, p):
        i, f, o = sigmoid(x.i + r.i), sigmoid(x.f + r.f), sigmoid(x.o + r.o)
        c = f * s.c + i * tanh(x.g + r.g)
        return o * tanh(c), c


class Short(EquationCell):
    """Three gates, so that the arrays of a GRU fit."""

    type: Literal["gru"] = "gru"
    gates = ("a", "b", "n")

    def equations(self, x, r, s, p):
        return tanh(x.n + r.n) * (x.a + r.a + (x.b + r.b))


def by_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the types of two cells be classes that are their equations."""
    find = Registry.find

    def found(registry: Registry, group: str, name: str) -> type[Block]:
        return {"lstm": Long, "gru": Short}.get(name) or find(registry, group, name)

    monkeypatch.setattr(Registry, "find", found)


TEXT = """\
1.lstm
  i = sigmoid(x Wx_i + b_i + h Wh_i)
  f = sigmoid(x Wx_f + b_f + h Wh_f)
  o = sigmoid(x Wx_o + b_o + h Wh_o)
  c' = f * c + i * tanh(x Wx_g + b_g + h Wh_g)
  h' = o * tanh(c')

3.residual.layer
  h' = tanh(x Wx_n + b_n + h Wh_n) * (x Wx_a + b_a + h Wh_a + x Wx_b + b_b + h Wh_b)

no equations: 0.embedding, 2.dropout, 4.dropout, 5.affine

x W is a product with a matrix, * is unit by unit; Wx_i and b_i are the columns of the gate i
in Wx and b, h is a state before the step and h' the one after it
"""

LATEX = r"""
% 3.residual.layer
\begin{aligned}
  h' &= \tanh(x W^x_n + b_n + h W^h_n) \odot (x W^x_a + b_a + h W^h_a + x W^x_b + b_b + h W^h_b)
\end{aligned}

% no equations: 0.embedding, 2.dropout, 4.dropout, 5.affine
"""


def test_the_equations_of_each_layer(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_equations(monkeypatch)
    assert done("show", tiny_run, "--equations").out == TEXT
    assert done("show", tiny_run, "--equations", "--latex").out.endswith(LATEX)


def test_the_equations_as_json_have_both_forms(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_equations(monkeypatch)
    found = json.loads(done("show", tiny_run, "--equations", "--json").out)["equations"]
    assert [name for name in found if not found[name]] == [
        "0.embedding",
        "2.dropout",
        "4.dropout",
        "5.affine",
    ]
    assert found["1.lstm"]["text"][-1] == "h' = o * tanh(c')"
    assert found["1.lstm"]["latex"][-1] == r"h' = o \odot \tanh(c')"


def test_layers_with_equal_equations_are_named_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain_spec(epochs=1)
    cell = {"type": "lstm", "units": 3}
    spec["model"]["layers"] = [{"type": "one_hot"}, cell, cell, {"type": "affine"}]
    run = trained(tmp_path, spec, "--max-steps", 1)
    by_equations(monkeypatch)
    lines = done("show", run, "--equations").out.splitlines()
    assert lines[0] == "1.lstm, 2.lstm"
    assert lines[7] == "no equations: 0.one_hot, 3.affine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--latex"], "--latex is a form of the equations: give --equations --latex"),
        (["--spec", "--equations"], "--spec and --equations each print one thing alone: give one"),
    ],
)
def test_options_that_do_not_go_together(tiny_run: Path, options: list[str], said: str) -> None:
    ran = command("show", tiny_run, *options)
    assert ran.code == 2 and said in ran.err


def test_equations_are_those_of_one_model(tiny_run: Path) -> None:
    ran = command("show", tiny_run, tiny_run, "--equations")
    assert ran.code == 2
    assert "--equations prints those of one model: give one CHECKPOINT" in ran.err
