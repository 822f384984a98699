"""A model in 8 bits answers every question with the same numbers, and tells what that costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, plain_spec, process, text, told, trained

from rnnkit.compute.kernels.jit import kernels_available
from rnnkit.compute.kernels.program import INT8
from rnnkit.compute.quantize import quantized
from rnnkit.core.params import ParamStore
from rnnkit.errors import CheckpointError
from rnnkit.inference import generate as generation
from rnnkit.inference.model import Model, load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trained stack that compiled code knows."""
    return trained(tmp_path_factory.mktemp("run"), plain_spec(), content=text(300))


def test_matrices_are_those_of_8_bits_and_vectors_stay(run: Path) -> None:
    model = load(run)
    before = {name: array.copy() for name, array in model.params.items()}
    found = model.quantized()
    for name, array in found.params.items():
        exact = before[name]
        assert (model.params[name] == exact).all()
        assert (array == (quantized(exact).floats() if exact.ndim == 2 else exact)).all()
    assert any((array != before[name]).any() for name, array in found.params.items())
    again = found.quantized().params
    assert all((again[name] == array).all() for name, array in found.params.items())


def test_a_tied_matrix_stays_tied(tmp_path: Path) -> None:
    spec = plain_spec()
    spec["model"]["layers"][0] = {"type": "embedding", "units": 5, "name": "table"}
    spec["model"]["layers"][1]["units"] = 5
    spec["model"]["layers"][-1] = {"type": "affine", "tie": "table"}
    model = load(trained(tmp_path, spec, content=text(300))).quantized()
    params = model.store.values
    assert np.shares_memory(params["table"]["W"], params["2.affine"]["W"])
    assert model.sample("ab", 40, greedy=True) == same_numbers(model).sample("ab", 40, greedy=True)


def same_numbers(model: Model) -> Model:
    """Return the model that holds the same numbers in 32 bits."""
    return replace(model, int8=False)


def test_samples_and_steps_are_those_of_the_same_numbers(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(run).quantized()
    exact = same_numbers(model)
    if kernels_available():
        assert model._online
        assert model._online.bound.program[:, INT8].any()
        assert exact._online
        assert not exact._online.bound.program[:, INT8].any()
    state, other = model.start(2), exact.start(2)
    for token in ([1, 2], [0, 3], [2, 2]):
        y, state = model.step(np.array(token), state)
        expected, other = exact.step(np.array(token), other)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    sample = model.sample("ab", 80, seed=4)
    assert sample == exact.sample("ab", 80, seed=4)
    monkeypatch.setattr(generation, "kernels_available", lambda: False)
    assert sample == model.sample("ab", 80, seed=4)


def test_commands_answer_as_the_model_in_8_bits(run: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("abcde\nabc\n")
    model, eight = load(run).quantized(), ("--weights", "int8")
    sampled = done("sample", run, "--prompt", "ab", "--length", 30, *eight)
    assert sampled.out == "ab" + model.sample("ab", 30) + "\n"
    assert not sampled.err
    scored = json.loads(done("score", run, lines, "--json", *eight).out)["lines"]
    found = [record["log_probability"] for record in scored]
    assert found == pytest.approx([model.score(line)[1].sum() for line in ("abcde", "abc")])
    plain = json.loads(done("score", run, lines, "--json").out)["lines"]
    assert found != [record["log_probability"] for record in plain]
    predicted = json.loads(done("predict", run, lines, "--json", *eight).out)
    assert predicted != json.loads(done("predict", run, lines, "--json").out)


def test_without_kernels_the_numbers_are_the_same(run: Path) -> None:
    asked = ("sample", run, "--prompt", "ab", "--length", 60, "--weights", "int8")
    slow = process(asked, RNNKIT_KERNELS="numpy")
    assert slow.returncode == 0
    assert slow.stdout == done(*asked).out


def test_eval_measures_both(run: Path) -> None:
    asked = ("eval", run, "--split", "valid")
    result = json.loads(done(*asked, "--weights", "int8", "--json").out)
    model = load(run)
    assert result["weights"] == "int8"
    assert result["metrics"] == pytest.approx(model.quantized().evaluate("valid"))
    assert result["float32"] == pytest.approx(model.evaluate("valid"))
    for name, value in result["metrics"].items():
        assert result["change"][name] == value - result["float32"][name]
    assert result["change"]["loss"] != 0
    plain = json.loads(done(*asked, "--json").out)
    assert plain["metrics"] == result["float32"]
    assert not {"weights", "float32", "change"} & plain.keys()
    head, loss = done(*asked, "--weights", "int8").out.splitlines()[:2]
    assert head.split() == ["int8", "float32", "change"]
    assert loss.split()[0] == "loss"
    assert float(loss.split()[3]) == pytest.approx(result["change"]["loss"], rel=0.05)


def test_eval_judges_the_weights_that_were_asked_for(run: Path) -> None:
    asked = ("eval", run, "--split", "valid", "--weights", "int8")
    result = json.loads(done(*asked, "--json").out)
    first, second = sorted((result["metrics"]["loss"], result["float32"]["loss"]))
    between = command(*asked, "--fail-above", f"loss={(first + second) / 2}")
    assert between.code == (9 if result["metrics"]["loss"] == second else 0)


def test_other_weights_are_refused(run: Path) -> None:
    told(command("sample", run, "--weights", "int4"), 2, "'int4' is not one of 'float32', 'int8'")


def test_a_model_without_a_matrix_is_refused(run: Path) -> None:
    model = load(run)
    empty = replace(model, store=ParamStore({}, np.dtype(np.float32)))
    expected = (
        r"\[CKPT_NO_MATRIX\] no parameter is a matrix, so none can be held in 8 bits "
        r"\(leave out --weights int8, in Python quantized\(\)\)"
    )
    with pytest.raises(CheckpointError, match=expected):
        empty.quantized()
