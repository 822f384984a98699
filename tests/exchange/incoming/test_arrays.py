"""Arrays under rnnkit's names, and under any; vocabularies of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, told
from importing import language_spec, layers

import rnnkit


def drawn(folder: Path) -> tuple[Path, rnnkit.Model]:
    spec = language_spec(folder, layers("gru"))
    model = rnnkit.build(spec)
    model.store.flat[:] = np.random.default_rng(2).uniform(-0.6, 0.6, model.store.flat.shape)
    return spec, model


def test_what_is_exported_as_safetensors_comes_back_equal(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    spec, model = drawn(tmp_path)
    model.save(tmp_path / "m.h5")
    with pytest.raises(rnnkit.RefusedError, match="CKPT_EXISTS"):
        model.save(tmp_path / "m.h5")
    done("export", tmp_path / "m.h5", "--to", "safetensors", "--out", tmp_path / "out")
    again = rnnkit.import_weights(tmp_path / "out" / "model.safetensors", spec)
    assert np.array_equal(again.store.flat, model.store.flat)
    file = tmp_path / "theirs.safetensors"
    safetensors.save_file(model.store.stored(), file, metadata={"format": "pt"})
    assert np.array_equal(rnnkit.import_weights(file, spec).store.flat, model.store.flat)


def test_a_link_that_leads_nowhere_is_a_file_that_would_be_lost(tmp_path: Path) -> None:
    _, model = drawn(tmp_path)
    link = tmp_path / "m.h5"
    link.symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(rnnkit.RefusedError, match="CKPT_EXISTS"):
        model.save(link)
    assert not (tmp_path / "elsewhere.h5").exists()
    model.save(link, force=True)
    assert np.array_equal(rnnkit.load(tmp_path / "elsewhere.h5").store.flat, model.store.flat)


def test_numbers_that_no_parameter_holds_are_told(tmp_path: Path) -> None:
    spec, model = drawn(tmp_path)
    arrays = {path: array.astype(np.float64) for path, array in model.store.stored().items()}
    large, unknown = list(arrays)[:2]
    arrays[large].flat[0], arrays[unknown].flat[0] = 1e39, np.nan
    np.savez(tmp_path / "a.npz", **arrays)
    ran = command("import", tmp_path / "a.npz", "--spec", spec, "--out", tmp_path / "m.h5")
    told(ran, 6, f"{large} holds numbers that float32 has not", f"{unknown} holds NaN or infinity")


def test_any_names_by_map(tmp_path: Path) -> None:
    spec, model = drawn(tmp_path)
    stored = model.store.stored()
    short = {path: f"a{at}" for at, path in enumerate(stored)}
    np.savez(tmp_path / "a.npz", **{short[path]: array for path, array in stored.items()})
    again = rnnkit.import_weights(tmp_path / "a.npz", spec, layers=short)
    assert np.array_equal(again.store.flat, model.store.flat)
    asked = ("import", tmp_path / "a.npz", "--spec", spec, "--out", tmp_path / "m.h5")
    ran = command(*asked, "--map", "1.gru/Wx=a1", "--map", "1.gru/Wh=no")
    told(ran, 6, "--map 1.gru/Wh=no: the file has no array 'no'", "1.gru/bn is missing (7)")
    told(command(*asked, "--map", "x"), 2, "expected OURS=THEIRS, such as 1.lstm=rnn.l0")
    assert not (tmp_path / "m.h5").exists()


def test_a_vocabulary_of_theirs(tmp_path: Path) -> None:
    spec, model = drawn(tmp_path)
    np.savez(tmp_path / "a.npz", **model.store.stored())
    file, tokens = tmp_path / "tokens.json", list("\nedcba")
    asked = ("import", tmp_path / "a.npz", "--spec", spec, "--out", tmp_path / "m.h5")
    file.write_text(json.dumps([*tokens, "a"]))
    told(command(*asked, "--vocabulary", file), 5, "1 tokens are there twice, such as 'a'")
    file.write_text(json.dumps([*tokens, "x"]))
    told(command(*asked, "--vocabulary", file), 6, "0.embedding/W needs 7x5, 0.embedding/W is 6x5")
    file.write_text(json.dumps(tokens))
    done(*asked, "--vocabulary", file)
    assert rnnkit.load(tmp_path / "m.h5").vocabulary.tokens == tuple(tokens)
