"""State_dicts of PyTorch give what PyTorch gives, and are told of where they do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, told
from importing import SEQUENCE_TOKENS, WORDS, ids, language_spec, layers, sequence_spec, valid_ids

import rnnkit
from rnnkit.exchange.incoming.torch_names import torch_model

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

from exchange.incoming.torch_language_model import LanguageModel, perplexity  # noqa: E402

SCRIPT = Path(__file__).with_name("torch_language_model.py")


def state_dict(folder: Path, kind: str = "lstm", **settings: bool | int) -> dict[str, torch.Tensor]:
    return dict(LanguageModel(kind, WORDS, **settings).state_dict())


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_every_cell_gives_what_pytorch_gives(kind: str, count: int, tmp_path: Path) -> None:
    theirs = LanguageModel(kind, WORDS, count)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    spec = language_spec(tmp_path, layers(kind, count))
    model = rnnkit.import_weights(tmp_path / "weights.pt", spec)
    xs = ids(model)
    with torch.no_grad():
        expected = theirs(torch.tensor(xs)).numpy()
    assert np.abs(model.forward(xs)[0] - expected).max() < 1e-5


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_both_directions(kind: str, count: int, tmp_path: Path) -> None:
    theirs = LanguageModel(kind, SEQUENCE_TOKENS, count, both=True)
    safetensors.save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    spec = sequence_spec(tmp_path, layers(kind, count, both=True))
    model = rnnkit.import_weights(tmp_path / "weights.safetensors", spec)
    xs = ids(model)
    with torch.no_grad():
        expected = theirs(torch.tensor(xs)).numpy()
    assert np.abs(model.forward(xs)[0] - expected).max() < 1e-5


@pytest.mark.parametrize("tied", [False, True])
def test_the_example_of_pytorch_from_the_shell(tied: bool, tmp_path: Path) -> None:
    weights, model = tmp_path / "weights.pt", tmp_path / "model.h5"
    asked = [sys.executable, SCRIPT, weights, "lstm", str(WORDS), "2", *["tied"] * tied]
    subprocess.run(asked, check=True)
    stack = layers("lstm", 2)
    if tied:
        stack[0] |= {"name": "tokens", "units": 7}
        stack[-1]["tie"] = "tokens"
    spec = language_spec(tmp_path, stack)
    ran = done("import", weights, "--spec", spec, "--out", model)
    first = "tokens" if tied else "0.embedding"
    assert ran.out.startswith("ours ") and f"{first}/W " in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("2.lstm/b"))
    assert row.endswith("  summed, gates i f g o to i f o g")
    assert f"wrote {model}: " in ran.out
    found = json.loads(
        done("eval", model, "--split", "valid", "--data-root", tmp_path, "--json").out
    )
    theirs = LanguageModel("lstm", WORDS, 2, tied)
    wanted = perplexity(theirs, valid_ids(spec))
    assert found["metrics"]["perplexity"] == pytest.approx(wanted, rel=1e-5)
    assert len(done("sample", model, "--length", 20).out) >= 20
    started = done("run", spec, "--out", tmp_path / "run", "-s", f"train.start.from={model}")
    assert rnnkit.load(tmp_path / "run").network.names == theirs_names(first)
    assert f"{first} <- {first}" in started.err


def theirs_names(first: str) -> tuple[str, ...]:
    return (first, "1.lstm", "2.lstm", "3.affine")


def test_what_safetensors_leaves_out_as_shared_is_there(tmp_path: Path) -> None:
    theirs = LanguageModel("lstm", WORDS, tied=True)
    safetensors.save_model(theirs, str(tmp_path / "weights.safetensors"))
    spec = language_spec(tmp_path, layers("lstm"))  # not tied here: each takes its own copy
    model = rnnkit.import_weights(
        tmp_path / "weights.safetensors",
        rnnkit.load_spec(spec, "model.layers[0].units=7"),
        tmp_path,
    )
    table, product = (model.store.values[name]["W"] for name in ("0.embedding", "2.affine"))
    assert np.array_equal(table, product.T) and np.array_equal(
        table, theirs.encoder.weight.detach()
    )


def refused(folder: Path, weights: dict[str, torch.Tensor], *asked: object) -> list[str]:
    """Import what does not fit; return what is told, and make sure that nothing was written."""
    torch.save(weights, folder / "weights.pt")
    spec = language_spec(folder, layers("lstm", 2))
    before = sorted(folder.iterdir())
    ran = command("import", folder / "weights.pt", "--spec", spec, "--out", folder / "m.h5", *asked)
    assert ran.code == 6 and ran.out == "" and sorted(folder.iterdir()) == before
    start = f"{folder / 'weights.pt'} [IMPORT_MISFIT] "
    return [line.removeprefix(start) for line in ran.err.splitlines() if line.startswith(start)]


def test_what_is_missing_left_over_and_misshapen_is_told_at_once(tmp_path: Path) -> None:
    weights = state_dict(tmp_path, layers=2)
    del weights["rnn.bias_hh_l1"]
    weights["head.weight"] = torch.zeros(2, 7)
    weights["steps"] = torch.tensor(3)
    weights["encoder.weight"] = torch.zeros(WORDS, 4)
    assert refused(tmp_path, weights) == [
        "rnn.bias_hh_l1 is missing beside rnn.weight_ih_l1",
        "0.embedding <- encoder: W needs 6x5, encoder.weight gives 6x4",
        "2.lstm needs a layer of type lstm with Wx 7x28, Wh 7x28, b 28, and the file has none for "
        "it; left over there: head (affine or embedding)",
        "left over in the file: head.weight 2x7, steps scalar (the spec has no layer for it)",
    ]


def test_other_sizes_are_told_layer_by_layer(tmp_path: Path) -> None:
    weights = state_dict(tmp_path, layers=2)
    weights["rnn.weight_ih_l0"] = torch.zeros(28, 6)
    weights["decoder.weight"] = torch.zeros(WORDS, 8)
    assert refused(tmp_path, weights) == [
        "1.lstm <- rnn.l0: Wx needs 5x28, rnn.weight_ih_l0 gives 6x28",
        "3.affine <- decoder: W needs 7x6, decoder.weight gives 8x6",
    ]
    weights["rnn.weight_hh_l1"] = torch.zeros(28, 8)
    assert refused(tmp_path, weights)[0] == (
        "rnn.weight_ih_l1 28x7, rnn.weight_hh_l1 28x8, rnn.bias_ih_l1 28, rnn.bias_hh_l1 28 do not "
        "fit together as those of one cell"
    )


def test_another_cell_is_told(tmp_path: Path) -> None:
    found = refused(tmp_path, state_dict(tmp_path, "gru", layers=2))
    assert found[0] == (
        "1.lstm needs a layer of type lstm with Wx 5x28, Wh 7x28, b 28, and the file has none for "
        "it; left over there: rnn.l0 (gru), rnn.l1 (gru)"
    )


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    weights = state_dict(tmp_path, layers=2)
    weights["decoder.bias"] = torch.full((WORDS,), float("nan"))
    weights["encoder.weight"] = torch.ones((WORDS, 5), dtype=torch.int8)
    assert refused(tmp_path, weights) == [
        "encoder.weight holds int8 and no floats",
        "decoder.bias holds NaN or infinity",
    ]


def test_a_pickled_module_is_refused_and_never_opened(tmp_path: Path) -> None:
    torch.save(LanguageModel("lstm", WORDS), tmp_path / "model.pt")
    spec = language_spec(tmp_path, layers("lstm"))
    ran = command("import", tmp_path / "model.pt", "--spec", spec, "--out", tmp_path / "m.h5")
    told(
        ran,
        6,
        "[IMPORT_MISFIT] it holds a pickled module or other objects, which only the program that "
        "wrote them may open: save the state_dict there, with torch.save(model.state_dict(), "
        '"weights.pt"), and import that',
    )
    assert not (tmp_path / "m.h5").exists()


def test_a_checkpoint_of_a_trainer_holds_its_state_dict(tmp_path: Path) -> None:
    theirs = LanguageModel("gru", WORDS)
    torch.save({"epoch": 3, "model_state_dict": theirs.state_dict()}, tmp_path / "last.pth")
    spec = language_spec(tmp_path, layers("gru"))
    model = rnnkit.import_weights(tmp_path / "last.pth", spec)
    assert np.array_equal(model.store.values["0.embedding"]["W"], theirs.encoder.weight.detach())


def test_layers_that_could_be_either_are_asked_for(tmp_path: Path) -> None:
    draws = iter(range(99))
    weights = {
        f"{name}.{key}": torch.full(shape, float(next(draws)))
        for name in ("upper", "lower")
        for key, shape in (
            ("weight_ih_l0", (28, 7)),
            ("weight_hh_l0", (28, 7)),
            ("bias_ih_l0", (28,)),
            ("bias_hh_l0", (28,)),
        )
    }
    weights |= {"encoder.weight": torch.zeros(WORDS, 7), "decoder.weight": torch.zeros(WORDS, 7)}
    weights["decoder.bias"] = torch.zeros(WORDS)
    asked = ("-s", "model.layers[0].units=7")
    assert refused(tmp_path, weights, *asked) == [
        "1.lstm and 2.lstm may be lower.l0 or upper.l0: their types and shapes are the same "
        "(say which: --map 1.lstm=lower.l0)"
    ]
    wrong = refused(tmp_path, weights, *asked, "--map", "1.lsm=lower.l0", "--map", "2.lstm=uper.l0")
    assert wrong == [
        "--map 1.lsm=lower.l0: the model has no layer with parameters '1.lsm', but 0.embedding, "
        '1.lstm, 2.lstm, 3.affine (did you mean "1.lstm"?)',
        "--map 2.lstm=uper.l0: the file has no layer 'uper.l0', but decoder, encoder, lower.l0, "
        'upper.l0 (did you mean "upper.l0"?)',
        *wrong[2:],
    ]
    spec, out = tmp_path / "spec.json", tmp_path / "m.h5"
    one = ("import", tmp_path / "weights.pt", "--spec", spec, "--out", out, *asked)
    done(*one, "--map", "1.lstm=lower.l0")  # the other is then no question
    assert rnnkit.load(out).store.values["1.lstm"]["Wx"][0, 0] == 4
    told(command(*one), 8, "[CKPT_EXISTS] is there already (give another name, or force to")
    done(*one, "--map", "1.lstm=upper.l0", "--force")
    assert rnnkit.load(out).store.values["1.lstm"]["Wx"][0, 0] == 0


def test_a_tie_that_the_file_does_not_keep(tmp_path: Path) -> None:
    weights = state_dict(tmp_path, tied=True)
    weights["decoder.weight"] = weights["decoder.weight"] + 1
    torch.save(weights, tmp_path / "weights.pt")
    stack = layers("lstm")
    stack[0] |= {"name": "tokens", "units": 7}
    stack[-1]["tie"] = "tokens"
    spec = language_spec(tmp_path, stack)
    ran = command("import", tmp_path / "weights.pt", "--spec", spec, "--out", tmp_path / "m.h5")
    told(
        ran,
        6,
        "2.affine shares W with tokens/W, but decoder.weight and encoder.weight of the file differ "
        '(leave its "tie" out)',
    )


def test_each_module_may_leave_its_biases_out() -> None:
    weights = {"ih": np.zeros((28, 5)), "hh": np.zeros((28, 7))}
    arrays = {f"{m}.weight_{key}_l0": w for m in ("a", "b") for key, w in weights.items()}
    arrays |= {f"a.bias_{key}_l0": np.zeros(28) for key in weights}
    found = torch_model("", arrays)
    assert not found.wrong and not found.left
    biases = {each.name: each.forms["lstm"]["b"].theirs for each in found.layers}
    assert biases == {"a.l0": ("a.bias_ih_l0", "a.bias_hh_l0"), "b.l0": ()}
