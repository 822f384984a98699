"""Files made to harm: sealed correctly, refused by their index, and nothing else opened.

The attacks of HDF5 itself can only stand in a file of schema 1, which libhdf5 is asked about.
"""

import ctypes
import hashlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5g, h5o, h5p, h5s, h5t, h5z

import rnnkit.errors
from rnnkit.checkpoint.image import build_image, read_image
from rnnkit.checkpoint.meta import Meta
from rnnkit.checkpoint.seal import MAGIC, seal, unseal
from rnnkit.errors import CheckpointError

ROOT = Path(rnnkit.errors.__file__).parents[1]
FLOATS = np.arange(6, dtype="f4")
Build = Callable[[h5py.File], None]


def refusal(data: bytes | bytearray) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_image(data, "x.h5")
    (problem,) = caught.value.problems
    assert caught.value.exit_code == 6
    assert problem.code == "CKPT_STRUCTURE"
    assert problem.message.isprintable() and len(problem.message) < 1000
    return problem.message


def rule_of(data: bytes | bytearray) -> str:
    return refusal(data).split(":")[0]


# --- an index that lies ------------------------------------------------------------------------


def good() -> bytes:
    return bytes(build_image({"params/V": FLOATS * 2, "params/W": FLOATS}, {"meta": b"{}"}))


def entries() -> list[dict[str, Any]]:
    """Return the true index of the good file."""
    found = unseal(good(), "")
    return json.loads(bytes(found.data[found.index_start :][: found.index_size]))


def resealed(index: object, tail: bytes = b"") -> bytearray:
    """Give the good file another index, as its attacker would: text, or what becomes JSON."""
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    data = bytearray(good()).ljust(8 * (len(good()) // 8 + 1), b"\0")
    start = len(data)
    data += text + tail
    seal(memoryview(data), start, len(text))
    return data


def changed(**fields: object) -> bytearray:
    """Change the entry of params/W."""
    meta, v, w = entries()
    return resealed([meta, v, w | fields])


def offset(name: str) -> int:
    return next(int(each["offset"]) for each in entries() if each["name"] == name)


def test_the_attacks_start_from_a_file_that_loads() -> None:
    loaded = read_image(resealed(entries()), "")
    assert np.array_equal(loaded.arrays["params/W"], FLOATS)
    assert loaded.blobs == {"meta": b"{}"}


V, W, END = offset("params/V"), offset("params/W"), len(good())
LIES: dict[str, tuple[dict[str, object], str]] = {
    "the bytes of V": ({"offset": V}, "overlap"),
    "the last bytes of V": ({"offset": V + 16}, "overlap"),
    "the first bytes of V": ({"offset": V - 16}, "overlap"),
    "the bytes of meta": ({"offset": offset("meta")}, "overlap"),
    "the bytes of the index": ({"offset": 8 * (END // 8 + 1)}, "overlap"),
    "not aligned": ({"offset": W + 4}, "alignment"),
    "beyond the end": ({"offset": 1 << 40}, "bounds"),
    "beyond all files": ({"offset": (1 << 63) - 8}, "bounds"),
    "beyond 64 bits": ({"offset": 1 << 64}, "index"),
    "of 4,000 digits": ({"offset": 10**4000}, "index"),
    "in the header": ({"offset": 504}, "bounds"),
    "at the start": ({"offset": 0}, "bounds"),
    "below 0": ({"offset": -8}, "index"),
    "half": ({"offset": 1024.5}, "index"),
    "text for a number": ({"offset": "1024"}, "index"),
    "true for a number": ({"offset": True}, "index"),
    "huge": ({"shape": [1 << 40]}, "bounds"),
    "larger than any memory": ({"shape": [1 << 62]}, "shape"),
    "nothing times 2^62": ({"shape": [0, 1 << 62]}, "shape"),
    "a product beyond 64 bits": ({"shape": [1 << 32, 1 << 32]}, "shape"),
    "2^40 times 2^40 times 0": ({"shape": [1 << 40, 1 << 40, 0]}, "shape"),
    "shape below 0": ({"shape": [-6]}, "index"),
    "shape below 0 twice": ({"shape": [-2, -3]}, "index"),
    "rank 9": ({"shape": [1] * 9}, "shape"),
    "rank 100,000": ({"shape": [1] * 100_000}, "shape"),
    "no shape": ({"shape": None}, "index"),
    "shape of shapes": ({"shape": [[6]]}, "index"),
    "big-endian": ({"dtype": ">f4"}, "dtype"),
    "native": ({"dtype": "f4"}, "dtype"),
    "objects": ({"dtype": "|O"}, "dtype"),
    "object pointers": ({"dtype": "O8"}, "dtype"),
    "long double": ({"dtype": "<f16"}, "dtype"),
    "bool": ({"dtype": "|b1"}, "dtype"),
    "complex": ({"dtype": "<c8"}, "dtype"),
    "text": ({"dtype": "|S4"}, "dtype"),
    "opaque": ({"dtype": "|V4"}, "dtype"),
    "dates": ({"dtype": "<M8[s]"}, "dtype"),
    "compound": ({"dtype": "f4,i8"}, "dtype"),
    "code": ({"dtype": "__import__('os').system('id')"}, "dtype"),
    "a type of 100,000 letters": ({"dtype": "f" * 100_000}, "dtype"),
    "a type that is a list": ({"dtype": [["a", "<f4"]]}, "index"),
    "an unknown key": ({"external": "/etc/passwd"}, "index"),
    "a filter": ({"filter": "gzip"}, "index"),
    "V twice": ({"name": "params/V", "offset": W}, "alias"),
    "the name of the index": ({"name": "index", "dtype": "|u1"}, "alias"),
    "a group of the index": ({"name": "index/W"}, "name"),
    "an array and a group": ({"name": "params/V/W"}, "name"),
    "a group that is an array": ({"name": "params", "dtype": "|u1"}, "name"),
    "9 levels": ({"name": "/".join("abcdefghi")}, "depth"),
    "20,000 levels": ({"name": "g/" * 20_000 + "W"}, "depth"),
    "array beside the groups": ({"name": "W"}, "shape"),
    "number beside the groups": ({"name": "w", "dtype": "|u1", "shape": []}, "shape"),
    "table beside the groups": ({"name": "w", "dtype": "|u1", "shape": [2, 2]}, "shape"),
    "no name": ({"name": ""}, "name"),
    "a number for a name": ({"name": 7}, "index"),
    "a text of 5 MB": ({"name": "w", "dtype": "|u1", "shape": [5_000_000]}, "size"),
    "a vocabulary of 70 MB": (
        {"name": "vocabulary", "dtype": "|u1", "shape": [70_000_000]},
        "size",
    ),
}


@pytest.mark.parametrize(("fields", "rule"), LIES.values(), ids=LIES)
def test_lies(fields: dict[str, object], rule: str) -> None:
    assert rule_of(changed(**fields)) == rule


NAMES = ["..", ".hidden", "a b", "a\nb", "-a", "\u202eW", "lstм", "x" * 129, "\x1b[31m", "con:"]


@pytest.mark.parametrize("name", [*NAMES, "a\0b", "\\", "'; rm -rf ~ #", "{0.__class__}"])
def test_names(name: str) -> None:
    assert rule_of(changed(name=f"params/{name}")) == "name"


NO_INDEX: dict[str, object] = {
    "nothing": b"",
    "zeros": bytes(100),
    "no JSON": b"{",
    "null": None,
    "a number": 5,
    "text": "params/W",
    "an object": {"params/W": [0]},
    "numbers": [1, 2],
    "empty objects": [{}, {}],
    "lists of fields": [["params/W", "<f4", [6], 512]],
    "two texts": b"[][]",
    "a byte-order mark": b"\xef\xbb\xbf[]",
    "UTF-16": "[]".encode("utf-16"),
    "no UTF-8": b'[{"name":"\xff","dtype":"<f4","shape":[],"offset":512}]',
    "half a surrogate pair": b'[{"name":"\\ud800","dtype":"<f4","shape":[],"offset":512}]',
    "NaN": b'[{"name":"a/b","dtype":"<f4","shape":[],"offset":NaN}]',
    "infinity": b'[{"name":"a/b","dtype":"<f4","shape":[],"offset":1e999}]',
    "5,000 digits": b'[{"name":"a/b","dtype":"<f4","shape":[],"offset":' + b"9" * 5000 + b"}]",
    "500,000 digits": b"[" + b"9" * 500_000 + b"]",
    "depth 1,000": b"[" * 1000 + b"]" * 1000,
    "depth 500,000": b"[" * 500_000 + b"]" * 500_000,
    "objects to a depth of 100,000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "500,000 numbers": b"[" + b"0," * 500_000 + b"0]",
    "300,000 objects": b"[" + b"{}," * 300_000 + b"{}]",
    "300,000 lists": b"[" + b"[]," * 300_000 + b"[]]",
    "one text of 1 MB": b'["' + b"a" * 1_000_000 + b'"]',
    "2 MB of spaces": b" " * 2_000_000,
}


@pytest.mark.parametrize("index", NO_INDEX.values(), ids=NO_INDEX)
def test_no_index(index: object) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data, started = resealed(index), time.perf_counter()
    assert rule_of(data) == "index"
    assert time.perf_counter() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_meta_that_grows_in_memory_is_not_parsed() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    for value in ("[]", "{}", '"a"', "1e9", "0"):
        text = f'{{"spec":{{"a":[{",".join([value] * (4_000_000 // (len(value) + 1)))}]}}}}'
        with pytest.raises(CheckpointError, match=r"meta: expected at most 250,000 values, rec"):
            Meta.decoded(text.encode(), "x.h5")
    assert time.perf_counter() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_value_of_the_index_is_told_by_its_place() -> None:
    message = refusal(changed(external="/etc/passwd"))
    assert "index: index.2.external: Unexpected keyword argument; a checkpoint of rnnkit" in message


def test_more_arrays_than_any_checkpoint_has() -> None:
    def many(names: list[str]) -> bytearray:
        return resealed(
            [{"name": name, "dtype": "<f4", "shape": [0], "offset": 0} for name in names]
        )

    assert rule_of(many([f"a/{i}" for i in range(4097)])) == "objects"
    assert rule_of(many([f"{i}/a" for i in range(2100)])) == "objects"
    assert len(read_image(many([f"a/{i}" for i in range(4095)]), "").arrays) == 4095


def test_an_array_of_no_bytes_has_no_place() -> None:
    loaded = read_image(changed(shape=[3, 0, 2], offset=1 << 62), "")
    assert loaded.arrays["params/W"].shape == (3, 0, 2)


@pytest.mark.parametrize(
    ("start", "size", "rule"),
    [
        (END, 8, "bounds"),
        (1 << 40, 8, "bounds"),
        ((1 << 64) - 8, 8, "bounds"),
        (0, 8, "bounds"),
        (504, 16, "bounds"),
        (513, 8, "alignment"),
        (512, 1 << 20, "bounds"),
        (512, (1 << 20) + 1, "index"),
        (512, (1 << 64) - 1, "index"),
        (512, 0, "index"),
        (512, 100, "index"),
    ],
)
def test_an_index_in_another_place(start: int, size: int, rule: str) -> None:
    data = bytearray(good())
    seal(memoryview(data), start, size)
    assert rule_of(data) == rule


def test_cut_short_and_sealed_again() -> None:
    whole = good()
    found = unseal(whole, "")
    for length in range(513, len(whole), 97):
        data = bytearray(whole[:length])
        seal(memoryview(data), found.index_start, found.index_size)
        assert rule_of(data) == "bounds"


def test_hdf5_is_not_asked_about_a_file_with_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("HDF5 was reached")

    data = resealed(entries())
    data[512 : entries()[0]["offset"]] = bytes(entries()[0]["offset"] - 512)
    found = unseal(resealed(entries()), "")
    seal(memoryview(data), found.index_start, found.index_size)
    monkeypatch.setattr(h5py, "File", fail)
    assert np.array_equal(read_image(data, "").arrays["params/W"], FLOATS)


# --- schema 1 -----------------------------------------------------------------------------------


def sealed_1(data: bytearray) -> bytearray:
    """Seal a file as rnnkit did in schema 1."""
    payload = memoryview(data)[512:]
    digest = hashlib.sha256(payload).digest()
    header = struct.pack("<8sIIQ32s", MAGIC, 1, 512, len(payload), digest)
    data[:512] = header.ljust(512, b"\0")
    return data


def hostile(build: Build, **options: Any) -> bytearray:
    """Build a file with h5py and seal it as its attacker would."""
    buffer = io.BytesIO()
    aligned = {"alignment_threshold": 1, "alignment_interval": 8}
    options = {"libver": ("earliest", "v110")} | aligned | options
    with h5py.File(buffer, "w", userblock_size=512, **options) as file:
        build(file)
    return sealed_1(bytearray(buffer.getvalue()))


def test_the_corpus_starts_from_a_file_that_loads() -> None:
    def build(file: h5py.File) -> None:
        file["params/W"] = FLOATS
        file.create_group("state/empty")
        file.create_dataset("meta", data=np.zeros(4, "u1"))

    loaded = read_image(hostile(build), "")
    assert loaded.schema == 1
    assert np.array_equal(loaded.arrays["params/W"], FLOATS)
    assert loaded.blobs == {"meta": bytes(4)}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "victim.h5", "w") as file:
        file["params/W"] = np.arange(5.0)
    (tmp_path / "secret").write_bytes(b"secret" * 10)
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


def external_storage(name: str, size: int = 40) -> Callable[[Path], Build]:
    def at(folder: Path) -> Build:
        where = [(str(folder / name), 0, size)]
        return lambda file: file.create_dataset("params/W", (size,), "u1", external=where)

    return at


def external_link(name: str) -> Callable[[Path], Build]:
    def at(folder: Path) -> Build:
        def build(file: h5py.File) -> None:
            file["params"] = h5py.ExternalLink(str(folder / name), "/params")

        return build

    return at


def virtual(name: str) -> Callable[[Path], Build]:
    def at(folder: Path) -> Build:
        def build(file: h5py.File) -> None:
            layout = h5py.VirtualLayout((5,), "f8")
            source = name if name == "." else str(folder / name)
            layout[:] = h5py.VirtualSource(source, "params/W", (5,))
            file.create_virtual_dataset("params/W", layout)

        return build

    return at


POINTING = {
    "external storage": (external_storage("secret"), "layout"),
    "external storage on a FIFO": (external_storage("fifo"), "layout"),
    "external storage on /dev/zero": (external_storage("/dev/zero"), "layout"),
    "external storage, relative": (external_storage("../../secret"), "layout"),
    "external link": (external_link("victim.h5"), "link"),
    "external link to text": (external_link("secret"), "link"),
    "external link to a FIFO": (external_link("fifo"), "link"),
    "virtual": (virtual("victim.h5"), "layout"),
    "virtual on a FIFO": (virtual("fifo"), "layout"),
    "virtual on itself": (virtual("."), "layout"),
}


class Watch:
    """Counts how often a file of a folder was opened, by anybody (inotify of Linux)."""

    IN_OPEN = 0x20

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self.fd = library.inotify_init1(os.O_NONBLOCK)
        assert library.inotify_add_watch(self.fd, os.fsencode(folder), self.IN_OPEN) >= 0

    def events(self) -> int:
        try:
            return len(os.read(self.fd, 65536))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self.fd)


@pytest.fixture
def watch(elsewhere: Path) -> Iterator[Watch]:
    if sys.platform != "linux":
        pytest.skip("inotify is of Linux")
    watch = Watch(elsewhere)
    yield watch
    watch.close()


def test_the_watch_sees_what_a_naive_reader_opens(elsewhere: Path, watch: Watch) -> None:
    data = hostile(external_storage("secret")(elsewhere))
    with h5py.File(io.BytesIO(data), "r") as file:
        assert watch.events() == 0
        assert file["params/W"][:6].tobytes() == b"secret"
    assert watch.events() > 0


@pytest.mark.parametrize("newest", [False, True], ids=["earliest", "latest"])
@pytest.mark.parametrize("name", POINTING)
def test_no_other_file_is_opened(elsewhere: Path, watch: Watch, name: str, newest: bool) -> None:
    build, rule = POINTING[name]
    data = hostile(build(elsewhere), **({"libver": "latest"} if newest else {}))
    watch.events()
    assert rule_of(data) == rule
    assert watch.events() == 0


def dataset(name: str = "params/W", **kwargs: Any) -> Build:
    return lambda file: file.create_dataset(name, **kwargs)


def link(target: str) -> Build:
    def build(file: h5py.File) -> None:
        file["other/W"] = FLOATS
        file["params"] = h5py.SoftLink(target)

    return build


def plain_creation() -> Any:
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    return creation


def late(shape: tuple[int, ...]) -> Build:
    """Declare an array and store none of it."""

    def build(file: h5py.File) -> None:
        creation = plain_creation()
        creation.set_alloc_time(h5d.ALLOC_TIME_LATE)
        group = file.create_group("params")
        h5d.create(group.id, b"W", h5t.IEEE_F32LE, h5s.create_simple(shape), creation)

    return build


def unknown_filter(file: h5py.File) -> None:
    creation = plain_creation()
    creation.set_chunk((4,))
    creation.set_filter(32001, h5z.FLAG_OPTIONAL, (1, 2))
    group = file.create_group("params")
    h5d.create(group.id, b"W", h5t.IEEE_F32LE, h5s.create_simple((8,)), creation)


def compact(file: h5py.File) -> None:
    creation = plain_creation()
    creation.set_layout(h5d.COMPACT)
    group = file.create_group("params")
    h5d.create(group.id, b"W", h5t.IEEE_F32LE, h5s.create_simple((8,)), creation)


def odd_float(file: h5py.File) -> None:
    kind = h5t.IEEE_F32LE.copy()
    kind.set_ebias(100)
    h5d.create(
        file.create_group("params").id, b"W", kind, h5s.create_simple((4,)), plain_creation()
    )


def hard_cycle(file: h5py.File) -> None:
    file.create_group("params")["loop"] = file["/"]


def group_cycle(file: h5py.File) -> None:
    group = file.create_group("params")
    group["loop"] = group


def alias(file: h5py.File) -> None:
    file["params/W"] = FLOATS
    file["params/V"] = file["params/W"]


def many_groups(file: h5py.File) -> None:
    for index in range(5000):
        file.create_group(f"g{index}")


def very_many_groups(file: h5py.File) -> None:
    for index in range(100_000):
        h5g.create(file.id, b"%d" % index)


def spread_groups(file: h5py.File) -> None:
    for outer in range(70):
        for inner in range(70):
            file.create_group(f"{outer}/{inner}")


def deep(levels: int) -> Build:
    def build(file: h5py.File) -> None:
        group = file
        for _ in range(levels):
            group = group.create_group("g")

    return build


def committed_type(file: h5py.File) -> None:
    file["params"] = np.dtype("f4")


def region(file: h5py.File) -> None:
    file["z"] = FLOATS
    file.create_dataset("params/W", data=np.array([file["z"].ref], object), dtype=h5py.ref_dtype)


STRUCTURES: dict[str, tuple[Build, str]] = {
    "soft link": (link("/other"), "link"),
    "soft cycle": (link("/params"), "link"),
    "dangling link": (link("/nowhere"), "link"),
    "hard cycle": (hard_cycle, "depth"),
    "group in itself": (group_cycle, "depth"),
    "hard alias": (alias, "overlap"),
    "chunked": (dataset(shape=(8,), dtype="f4", chunks=(4,)), "layout"),
    "unallocated chunks": (dataset(shape=(8,), dtype="f4", chunks=(4,), fillvalue=7), "layout"),
    "huge chunked": (dataset(shape=(1 << 40,), dtype="f4", chunks=(1024,)), "layout"),
    "huge, unallocated": (late((1 << 40,)), "layout"),
    "unallocated": (late((8,)), "layout"),
    "compact": (compact, "layout"),
    "resizable": (dataset(shape=(8,), maxshape=(None,), dtype="f4"), "layout"),
    "gzip bomb": (dataset(data=np.zeros(32 << 20, "u1"), compression=9), "layout"),
    "checksum": (dataset(data=FLOATS, fletcher32=True), "layout"),
    "shuffle": (dataset(data=FLOATS, shuffle=True), "layout"),
    "scale-offset": (dataset(data=np.arange(99), scaleoffset=True), "layout"),
    "unknown filter": (unknown_filter, "layout"),
    "big-endian": (dataset(data=FLOATS.astype(">f4")), "dtype"),
    "long double": (dataset(data=FLOATS.astype(np.longdouble)), "dtype"),
    "strange float": (odd_float, "layout"),
    "bool": (dataset(data=np.zeros(3, bool)), "dtype"),
    "complex": (dataset(data=np.zeros(3, "c8")), "dtype"),
    "compound": (dataset(data=np.zeros(3, [("a", "f4"), ("b", "i8")])), "dtype"),
    "array type": (dataset(shape=(3,), dtype=np.dtype(("f4", (2,)))), "layout"),
    "fixed text": (dataset(data=np.array([b"text"])), "dtype"),
    "text": (dataset(data=["a", "b"], dtype=h5py.string_dtype()), "dtype"),
    "variable length": (dataset(shape=(3,), dtype=h5py.vlen_dtype("f4")), "layout"),
    "opaque": (dataset(data=np.void(b"pickle")), "dtype"),
    "references": (region, "dtype"),
    "empty space": (dataset(data=h5py.Empty("f4")), "shape"),
    "rank 9": (dataset(data=np.zeros((1,) * 9, "f4")), "shape"),
    "rank 32": (dataset(data=np.zeros((1,) * 32, "f4")), "shape"),
    "nothing times 2^62": (late((0, 1 << 62)), "shape"),
    "array beside the groups": (dataset("W", data=FLOATS), "shape"),
    "table of bytes beside the groups": (dataset("meta", data=np.zeros((2, 2), "u1")), "shape"),
    "number beside the groups": (dataset("meta", data=np.uint8(1)), "shape"),
    "5,000 groups": (many_groups, "objects"),
    "4,970 groups in 70": (spread_groups, "objects"),
    "stored type": (committed_type, "objects"),
    "9 levels": (deep(9), "depth"),
    "20,000 levels": (deep(20_000), "depth"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name: str) -> None:
    build, rule = STRUCTURES[name]
    assert rule_of(hostile(build)) == rule


@pytest.mark.parametrize("name", NAMES)
def test_names_in_hdf5(name: str) -> None:
    assert rule_of(hostile(dataset(f"params/{name}", data=FLOATS))) == "name"


def test_names_that_are_no_text() -> None:
    def build(file: h5py.File) -> None:
        group = file.create_group("params")
        h5d.create(group.id, b"\xff\xfe", h5t.IEEE_F32LE, h5s.create_simple((2,)))

    assert rule_of(hostile(build)) == "layout"


def test_100_000_names_are_refused() -> None:
    assert rule_of(hostile(very_many_groups)) == "objects"


def with_reference_count(data: bytearray, header: int, count: int) -> bytearray:
    place = 512 + header + 4
    data[place : place + 4] = struct.pack("<I", count)
    return sealed_1(data)


def test_an_alias_that_claims_one_link() -> None:
    data = hostile(alias)
    with h5py.File(io.BytesIO(data), "r") as file:
        header = h5o.get_info(file["params/W"].id).addr
    assert rule_of(with_reference_count(data, header, 1)) == "overlap"


def test_a_cycle_that_claims_one_link() -> None:
    data = hostile(group_cycle)
    with h5py.File(io.BytesIO(data), "r") as file:
        header = h5o.get_info(file["params"].id).addr
    assert rule_of(with_reference_count(data, header, 1)) == "depth"


def test_schema_1_without_hdf5() -> None:
    for payload in (b"", b"x", b"\x89HDF\r\n\x1a\n", bytes(5000)):
        message = refusal(sealed_1(bytearray(512) + payload))
        assert message.startswith("layout: /: HDF5 cannot read it: ")


# --- mutants ----------------------------------------------------------------------------------

FUZZ = """
import json, random, sys
sys.path.insert(0, sys.argv[1])
from test_hostile import FLOATS
from rnnkit.checkpoint.image import build_image, read_image
from rnnkit.checkpoint.seal import seal, unseal
from rnnkit.errors import CheckpointError

state = {f"{part}/1.lstm/{name}": FLOATS for part in ("params", "state") for name in "WVb"}
image = bytes(build_image(state, {"meta": b"{}"}))
found = unseal(image, "")
chance = random.Random(3)
results = {}
tokens = [b'"', b",", b"[", b"]", b"{", b"}", b":", b"-", b"0", b"9" * 20, b"e99", b"null", b"/",
          b'"offset":', b"params/1.lstm/W", b"|u1", b"<f8", b"[" * 300, b" ", b"\\u0000"]
for number in range(int(sys.argv[2])):
    data, start, size = bytearray(image), found.index_start, found.index_size
    for _ in range(chance.randint(1, 6)):
        at = start + chance.randrange(max(size, 1))
        kind = number % 5
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            token = chance.choice(tokens)
            data[at : at + chance.choice((0, 1, len(token)))] = token
            size = len(data) - start
        elif kind == 2:
            digits = [i for i in range(start, start + size) if 48 <= data[i] < 58]
            data[chance.choice(digits)] = chance.randrange(48, 58)
        elif kind == 3:
            other = start + chance.randrange(size)
            data[at:at] = data[other : other + chance.randrange(1, 80)]
            size = len(data) - start
        else:
            data[chance.randrange(512, len(data))] = chance.randrange(256)
            words = (start, size, 0, 8, len(data), 1 << 20, 1 << 63, (1 << 64) - 1)
            start, size = (chance.choice(words) if chance.random() < 0.2 else n
                           for n in (start, size))
            start, size = start & ~7 if chance.random() < 0.5 else start, size
            seal(memoryview(data), start, size)
            break
    seal(memoryview(data), start, size)
    try:
        for array in read_image(data, "").arrays.values():
            array.tobytes()
        outcome = "loaded"
    except CheckpointError as error:
        outcome = error.problems[0].message.split(":")[0]
    results[outcome] = results.get(outcome, 0) + 1
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
results["MB"] = int(peak) >> 10
print(json.dumps(results))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc for its peak")
def test_mutants_are_loaded_or_refused() -> None:
    """Any other exception, a crash or a hang ends the process without its last line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FUZZ, str(Path(__file__).parent), "5000"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert outcomes.pop("MB") < 200
    assert sum(outcomes.values()) == 5000
    assert {"loaded", "index", "bounds", "overlap", "alignment", "dtype"} <= outcomes.keys()
