"""Files of named arrays, read as their names say."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit
from rnnkit.exchange.incoming.arrays import (
    json_of,
    named_model,
    read_npz,
    read_safetensors,
    read_torch,
)
from rnnkit.exchange.incoming.files import READERS, read_their_model
from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.types import Array

HERE = Path()
W = np.arange(6, dtype="f4").reshape(2, 3)


def npz(**arrays: Array) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("name", ["m.npz", "M.NPZ", "a.pt.npz"])
def test_the_end_of_a_name_tells_the_format(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(npz(**{"a.weight": W}))
    found, sha256 = read_their_model(file)
    assert found.format == "npz" and np.array_equal(found.arrays["a.weight"], W)
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["m", "m.bin", "m.npz.zip", "m.h5"])
def test_a_name_that_tells_no_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(rnnkit.CheckpointError) as caught:
        read_their_model(tmp_path / name)
    assert str(caught.value) == (
        f"{tmp_path / name} [IMPORT_FORMAT] expected a name that ends in {', '.join(READERS)}, "
        "which says the format (rename the file)"
    )


@pytest.mark.parametrize("end", [".safetensors", ".npz", ".keras", ".weights.h5", ".onnx"])
def test_what_is_not_what_its_name_says(end: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors"), pytest.importorskip("onnx")
    file = tmp_path / f"m{end}"
    file.write_bytes(b"\xff\x00 none of these\n")
    with pytest.raises(rnnkit.CheckpointError) as caught:
        read_their_model(file)
    told = str(caught.value)
    assert told.startswith(f"{file} [IMPORT_FILE] cannot be read as its name says (")
    assert told.endswith("; bring back or save the file again)")
    assert caught.value.__cause__ is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(rnnkit.CheckpointError, match="IMPORT_NOT_FOUND"):
        read_their_model(tmp_path / "m.npz")


def test_what_fails_for_want_of_memory_or_a_package_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.npz"
    file.write_bytes(npz(a=W))
    errors = MemoryError("no"), rnnkit.PluginError.of("PACKAGE", "no", file)
    for error in errors:

        def fails(data: bytes, path: Path, error: Exception = error) -> TheirModel:
            raise error

        monkeypatch.setattr("rnnkit.exchange.incoming.arrays.read_npz", fails)
        with pytest.raises(type(error)) as caught:
            read_their_model(file)
        assert caught.value is error


def test_our_own_names_stay_arrays() -> None:
    arrays = {"out/W": W, "a.weight": W, "a.bias": W[:, 0], "b.bias": W}
    found = named_model("any", arrays)
    assert [each.name for each in found.layers] == ["a"]
    assert found.left == ("b.bias", "out/W") and found.arrays == arrays
    broken = {"a.weight": W, "a.bias": W[0]}
    assert named_model("any", broken).wrong and not named_model("any", broken).left


def test_pickled_arrays_are_not_opened() -> None:
    file = io.BytesIO()
    np.savez(file, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_npz(file.getvalue(), HERE)


@pytest.mark.parametrize("text", [b"[1]", b"1", b'"a"', b"null"])
def test_a_value_that_is_no_object(text: bytes) -> None:
    with pytest.raises(ValueError, match="expected a JSON object"):
        json_of(text)
    assert json_of(b'{"a": 1}') == {"a": 1}


def test_arrays_that_safetensors_shares() -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    shared = {"b.weight": "a.weight", "gone": "nowhere", "format": "pt"}
    for metadata in (None, {"format": "pt"}, shared):
        data = safetensors.save({"a.weight": W}, metadata)
        found = read_safetensors(data, HERE)
        names = ["a.weight", "b.weight"] if metadata is shared else ["a.weight"]
        assert list(found.arrays) == names and found.format == "safetensors"
        assert all(np.array_equal(array, W) for array in found.arrays.values())
    size = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + size])["__metadata__"] == shared


def saved(value: Any) -> bytes:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "keys", [[], ["state_dict"], ["model_state_dict"], ["model"], ["model", "x"]]
)
def test_a_state_dict_under_the_usual_keys(keys: list[str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    weights = torch.nn.Parameter(torch.tensor(W))
    value: dict[str, Any] = {"a.weight": weights, "epoch": 3, 5: torch.tensor(2)}
    for key in keys:
        value = {"epoch": 3, key: value}
    found = read_torch(saved(value), HERE)
    if keys[-1:] == ["x"]:
        told = "expected a state_dict, names with a tensor each, and found none in it"
        assert (found.wrong, dict(found.arrays), found.layers) == ((told,), {}, ())
    else:
        assert list(found.arrays) == ["a.weight", "5"] and found.left == ("5",)
        assert np.array_equal(found.arrays["a.weight"], W) and found.format == "PyTorch"


@pytest.mark.parametrize("value", [{}, {"a": 1}, [1, 2], 3, {"model": 3}])
def test_a_file_of_pytorch_without_tensors(value: Any) -> None:
    found = read_torch(saved(value), HERE)
    assert found.wrong == ("expected a state_dict, names with a tensor each, and found none in it",)


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int8", "int8"),
        ("int64", "int64"),
    ],
)
def test_tensors_as_numpy_has_them(dtype: str, kept: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")
    dense = torch.tensor(W).to(getattr(torch, dtype))
    for tensor in (dense, dense.to_sparse()):
        (array,) = read_torch(saved({"a": tensor}), HERE).arrays.values()
        assert array.dtype == kept and np.array_equal(array, W)
