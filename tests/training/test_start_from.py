"""Runs that start from another model: what is taken, what is said, what is refused, and resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    JSONObject,
    command,
    done,
    lines,
    newest,
    pair_spec,
    plain_spec,
    results,
    small_spec,
    text,
    told,
    trained,
    write_spec,
)
from stubs import cell, install

from rnnkit import api
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.errors import CheckpointError
from rnnkit.inference.model import load
from rnnkit.types import Array

OTHER = "edcxy\n"
"""The letters of the new text: three known ones in another order, and two new ones."""


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained language model, whose run has checkpoints and a best one."""
    return trained(tmp_path_factory.mktemp("donor"), small_spec())


def fine(donor: Path, start: JSONObject | None = None, **train: Any) -> JSONObject:
    spec = small_spec(start={"from": str(donor), "vocabulary": "extend", **(start or {})}, **train)
    spec["name"] = "fine"
    return spec


def tuned(folder: Path, spec: JSONObject, *options: object) -> Path:
    return trained(folder, spec, *options, content=text(85, alphabet=OTHER))


def begun(run: Path) -> dict[str, Array]:
    """Return the parameters of the checkpoint that a run began with."""
    return {
        name.removeprefix("params/"): array
        for name, array in load_snapshot(run / "checkpoints/step-000000000000.h5").arrays.items()
        if name.startswith("params/")
    }


def test_rows_and_columns_follow_their_tokens(tmp_path: Path, donor: Path) -> None:
    run = tuned(tmp_path, fine(donor), "--max-steps", 1)
    theirs, ours = load(donor), load(run)
    assert theirs.vocabulary and ours.vocabulary
    assert theirs.vocabulary.tokens == tuple("\nabcde")
    assert ours.vocabulary.tokens == (*"\nabcde", "x", "y")
    given, found = theirs.store.stored(), begun(run)
    drawn = api.build(api.load_spec(tmp_path / "spec.json", "train.start=null"), tmp_path)
    for name, array in found.items():
        own = drawn.store.stored()[name] if name.split("/")[0] != "5.affine" else None
        if name == "0.embedding/W":
            np.testing.assert_array_equal(array[:6], given[name])
            assert array.shape == (8, 5) and np.abs(array[6:]).min() > 0
        elif name.startswith("5.affine"):
            np.testing.assert_array_equal(array[..., :6], given[name])
            assert array.shape[-1] == 8
        else:
            np.testing.assert_array_equal(array, given[name])
            assert own is not None and (name.endswith("/b") or not np.array_equal(array, own))
    logits = theirs.forward(np.array([[3, 1, 5]]).T)[0]
    np.testing.assert_array_equal(
        replaced(ours, found).forward(np.array([[3, 1, 5]]).T)[0][..., :6], logits
    )


def replaced(model: Any, arrays: dict[str, Array]) -> Any:
    """Return a model with other parameters."""
    for name, array in model.store.stored().items():
        array[...] = arrays[name]
    return model


def test_what_is_taken_is_said_stored_and_shown(tmp_path: Path, donor: Path) -> None:
    spec = fine(donor)
    spec["model"]["layers"][3] = {"type": "gru", "units": 7}
    path = write_spec(tmp_path, spec, text(85, alphabet=OTHER))
    ran = done("run", path, "--out", tmp_path / "run")
    digest = hashlib.sha256((donor / "best.h5").read_bytes()).hexdigest()
    best = newest(donor).meta.progress.best
    assert best
    said = [
        f"starts from {donor}: small, step {best.step}, SHA-256 {digest}",
        "  0.embedding <- 0.embedding, 2 rows new",
        "  1.lstm <- 1.lstm",
        "  3.gru is drawn",
        "  5.affine is drawn",
        "  3.residual of theirs is left out",
        "  5.affine of theirs is left out",
    ]
    assert "\n".join(said) in ran.err
    facts = newest(tmp_path / "run").meta.begun
    assert facts and facts.other
    assert facts.other.sha256 == digest and facts.other.fresh == ("3.gru", "5.affine")
    assert "\n".join(said) in done("show", tmp_path / "run").out
    shown = json.loads(done("show", tmp_path / "run", "--json").out)
    assert shown["begun"]["other"]["taken"][0] == {
        "ours": "0.embedding",
        "theirs": "0.embedding",
        "new": 2,
    }
    for line in ("explain", "check"):
        ran = done(line, path, *(["--data"] if line == "check" else []))
        assert "\n".join(said) in ran.out + ran.err


@pytest.mark.parametrize(
    "train",
    [
        {},
        {"shards": 3, "sync": {"every": 2}},
        {"recompute": True},
        {"feed": {"type": "sample", "probability": 0.5}},
        {"bptt": {"style": "true", "steps": 3}},
    ],
    ids=str,
)
def test_stopped_and_resumed_without_the_other_file_is_the_same(
    tmp_path: Path, donor: Path, train: JSONObject
) -> None:
    other = tmp_path / "other"
    shutil.copytree(donor, other)
    start = {"freeze": ["0.embedding", "1.lstm"], "rates": {"5.affine": 0.5}}
    spec = fine(other, start, **train)
    whole = tuned(tmp_path / "whole", spec)
    early = tuned(tmp_path / "early", spec, "--max-steps", 0)
    late = tuned(tmp_path / "late", spec, "--max-steps", 8)
    shutil.rmtree(other)
    first = begun(early)
    for run in (early, late):
        done("resume", run)
        assert results(run) == results(whole)
    frozen = load(donor).store.stored()
    arrays = newest(whole).arrays
    assert np.array_equal(arrays["params/1.lstm/Wx"], frozen["1.lstm/Wx"])
    assert np.array_equal(arrays["params/0.embedding/W"][:6], frozen["0.embedding/W"])
    assert np.array_equal(first["0.embedding/W"], arrays["params/0.embedding/W"])
    assert not np.array_equal(arrays["params/3.residual/layer.Wx"], frozen["3.residual/layer.Wx"])


def test_frozen_new_rows_are_told(tmp_path: Path, donor: Path) -> None:
    spec = fine(donor, {"freeze": ["0.embedding", "5.affine"], "layers": {"5.affine": None}})
    path = write_spec(tmp_path, spec, text(85, alphabet=OTHER))
    ran = done("run", path, "--out", tmp_path / "run", "--max-steps", 0)
    assert "0.embedding is frozen, so its 2 new rows stay as they are drawn" in ran.err
    assert "5.affine is frozen as it is drawn" in ran.err


def test_without_a_checkpoint_it_does_not_begin_anew(tmp_path: Path, donor: Path) -> None:
    run = tuned(tmp_path, fine(donor), "--max-steps", 0)
    (run / "checkpoints/step-000000000000.h5").unlink()
    said = "[RUN_NO_CHECKPOINT] was saved, but holds no step file any more: there is nothing to go"
    told(command("resume", run), 8, said, "(bring it back; or start the run anew: rnnkit run with")


def test_a_start_that_was_killed_before_its_spec_may_be_repeated(
    tmp_path: Path, donor: Path
) -> None:
    run = tuned(tmp_path, fine(donor), "--max-steps", 0)
    for path in run.iterdir():
        if path.name not in ("checkpoints", "run.json", "spec.original.json", "run.lock"):
            path.unlink()
    again = tuned(tmp_path, fine(donor))
    assert len(lines(again)) > 0


def test_their_vocabulary_knows_every_token_or_says_which_not(tmp_path: Path, donor: Path) -> None:
    spec = fine(donor, {"vocabulary": "theirs"})
    path = write_spec(tmp_path, spec, text(85, alphabet=OTHER))
    ran = command("run", path, "--out", tmp_path / "run")
    said = f'; the vocabulary is that of {donor}, and "vocabulary": "extend" adds to it'
    told(ran, 5, '[DATA_UNKNOWN_TOKEN] the character "', "is not in the vocabulary", said)
    assert not (tmp_path / "run").exists()
    path = write_spec(tmp_path, spec, text(85, alphabet="edcb\n"))
    done("run", path, "--out", tmp_path / "run", "--max-steps", 1)
    vocabulary = newest(tmp_path / "run").vocabulary
    assert vocabulary and vocabulary.tokens == tuple("\nabcde")


def test_an_unknown_token_of_theirs_takes_what_they_do_not_know(tmp_path: Path) -> None:
    spec = plain_spec()
    spec["data"]["tokenizer"]["unknown"] = "<unk>"
    other = trained(tmp_path / "other", spec)
    spec["train"]["start"] = {"from": str(other)}
    run = tuned(tmp_path, spec, "--max-steps", 1)
    vocabulary = newest(run).vocabulary
    assert vocabulary and vocabulary.tokens == (*"\nabcde", "<unk>") and vocabulary.unknown == 6


def test_a_tied_table_follows_its_tokens_too(tmp_path: Path) -> None:
    spec = plain_spec()
    spec["model"]["layers"] = [
        {"type": "embedding", "units": 5, "name": "table"},
        {"type": "rnn", "units": 5},
        {"type": "affine", "tie": "table"},
    ]
    other = trained(tmp_path / "other", spec)
    spec["train"]["start"] = {"from": str(other), "vocabulary": "extend"}
    run, given = tuned(tmp_path, spec, "--max-steps", 0), load(other).store.stored()
    found = begun(run)
    np.testing.assert_array_equal(found["table/W"][:6], given["table/W"])
    np.testing.assert_array_equal(found["2.affine/b"], [*given["2.affine/b"], 0, 0])


def test_rows_of_one_hot_tokens_follow_them(tmp_path: Path) -> None:
    spec = plain_spec()
    spec["model"]["layers"][0] = {"type": "one_hot"}
    other = trained(tmp_path / "other", spec)
    spec["train"]["start"] = {"from": str(other), "vocabulary": "extend"}
    run, given = tuned(tmp_path, spec, "--max-steps", 0), load(other).store.stored()
    found = begun(run)
    np.testing.assert_array_equal(found["1.rnn/Wx"][:6], given["1.rnn/Wx"])
    assert found["1.rnn/Wx"].shape == (8, 5)


def test_an_encoder_takes_from_a_language_model(tmp_path: Path) -> None:
    layers = [{"type": "embedding", "units": 4}, {"type": "gru", "units": 5}, {"type": "affine"}]
    spec = plain_spec()
    spec["model"]["layers"] = layers
    content = text(85, alphabet="0123456789+ \n")
    other = trained(tmp_path / "other", spec, content=content)
    start = {
        "from": str(other),
        "vocabulary": "extend",
        "layers": {
            "encoder.0.embedding": "0.embedding",
            "encoder.1.gru": "1.gru",
            "decoder.0.embedding": "0.embedding",
        },
        "freeze": ["encoder.1.gru"],
    }
    pair = pair_spec(start=start, epochs=1)
    pair["data"]["count"] = 60
    run = trained(tmp_path, pair, "--max-steps", 2)
    given, found = load(other).store.stored(), begun(run)
    tokens = load(run).vocabulary
    theirs = load(other).vocabulary
    assert tokens and theirs
    for side in ("encoder", "decoder"):
        for row, token in zip(found[f"{side}.0.embedding/W"], tokens.tokens, strict=True):
            if token in theirs.tokens:
                wanted = given["0.embedding/W"][theirs.tokens.index(token)]
                np.testing.assert_array_equal(row, wanted)
    after = newest(run).arrays
    np.testing.assert_array_equal(after["params/encoder.1.gru/Wh"], given["1.gru/Wh"])
    assert "optimizer/mean/encoder.1.gru/Wh" not in after


def rows(labels: str, count: int = 60) -> str:
    random = np.random.default_rng(3)
    found = []
    for _ in range(count):
        label = labels[random.integers(len(labels))]
        found.append({"text": "".join(random.choice(list("abcde"), 6)), "label": label})
    return "\n".join(map(json.dumps, found))


def classifier(**train: Any) -> JSONObject:
    spec = plain_spec(**train)
    reads = {"kind": "text", "key": "text", "tokenizer": {"type": "char"}}
    targets = {"kind": "class", "key": "label"}
    spec["data"] = {"type": "sequences", "path": "text.txt", "inputs": reads, "targets": targets}
    spec["model"]["layers"] = [
        {"type": "embedding", "units": 5},
        {"type": "lstm", "units": 6},
        {"type": "affine"},
    ]
    return spec


def test_a_classifier_on_the_frozen_body_of_a_language_model(tmp_path: Path, donor: Path) -> None:
    start = {"from": str(donor / "best.h5"), "freeze": ["0.embedding", "1.lstm"]}
    run = trained(tmp_path, classifier(start=start), content=rows("uvw"))
    given, found = load(donor).store.stored(), newest(run).arrays
    for name in ("0.embedding/W", "1.lstm/Wx", "1.lstm/Wh", "1.lstm/b"):
        np.testing.assert_array_equal(found[f"params/{name}"], given[name])
    drawn = api.build(api.load_spec(tmp_path / "spec.json"), tmp_path).store.stored()
    assert not np.array_equal(found["params/2.affine/W"], drawn["2.affine/W"])
    assert not any("lstm" in name for name in found if name.startswith("optimizer"))


def test_columns_follow_their_labels(tmp_path: Path) -> None:
    other = trained(tmp_path / "other", classifier(), content=rows("uvw"))
    spec = classifier(start={"from": str(other)})
    run = trained(tmp_path, spec, "--max-steps", 0, content=rows("wtu"))
    given, found = load(other).store.stored(), begun(run)
    for ours, theirs in ((1, 0), (2, 2)):  # t, u, w of u, v, w
        np.testing.assert_array_equal(found["2.affine/W"][:, ours], given["2.affine/W"][:, theirs])
    assert not np.isin(found["2.affine/W"][:, 0], given["2.affine/W"]).any()


def test_every_layer_that_is_asked_for_and_does_not_fit_is_named(
    tmp_path: Path, donor: Path
) -> None:
    asked = {"1.lstm": "3.residual", "3.residual": "3.gru", "0.embedding": "1.lstm"}
    spec = fine(donor, {"layers": asked})
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    told(
        ran,
        6,
        f"{donor}/best.h5 [START_LAYERS] layer 0.embedding cannot take 1.lstm of it: it has no W",
        "layer 1.lstm cannot take 3.residual of it: it has no Wx of its own; it has no Wh",
        "layer 3.residual cannot take 3.gru of it: it has no such layer, but 0.embedding, 1.lstm, ",
    )
    asked = {"5.affine": "5.affine"}
    spec = fine(donor, {"layers": asked})
    spec["model"]["layers"][3] = {"type": "lstm", "units": 4}
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 6, "layer 5.affine cannot take 5.affine of it: W needs 4x6, not 6x6")
    assert not (tmp_path / "run").exists()


def test_a_model_of_which_nothing_fits_is_refused(tmp_path: Path, donor: Path) -> None:
    spec = plain_spec(start={"from": str(donor), "vocabulary": "extend"})
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    told(
        ran,
        6,
        "[START_LAYERS] no layer of it fits one of the model by name, type and shape (0.embedding: "
        "W needs 6x4, not 6x5); say in",
    )
    assert not (tmp_path / "run").exists()


def test_layers_of_one_shape_and_two_types_are_not_taken_for_each_other(tmp_path: Path) -> None:
    spec = plain_spec()
    spec["model"]["layers"][1] = {"type": "gru", "units": 5, "name": "body"}
    other = trained(tmp_path / "other", spec)
    spec["model"]["layers"][1]["type"] = "gru_reset_before"
    spec["train"]["start"] = {"from": str(other)}
    path = write_spec(tmp_path, spec)
    ran = done("run", path, "--out", tmp_path / "run", "--max-steps", 0)
    assert "  body is drawn" in ran.err and "body of theirs is left out" in ran.err


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path, donor: Path) -> None:
    spec = fine(donor)
    spec["data"]["tokenizer"] = {"type": "word"}
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    said = 'its tokens are those of the tokenizer "char", but those of the data are of "word"'
    told(ran, 6, f"{donor}/best.h5 [START_TOKENIZER] {said}")
    assert not (tmp_path / "run").exists()


def test_a_model_with_a_type_of_another_package_is_accepted(
    tmp_path: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, cell())
    value = plain_spec(epochs=1)
    value["model"]["layers"][1] = {"type": "stub", "units": 5}
    donor = trained(tmp_path / "donor", value)
    value["train"]["start"] = {"from": str(donor)}
    path = write_spec(tmp_path, value)
    said = "layer 'stub', saved by rnnkit-odd 1.0, may compute something else: it "
    assert said not in done("check", path, "--data").err
    (site / "rnnkit_odd.py").write_text(cell(forward="h = 0.5 * h"))
    assert f"{said}has another source" in done("check", path, "--data").err
    api.build(path)
    assert f"{said}has another source" in caplog.text
    (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").unlink()
    install(site, cell(), distribution="rnnkit-even")
    lines = ["check", path, "--data"], ["explain", path], ["run", path, "--out", tmp_path / "run"]
    for line in (*lines, ["show", donor, "--equations"]):
        refused = command(*line)
        assert refused.code == 6 and "or go on with --accept-plugin" in refused.err, line
        accepted = done(*line, "--accept-plugin")
        there = accepted.out + accepted.err
        assert "show" in line or f"{said}is now of rnnkit-even 1.0" in there
    with pytest.raises(CheckpointError, match="accept_plugin=True"):
        api.build(path)
    api.build(path, accept_plugin=True)


def test_a_model_that_needs_a_plugin_which_is_not_there_is_refused(
    tmp_path: Path, site: Path
) -> None:
    install(site, cell())
    spec = plain_spec()
    spec["model"]["layers"][1] = {"type": "stub", "units": 5}
    other = trained(tmp_path / "other", spec)
    shutil.rmtree(site)
    spec = plain_spec(start={"from": str(other)})
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_NOT_FOUND] 'stub' came from rnnkit-odd", "pip install 'rnnkit-odd==")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("start", "code", "said"),
    [
        ({"from": "none.h5"}, 6, "[CKPT_NOT_FOUND] "),
        ({"from": "text.txt"}, 6, "[CKPT_NOT_RNNKIT] "),
        ({"layers": {"1.rnn": "1.rnn"}}, 3, '"layers" needs "from", the model to start from'),
        ({"vocabulary": "extend"}, 3, '"vocabulary" needs "from", the model to start from'),
        ({"from": "x.h5", "layers": {"9.rnn": "1.rnn"}}, 3, '"9.rnn" is no layer of the model'),
        ({"from": "x.h5", "vocabulary": "ours"}, 3, 'expected "theirs" or "extend"'),
    ],
    ids=str,
)
def test_what_is_no_start(tmp_path: Path, start: JSONObject, code: int, said: str) -> None:
    path = write_spec(tmp_path, plain_spec(start=start))
    told(command("run", path, "--out", tmp_path / "run"), code, said)
    assert not (tmp_path / "run").exists()


def test_a_relative_path_starts_where_the_data_does(tmp_path: Path, donor: Path) -> None:
    shutil.copytree(donor, tmp_path / "there" / "lm")
    path = write_spec(tmp_path / "there", small_spec(start={"from": "lm"}))
    done("run", path, "--out", tmp_path / "run", "--max-steps", 0)
    facts = newest(tmp_path / "run").meta.begun
    assert facts and facts.other and facts.other.path == "lm"


def test_a_resume_refuses_another_start(tmp_path: Path, donor: Path) -> None:
    run = tuned(tmp_path, fine(donor), "--max-steps", 2)
    ran = command("resume", run, "-s", "train.start.from=other.h5", "-s", "train.seed=9")
    told(ran, 8, "[CKPT_SPEC_MISMATCH] train.seed: 3 -> 9", "train.start.from: ")
    assert '-> "other.h5" cannot change on a resume: the run began with it' in ran.err


def test_from_python(tmp_path: Path, donor: Path) -> None:
    path = write_spec(tmp_path, small_spec(start={"from": str(donor)}))
    built = api.build(api.load_spec(path), tmp_path)
    for name, array in load(donor).store.stored().items():
        np.testing.assert_array_equal(built.store.stored()[name], array)
    measured = done("gradients", path, "--json", "--data-root", tmp_path)
    assert (
        json.loads(measured.out)["layers"]
        == json.loads(done("gradients", donor, "--json").out)["layers"]
    )
