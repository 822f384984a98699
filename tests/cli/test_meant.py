"""What people type who come from another program: the sentence that says what rnnkit calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from helpers import command, done, plain_spec
from helpers import write_spec as write

import rnnkit
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.testing import check_layer


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("sampel", "sample"), ("train", "run"), ("evaluate", "eval"), ("generate", "sample")),
        *(("inference", "predict"), ("version", "--version"), ("help", "--help")),
    ],
)
def test_an_unknown_command_names_the_one_that_was_meant(typed: str, meant: str) -> None:
    ran = command(typed, "model.json")
    assert ran.code == 2
    assert f"there is no command '{typed}' (did you mean '{meant}'? there are run, " in ran.err


def test_a_file_for_a_command_gets_no_guess() -> None:
    assert "there is no command 'model.json' (there are run, " in command("model.json").err


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("--epochs", "train.epochs"),
        ("--batch-size", "train.streams"),
        ("--lr", "train.optimizer.lr"),
        ("--seq-len", "train.window"),
        ("--seed", "train.seed"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "resume", "check"])
def test_a_key_of_the_spec_is_no_option(verb: str, option: str, key: str) -> None:
    ran = command(verb, "model.json", option, 3)
    assert ran.code == 2
    assert f"there is no option {option} (give -s {key}=VALUE)" in ran.err
    assert key not in command("score", "model.h5", option, 3).err


@pytest.mark.parametrize(
    ("verb", "option", "said"),
    [
        ("run", "--device", "rnnkit computes on the processor alone: leave it out"),
        ("sample", "--gpu", "rnnkit computes on the processor alone: leave it out"),
        ("run", "--num-workers", "how many threads compute is the option --threads: leave it out"),
    ],
)
def test_an_option_that_nothing_answers_to(verb: str, option: str, said: str) -> None:
    ran = command(verb, "model.json", option, "1")
    assert ran.code == 2 and f"there is no option {option} ({said})" in ran.err
    assert "--threads" not in command("show", "model.h5", "--num-workers", "1").err


def test_an_option_may_have_been_cut_short() -> None:
    ran = command("sample", "model.h5", "--temp", 0.3)
    assert ran.code == 2 and "no option --temp (did you mean --temperature?)" in ran.err
    ran = command("sample", "model.h5", "--state", "x")
    assert "no option --state (did you mean --state-in or --state-out?)" in ran.err


def test_a_run_is_no_spec(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    done("run", write(tmp_path, plain_spec()), "--out", run, "--max-steps", 1)
    ran = command("check", run)
    assert ran.code == 3
    assert f"{run} [SPEC_NOT_REGULAR] is a run, no spec (rnnkit resume '{run}' conti" in ran.err


def test_a_table_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("name,value\n1,2\n")
    ran = command("check", tmp_path / "v.csv")
    said = "v.csv:1:1 [SPEC_NOT_OBJECT] a spec is one JSON object: it starts with { and ends with }"
    assert ran.code == 3 and said in ran.err


def test_a_softmax_is_in_the_loss(tmp_path: Path) -> None:
    value = plain_spec()
    value["model"]["layers"].append({"type": "softmax"})
    ran = command("check", write(tmp_path, value))
    said = "the layer 'softmax'; the loss 'softmax_cross_entropy' has it in it, leave the layer out"
    assert said in ran.err


def test_an_address_is_no_path() -> None:
    ran = command("check", "https://host/model.json")
    assert ran.code == 2
    assert "expected a path, received the address https://host/model.json (download it, " in ran.err


def test_a_file_or_a_run_beside_it_was_meant(tmp_path: Path) -> None:
    write(tmp_path, plain_spec())
    near = f"did you mean {tmp_path}/spec.json?"
    assert near in command("check", tmp_path / "spce.json").err
    assert near in command("explain", tmp_path / "spec.jsn").err
    (tmp_path / "runs").mkdir()
    for verb in ("resume", "plot"):
        ran = command(verb, tmp_path / "rnus")
        assert ran.code == 8
        said = f"[RUN_NOT_FOUND] holds no run (start one with rnnkit run); did you mean {tmp_path}"
        assert f"{said}/runs?" in ran.err


def test_a_spec_comes_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, plain_spec())
    monkeypatch.chdir(tmp_path)
    for line in (["check", "--data"], ["explain"], ["run", "--out", "r", "--max-steps", 1]):
        stdin = type("Stdin", (), {"buffer": io.BytesIO(path.read_bytes())})
        monkeypatch.setattr("sys.stdin", stdin)
        done(*line, "-")
    assert json.loads((tmp_path / "r" / "spec.original.json").read_bytes())["train"]


def test_python_says_what_it_expected(tmp_path: Path) -> None:
    of_kind = r"spec: expected a Spec, a dictionary or the path of a file, received a int"
    with pytest.raises(TypeError, match=f"^{of_kind} "):
        rnnkit.train(3, tmp_path / "run")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=f"^{of_kind} "):
        rnnkit.build(3)  # type: ignore[arg-type]
    with pytest.raises(rnnkit.SpecError, match="SPEC_NOT_FOUND"):
        rnnkit.build("model.json")
    with pytest.raises(TypeError, match="^load_spec: expected the path of a spec, received a"):
        rnnkit.load_spec({"data": {}})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^load: expected the path of a checkpoint or a run, rec"):
        rnnkit.load(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^check_layer: expected a layer, received the class LSTM"):
        check_layer(LSTM)  # type: ignore[arg-type]
