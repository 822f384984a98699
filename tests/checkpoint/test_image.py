"""The file format: round trips, equal bytes for equal state, and every accident detected."""

import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import rnnkit.errors
from rnnkit.checkpoint import image as image_module
from rnnkit.checkpoint.image import build_image, load_image, read_image
from rnnkit.checkpoint.layout import DTYPES
from rnnkit.checkpoint.seal import HEADER_SIZE, MAGIC, seal, unseal
from rnnkit.errors import CheckpointError, ResourceError
from rnnkit.files.atomic import write_atomic

ROOT = Path(rnnkit.errors.__file__).parents[1]

STATE = """
import numpy as np

def state():
    random = np.random.default_rng(7)
    arrays = {}
    for name in {"1.lstm/Wx", "1.lstm/b", "0.embedding/W", "layer-a.x/forward.Wx"}:
        for part in {"params", "optimizer/m", "optimizer/v"}:
            seed = np.random.default_rng(sum(map(ord, part + name)))
            arrays[f"{part}/{name}"] = seed.normal(size=(5, 7)).astype("f4")
    arrays["state/1.lstm/0"] = random.normal(size=(3, 4))
    arrays["state/1.lstm/1"] = np.arange(12, dtype="i8").reshape(3, 4)[:, ::2]
    arrays["optimizer/step/t"] = np.array(5.0)
    arrays["state/2.none/0"] = np.zeros((0, 4), "f4")
    return arrays, {"meta": b'{"step":5}', "vocabulary": bytes(range(256)) * 3}
"""
scope: dict[str, Any] = {}
exec(STATE, scope)  # the same text runs in the processes that compare their bytes
state = scope["state"]


def sample() -> bytes:
    return bytes(build_image(*state()))


def assert_same(image: image_module.Image, arrays: Mapping[str, Any], blobs: Any) -> None:
    assert image.schema == 2
    assert image.blobs == blobs
    assert image.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        loaded = image.arrays[name]
        assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
        assert loaded.tobytes() == array.tobytes()


def test_round_trip() -> None:
    arrays, blobs = state()
    assert_same(read_image(sample(), "x.h5"), arrays, blobs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3), (1,) * 8])
def test_every_type_and_kind_of_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    assert_same(read_image(build_image({"state/a": array}, {}), ""), {"state/a": array}, {})


def test_strides_do_not_matter() -> None:
    array = np.arange(24.0).reshape(4, 6)
    for variant in (np.asfortranarray(array), np.repeat(array, 2, 1)[:, ::2]):
        assert build_image({"a/b": variant}, {}) == build_image({"a/b": array}, {})


def test_special_values_keep_their_bits() -> None:
    array = np.array([np.nan, -0.0, np.inf, 5e-324]).view("u8") | np.uint64(1)
    (loaded,) = read_image(build_image({"a/b": array.view("f8")}, {}), "").arrays.values()
    assert np.array_equal(loaded.view("u8"), array)


def test_nothing_at_all_and_empty_blobs() -> None:
    assert_same(read_image(build_image({}, {}), ""), {}, {})
    assert_same(read_image(build_image({}, {"meta": b""}), ""), {}, {"meta": b""})


def test_views_are_aligned_and_read_only() -> None:
    data = bytearray(sample())
    for array in read_image(data, "").arrays.values():
        assert array.flags.aligned and not array.flags.writeable


def test_equal_state_gives_equal_bytes_in_every_process() -> None:
    program = STATE + (
        "import hashlib, sys\n"
        "from rnnkit.checkpoint.image import build_image\n"
        "print(hashlib.sha256(build_image(*state())).hexdigest())\n"
    )
    digests = {hashlib.sha256(sample()).hexdigest()}
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        digests.add(subprocess.check_output(command, env=environment, text=True).strip())
    assert len(digests) == 1


def test_unequal_state_gives_unequal_bytes() -> None:
    arrays, blobs = state()
    arrays["params/1.lstm/b"][0, 0] += 1
    assert bytes(build_image(arrays, blobs)) != sample()


def test_h5py_opens_the_file_unchanged(tmp_path: Path) -> None:
    arrays, blobs = state()
    write_atomic(tmp_path / "x.h5", build_image(arrays, blobs))
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert file.userblock_size == HEADER_SIZE
        assert dict(file.attrs) == {"format": b"rnnkit", "schema": 2}
        assert sorted(file) == ["index", "meta", "optimizer", "params", "state", "vocabulary"]
        for name, array in arrays.items():
            assert np.array_equal(file[name][()], array)
        assert file["meta"][()].tobytes() == blobs["meta"]


def test_load_image(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write_atomic(path, sample())
    assert_same(load_image(path), *state())
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    expected = {"none": "NOT_FOUND", "fifo": "NOT_REGULAR", "empty": "NOT_RNNKIT"}
    for name, code in expected.items():
        with pytest.raises(CheckpointError, match=rf"{name} \[CKPT_{code}\]"):
            load_image(tmp_path / name)


# --- what cannot be saved ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ({"top": np.zeros(3, "f4")}, "shape: top"),
        ({"a/": np.zeros(3)}, "name: a/"),
        ({"/a/b": np.zeros(3)}, "name"),
        ({"a//b": np.zeros(3)}, "name"),
        ({"a/../b": np.zeros(3)}, "name"),
        ({"a/b c": np.zeros(3)}, "name"),
        ({"a/lstм": np.zeros(3)}, "name"),
        ({"a/b\n": np.zeros(3)}, "name"),
        ({"a/" + "x" * 129: np.zeros(3)}, "name"),
        ({"a/b": np.zeros(3), "a/b/c": np.zeros(3)}, "name: a/b: expected an array or a group"),
        ({"a/b": np.zeros(3, ">f4")}, "dtype"),
        ({"a/b": np.zeros(3, "?")}, "dtype"),
        ({"a/b": np.zeros(3, "c8")}, "dtype"),
        ({"a/b": np.zeros(3, np.longdouble)}, "dtype"),
        ({"a/b": np.array([None])}, "dtype"),
        ({"a/b": np.array(["text"])}, "dtype"),
        ({"a/b": np.zeros((1,) * 9)}, "shape"),
        ({"/".join("abcdefghi"): np.zeros(1)}, "depth"),
        ({f"a/{i}": np.zeros(1) for i in range(4096)}, "objects"),
        ({"index": np.zeros(3, "u1")}, "alias: /: expected one array for each name"),
        ({"index/a": np.zeros(3)}, "name: index: expected an array or a group"),
        ({"meta": np.zeros((4 << 20) + 1, "u1")}, "size: meta: expected at most 4,194,304 bytes"),
        ({"vocabulary": np.zeros((64 << 20) + 1, "u1")}, "size: vocabulary: expected at most 67,1"),
        (
            {f"{'/'.join('x' * 128 for _ in range(7))}/{i}": np.zeros(1) for i in range(1200)},
            "index: index: expected at most 1,048,576 bytes, received ",
        ),
    ],
)
def test_what_a_reader_would_refuse_is_not_written(arrays: dict[str, Any], rule: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^checkpoint \[CKPT_STRUCTURE\] {rule}"):
        build_image(arrays, {})


def test_the_limits_themselves_can_be_written_and_read() -> None:
    deepest = "/".join("abcdefgh")
    arrays = {"x" * 128 + "/y": np.zeros(2), deepest: np.ones(3)}
    arrays |= {f"z/{i}": np.zeros(1) for i in range(4096 - 2 - 8 - 1)}
    assert_same(read_image(build_image(arrays, {}), ""), arrays, {})


@pytest.mark.parametrize("error", [MemoryError, OSError, ValueError, RuntimeError])
def test_running_out_of_memory_is_told(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(entries: Any) -> Any:
        raise error("no memory")

    monkeypatch.setattr(image_module, "_build", fail)
    with pytest.raises(ResourceError, match=r"\[MEM_ALLOC\] cannot build a checkpoint of"):
        build_image(*state())


MEMORY = """
import os, resource, signal, sys
import numpy as np
from rnnkit.checkpoint.image import build_image, read_image
from rnnkit.errors import ResourceError

array = np.ones(4 << 20, "f4")
build_image({"a/b": array[:9]}, {})
outcomes = []
for headroom in (4, 8, 12, 17, 20, 30, 40, 60):
    pid = os.fork()
    if pid == 0:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (headroom << 20),) * 2)
        try:
            image = build_image({"a/b": array}, {})
        except ResourceError:
            os._exit(10)
        resource.setrlimit(resource.RLIMIT_AS, (used + (headroom << 20),) * 2)
        whole = read_image(image, "").arrays["a/b"]
        os._exit(0 if whole[0] == whole[-1] == 1 else 1)
    outcomes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(*outcomes)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to size the limit")
def test_little_memory_gives_a_whole_image_or_an_error() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.split()
    assert set(outcomes) == {"0", "10"}
    assert outcomes[0] == "10" and outcomes[-1] == "0"


# --- the seal ---------------------------------------------------------------------------------


def code_of(data: bytes | bytearray) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_image(data, "x.h5")
    (problem,) = caught.value.problems
    assert caught.value.exit_code == 6
    assert problem.where == "x.h5"
    assert problem.message.isprintable()
    return problem.code


def patched(offset: int, replacement: bytes) -> bytes:
    data = bytearray(sample())
    data[offset : offset + len(replacement)] = replacement
    return bytes(data)


def plain_hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["a"] = 1
    return buffer.getvalue()


def test_the_header_is_what_the_format_says() -> None:
    data = sample()
    magic, schema, size, length, digest, *index = struct.unpack_from("<8sIIQ32sQQ", data)
    assert (magic, schema, size) == (b"RNNKIT\0\1", 2, 512)
    assert length == len(data) - 512
    assert digest == hashlib.sha256(data[56:]).digest()
    assert not any(data[72:512])
    with h5py.File(io.BytesIO(data), "r") as file:
        assert index == [file["index"].id.get_offset(), file["index"].size]


def test_the_index_names_every_array_and_where_it_lies() -> None:
    arrays, blobs = state()
    data = sample()
    with h5py.File(io.BytesIO(data), "r") as file:
        index = json.loads(file["index"][()].tobytes())
        assert [each["name"] for each in index] == sorted({**arrays, **blobs})
        for each in index:
            stored = file[each["name"]]
            assert (each["dtype"], each["shape"]) == (stored.dtype.str, list(stored.shape))
            assert each["offset"] == (stored.id.get_offset() if stored.size else 0)


def test_unseal_gives_the_whole_file_read_only() -> None:
    view = unseal(bytearray(sample()), "").data
    assert view == sample() and view.readonly


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n" + bytes(600), b"PK\x03\x04", plain_hdf5(), bytes(2048)]
)
def test_other_files(data: bytes) -> None:
    assert code_of(data) == "CKPT_NOT_RNNKIT"


def test_truncated_anywhere() -> None:
    data = sample()
    cuts = {*range(1, 600), *random.Random(1).sample(range(600, len(data)), 200), len(data) - 1}
    assert {code_of(data[:cut]) for cut in cuts} == {"CKPT_TRUNCATED"}


def test_appended() -> None:
    for tail in (b"\0", b"x", bytes(4096), sample()):
        assert code_of(sample() + tail) == "CKPT_TRAILING"


def test_header_fields() -> None:
    assert code_of(patched(0, b"rnnkit")) == "CKPT_NOT_RNNKIT"
    assert code_of(patched(8, b"\3")) == "CKPT_NEWER_SCHEMA"
    assert code_of(patched(8, b"\1")) == "CKPT_HASH"
    assert code_of(patched(8, b"\0")) == "CKPT_HASH"
    assert code_of(patched(12, b"\1")) == "CKPT_HASH"
    assert code_of(patched(24, bytes(32))) == "CKPT_HASH"
    assert code_of(patched(56, b"\1")) == "CKPT_HASH"
    assert code_of(patched(64, b"\1")) == "CKPT_HASH"
    assert code_of(patched(300, b"\1")) == "CKPT_HASH"


def test_a_newer_schema_asks_for_a_newer_rnnkit() -> None:
    newer = patched(8, b"\3")
    assert code_of(newer) == "CKPT_NEWER_SCHEMA"
    with pytest.raises(CheckpointError, match="needs a newer rnnkit: schema 3"):
        read_image(newer, "")


def damages() -> list[tuple[str, bytes]]:
    """Build 700 seeded accidents of six kinds; each differs from the good file."""
    chance, good = random.Random(20), sample()
    result = []
    while len(result) < 700:
        data, kind = bytearray(good), len(result) % 6
        place, other = chance.randrange(len(data)), chance.randrange(len(data))
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[chance.randrange(HEADER_SIZE)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            data[place : place + 4] = chance.randbytes(4)[: len(data) - place]
        elif kind == 3:
            del data[place:]
        elif kind == 4:
            data += chance.randbytes(chance.randint(1, 5000))
        else:
            a, b = (at // 1024 * 1024 for at in (place, other))
            page_a, page_b = data[a : a + 1024], data[b : b + 1024]
            data[a : a + len(page_b)], data[b : b + len(page_a)] = page_b, page_a
        if data != good:
            result.append((f"kind {kind}", bytes(data)))
    return result


def test_every_damage_is_detected() -> None:
    allowed = {"NOT_RNNKIT", "TRUNCATED", "TRAILING", "HASH", "NEWER_SCHEMA"}
    for kind, data in damages():
        assert code_of(data).removeprefix("CKPT_") in allowed, kind


def test_every_single_bit_of_the_header_counts() -> None:
    good = sample()
    for bit in range(HEADER_SIZE * 8):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        code_of(data)


def test_the_digest_is_checked_before_hdf5_sees_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("HDF5 was reached")

    damaged = damages()[:60]
    monkeypatch.setattr(h5py, "File", fail)
    for _, data in damaged:
        code_of(data)


def test_sealed_rubbish_is_refused() -> None:
    for payload in (b"", b"x", b"\x89HDF\r\n\x1a\n", bytes(5000)):
        data = bytearray(HEADER_SIZE) + payload
        for place in ((0, 0), (HEADER_SIZE, len(payload)), (HEADER_SIZE, 2**63)):
            seal(memoryview(data), *place)
            assert data.startswith(MAGIC)
            assert code_of(data) == "CKPT_STRUCTURE"
