"""An export is whole and proved, or there is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, plain_spec, told

import rnnkit
from rnnkit import CheckpointError, RefusedError, StorageError, ThresholdError, load
from rnnkit.exchange import export as exporting
from rnnkit.exchange.pieces import pieces_of
from rnnkit.exchange.proof import Proof, difference, prove_network
from rnnkit.exchange.trained import Trained, describe
from rnnkit.inference.model import Model

library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return load(tiny_run)


def test_safetensors_hold_every_parameter_and_the_spec(tiny_run: Path, tmp_path: Path) -> None:
    ran = done("export", tiny_run, "--to", "safetensors", "--out", tmp_path / "out")
    assert "largest difference 0.0e+00" in ran.out
    found = library.load_file(tmp_path / "out" / "model.safetensors")
    model = load(tiny_run)
    stored = model.store.stored()
    assert found.keys() == stored.keys()
    assert all(np.array_equal(found[name], stored[name]) for name in stored)
    described = json.loads((tmp_path / "out" / "model.json").read_text())
    assert described == json.loads(json.dumps(describe(model)))
    assert described["spec"] == model.spec.model_dump(mode="json")
    proof = json.loads((tmp_path / "out" / "proof.json").read_text())
    assert proof["verified"] and proof["largest"] == 0
    for name, digest in proof["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


def test_the_folders_above_are_made_and_nothing_else_is_left(
    tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "folder" / "out"
    done("export", tiny_run, "--to", "safetensors", "--out", out, "--no-verify")
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert out.stat().st_mode & 0o777 == 0o755


def test_without_a_proof_the_files_say_so(tiny_run: Path, tmp_path: Path) -> None:
    ran = done("export", tiny_run, "--to", "safetensors", "--out", tmp_path / "out", "--no-verify")
    assert "not verified (--no-verify)" in ran.out
    proof = json.loads((tmp_path / "out" / "proof.json").read_text())
    assert proof["verified"] is False and "largest" not in proof
    from safetensors import safe_open

    with safe_open(tmp_path / "out" / "model.safetensors", "np") as file:
        assert file.metadata()["verified"] == "false"


@pytest.mark.parametrize("flags", [(), ("--no-verify",)])
def test_what_was_written_is_told_in_json(
    flags: tuple[str, ...], tiny_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = done("export", tiny_run, "--to", "safetensors", "--out", out, "--json", *flags)
    found = json.loads(ran.out)
    proof = json.loads((out / "proof.json").read_text())
    assert found.pop("checkpoint").endswith(".h5") and found.pop("out") == str(out)
    assert sorted(found.pop("files")) == sorted(path.name for path in out.iterdir())
    told_of = found.pop("proof")
    assert told_of is None if flags else told_of["largest"] == proof["largest"] == 0
    assert found == {"note": ""}


def test_a_folder_is_replaced_only_where_it_is_an_export(tiny_run: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    asked = ("export", tiny_run, "--to", "safetensors", "--out")
    done(*asked, out)
    told(command(*asked, out), 8, "[EXPORT_EXISTS] holds an export (give --force to replace it")
    done(*asked, out, "--force")
    told(command(*asked, mine, "--force"), 8, "[EXPORT_EXISTS] is there and holds no export")
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_a_link_stays_and_its_folder_is_written(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    asked = ("export", tiny_run, "--to", "safetensors", "--out", link)
    done(*asked)
    before = (tmp_path / "real" / "proof.json").read_bytes()
    done(*asked, "--force", "--no-verify")
    assert link.is_symlink() and (tmp_path / "real" / "proof.json").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_what_cannot_be_put_in_place_leaves_the_old_export(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting.export(model, "safetensors", tmp_path / "out")
    before = (tmp_path / "out" / "proof.json").read_bytes()
    rename = Path.replace

    def full(path: Path, target: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="IO_NO_SPACE"):
        exporting.export(model, "safetensors", tmp_path / "out", verify=False, force=True)
    assert (tmp_path / "out" / "proof.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_scales_of_groups_stand_in_the_spec_alone(tmp_path: Path) -> None:
    rows = "".join(f"{s},{f * (t % 5 + 1)}\n" for s, f in (("a", 1), ("b", 90)) for t in range(60))
    (tmp_path / "sales.csv").write_text("shop,sales\n" + rows)
    spec = plain_spec(streams=2, window=8)
    spec["data"] = {"type": "series", "path": "sales.csv", "columns": ["sales"], "group": "shop"}
    spec["data"] |= {"scale_by_group": True}
    spec["model"] = {
        "layers": [{"type": "gru", "units": 4}, {"type": "affine"}],
        "loss": {"type": "mse"},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    model = rnnkit.build(rnnkit.load_spec(tmp_path / "spec.json"), tmp_path)
    exporting.export(model, "safetensors", tmp_path / "out")
    described = json.loads((tmp_path / "out" / "model.json").read_text())
    assert described["scales"] == {}
    assert described["spec"]["data"]["group_scalers"].keys() == {"a", "b"}


class Permuted:
    """Writes a model whose gates are in another order."""

    def refusals(self, model: Trained) -> list[str]:
        return []

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        (folder / "weights").write_bytes(b"")

    def prove(self, model: Trained, folder: Path) -> Proof:
        store = model.network.store(np.dtype(np.float32))
        store.flat[:] = model.store.flat
        (name,) = (n for n, params in store.values.items() if "Wh" in params)
        params = store.values[name]
        for array in (params["Wx"], params["Wh"], params["b"]):
            gates = np.split(array.copy(), 4, axis=-1)
            array[:] = np.concatenate([gates[i] for i in (0, 2, 1, 3)], axis=-1)

        def run(xs, states):
            from rnnkit import Context

            return model.network.scan(store.values, xs, states, None, Context())[:2]

        return prove_network(model.network, model.store.values, run, "a wrong program")


def test_a_permuted_gate_keeps_nothing(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "target_of", lambda name: Permuted())
    with pytest.raises(ThresholdError, match="EXPORT_DIFFERS") as error:
        exporting.export(model, "wrong", tmp_path / "out")
    assert error.value.exit_code == 9 and "nothing was kept" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_difference_is_relative_to_large_outputs_alone() -> None:
    small, large = np.array([0.5, -0.25]), np.array([100.0, -4.0])
    assert difference(small, small + [0.0, 1e-3]) == pytest.approx(1e-3)
    assert difference(large, large + [0.0, 1e-3]) == pytest.approx(1e-5)
    assert difference(small, small[:1]) == np.inf
    assert difference(small, np.array([0.5, np.nan])) == np.inf


def test_pieces_hold_what_another_program_needs(model: Model) -> None:
    pieces = pieces_of(model.network, model.store.values)
    assert [piece.type for piece in pieces] == [layer.type for layer in model.network.layers]
    lstm = next(piece for piece in pieces if piece.type == "lstm")
    assert lstm.own and list(lstm.states) == ["h", "c"]
    assert np.array_equal(lstm.arrays["Wh"], model.store.values[lstm.name]["Wh"])
    assert lstm.settings["units"] == lstm.states["h"]


def test_a_parameter_that_is_not_finite_is_named(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)
    name, array = next(iter(model.store.stored().items()))
    array.flat[0] = np.nan
    with pytest.raises(CheckpointError, match="EXPORT_NOT_FINITE") as error:
        model.export("safetensors", tmp_path / "out")
    assert error.value.problems[0].message.startswith(f"{name}: holds a value that is not finite")
    assert list(tmp_path.iterdir()) == []


def test_python_exports_and_tells_what_is_there(model: Model, tmp_path: Path) -> None:
    found = model.export("safetensors", tmp_path / "out")
    assert found.folder == tmp_path / "out"
    assert found.files == ("model.json", "model.safetensors", "proof.json")
    assert found.proof is not None and found.proof.largest == 0
    assert "largest difference 0.0e+00" in str(found)
    assert {path.stat().st_mode & 0o777 for path in found.folder.iterdir()} == {0o644}
    with pytest.raises(RefusedError, match="EXPORT_EXISTS"):
        model.export("safetensors", tmp_path / "out")


def test_what_is_no_target_is_told_with_those_there_are(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'to: expected "c", .* received "tflite"'):
        model.export("tflite", tmp_path / "out")
