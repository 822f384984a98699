"""rnnkit show --equations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import command, done, plain_spec, trained

TEXT = """\
1.lstm
  i = sigmoid(x Wx_i + b_i + h Wh_i)
  f = sigmoid(x Wx_f + b_f + h Wh_f)
  o = sigmoid(x Wx_o + b_o + h Wh_o)
  c' = f * c + i * tanh(x Wx_g + b_g + h Wh_g)
  h' = o * tanh(c')

3.residual.layer
  reset = sigmoid(x Wx_r + b_r + h Wh_r)
  z = sigmoid(x Wx_z + b_z + h Wh_z)
  n = tanh(x Wx_n + b_n + reset * (h Wh_n + bn))
  h' = (1 - z) * n + z * h

no equations: 0.embedding, 2.dropout, 4.dropout, 5.affine

x W is a product with a matrix, * is unit by unit; Wx_i and b_i are the columns of the gate i
in Wx and b, h is a state before the step and h' the one after it
"""

LATEX = r"""
% 3.residual.layer
\begin{aligned}
  \mathrm{reset} &= \sigma(x W^x_r + b_r + h W^h_r) \\
  z &= \sigma(x W^x_z + b_z + h W^h_z) \\
  n &= \tanh(x W^x_n + b_n + \mathrm{reset} \odot (h W^h_n + \mathrm{bn})) \\
  h' &= (1 - z) \odot n + z \odot h
\end{aligned}

% no equations: 0.embedding, 2.dropout, 4.dropout, 5.affine
"""


def test_the_equations_of_each_layer(tiny_run: Path) -> None:
    assert done("show", tiny_run, "--equations").out == TEXT
    assert done("show", tiny_run, "--equations", "--latex").out.endswith(LATEX)


def test_the_equations_as_json_have_both_forms(tiny_run: Path) -> None:
    found = json.loads(done("show", tiny_run, "--equations", "--json").out)["equations"]
    assert [name for name in found if not found[name]] == [
        "0.embedding",
        "2.dropout",
        "4.dropout",
        "5.affine",
    ]
    assert found["1.lstm"]["text"][-1] == "h' = o * tanh(c')"
    assert found["1.lstm"]["latex"][-1] == r"h' = o \odot \tanh(c')"


def test_layers_with_equal_equations_are_named_together(tmp_path: Path) -> None:
    spec = plain_spec(epochs=1)
    cell = {"type": "lstm", "units": 3}
    spec["model"]["layers"] = [{"type": "one_hot"}, cell, cell, {"type": "affine"}]
    run = trained(tmp_path, spec, "--max-steps", 1)
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
