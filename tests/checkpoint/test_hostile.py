"""Files made to harm: sealed correctly, refused by their structure, and nothing else opened."""

import ctypes
import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5g, h5o, h5p, h5s, h5t, h5z

import rnnkit.errors
from rnnkit.checkpoint.image import build_image, read_image
from rnnkit.checkpoint.seal import seal
from rnnkit.errors import CheckpointError

ROOT = Path(rnnkit.errors.__file__).parents[1]
FLOATS = np.arange(6, dtype="f4")
Build = Callable[[h5py.File], None]


def hostile(build: Build, attributes: bool = True, **options: Any) -> bytearray:
    """Build a file with h5py and seal it as its attacker would."""
    buffer = io.BytesIO()
    options = {"libver": ("earliest", "v110")} | options
    with h5py.File(buffer, "w", userblock_size=512, **options) as file:
        if attributes:
            file.attrs.create("format", np.bytes_("rnnkit"))
            file.attrs.create("schema", 1, dtype="<i8")
        build(file)
    return sealed(bytearray(buffer.getvalue()))


def sealed(data: bytearray) -> bytearray:
    seal(memoryview(data))
    return data


def refusal(data: bytearray) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_image(data, "x.h5")
    (problem,) = caught.value.problems
    assert problem.code == "CKPT_STRUCTURE"
    assert problem.message.isprintable()
    return problem.message


def rule_of(data: bytearray) -> str:
    return refusal(data).split(":")[0]


def test_the_corpus_starts_from_a_file_that_loads() -> None:
    def build(file: h5py.File) -> None:
        file["params/W"] = FLOATS
        file.create_group("state/empty")
        file.create_dataset("meta", data=np.zeros(4, "u1"))

    loaded = read_image(hostile(build), "")
    assert np.array_equal(loaded.arrays["params/W"], FLOATS)
    assert loaded.blobs == {"meta": bytes(4)}
    assert rule_of(hostile(build, libver="latest")) == "layout"


# --- files that point elsewhere ------------------------------------------------------------


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
    "external storage": (external_storage("secret"), "external-storage"),
    "external storage on a FIFO": (external_storage("fifo"), "external-storage"),
    "external storage on /dev/zero": (external_storage("/dev/zero"), "external-storage"),
    "external storage, relative": (external_storage("../../secret"), "external-storage"),
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
    assert rule_of(data) == ("layout" if newest else rule)
    assert watch.events() == 0


# --- files that are not what rnnkit writes -----------------------------------------------------


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


def attribute(owner: str, **kwargs: Any) -> Build:
    def build(file: h5py.File) -> None:
        file["params/W"] = FLOATS
        file[owner].attrs.create(**kwargs)

    return build


STRUCTURES: dict[str, tuple[Build, str]] = {
    "soft link": (link("/other"), "link"),
    "soft cycle": (link("/params"), "link"),
    "dangling link": (link("/nowhere"), "link"),
    "hard cycle": (hard_cycle, "alias"),
    "group in itself": (group_cycle, "alias"),
    "hard alias": (alias, "alias"),
    "chunked": (dataset(shape=(8,), dtype="f4", chunks=(4,)), "layout"),
    "unallocated chunks": (dataset(shape=(8,), dtype="f4", chunks=(4,), fillvalue=7), "layout"),
    "huge chunked": (dataset(shape=(1 << 40,), dtype="f4", chunks=(1024,)), "layout"),
    "huge, unallocated": (late((1 << 40,)), "layout"),
    "unallocated": (late((8,)), "layout"),
    "compact": (compact, "layout"),
    "resizable": (dataset(shape=(8,), maxshape=(None,), dtype="f4"), "layout"),
    "gzip bomb": (dataset(data=np.zeros(32 << 20, "u1"), compression=9), "filter"),
    "checksum": (dataset(data=FLOATS, fletcher32=True), "filter"),
    "shuffle": (dataset(data=FLOATS, shuffle=True), "filter"),
    "scale-offset": (dataset(data=np.arange(99), scaleoffset=True), "filter"),
    "unknown filter": (unknown_filter, "filter"),
    "big-endian": (dataset(data=FLOATS.astype(">f4")), "dtype"),
    "long double": (dataset(data=FLOATS.astype(np.longdouble)), "dtype"),
    "strange float": (odd_float, "dtype"),
    "bool": (dataset(data=np.zeros(3, bool)), "dtype"),
    "complex": (dataset(data=np.zeros(3, "c8")), "dtype"),
    "compound": (dataset(data=np.zeros(3, [("a", "f4"), ("b", "i8")])), "dtype"),
    "array type": (dataset(shape=(3,), dtype=np.dtype(("f4", (2,)))), "dtype"),
    "fixed text": (dataset(data=np.array([b"text"])), "dtype"),
    "text": (dataset(data=["a", "b"], dtype=h5py.string_dtype()), "dtype"),
    "variable length": (dataset(shape=(3,), dtype=h5py.vlen_dtype("f4")), "dtype"),
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
    "attribute on an array": (attribute("params/W", name="a", data=1), "attr"),
    "attribute on a group": (attribute("params", name="a", data=1), "attr"),
    "third attribute": (attribute("/", name="a", data=1), "attr"),
    "pickle in an attribute": (attribute("/", name="a", data=np.void(b"cos\nsystem")), "attr"),
    "attribute of 60 kB": (attribute("/", name="schema", data=np.zeros(60_000, "u1")), "attr"),
    "schema 0": (attribute("/", name="schema", data=np.int64(0)), "attr"),
    "schema of 4 bytes": (attribute("/", name="schema", data=np.int32(1)), "attr"),
    "schema in a list": (attribute("/", name="schema", data=np.ones(1, "i8")), "attr"),
    "schema as text": (attribute("/", name="schema", data="1"), "attr"),
    "another format": (attribute("/", name="format", data=np.bytes_("rnnkat")), "attr"),
    "format of any length": (attribute("/", name="format", data="rnnkit"), "attr"),
}
NAMES = ["..", ".hidden", "a b", "a\nb", "-a", "\u202eW", "lstм", "x" * 129, "\x1b[31m", "con:"]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name: str) -> None:
    build, rule = STRUCTURES[name]
    assert rule_of(hostile(build)) == rule


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert rule_of(hostile(dataset(f"params/{name}", data=FLOATS))) == "name"


def test_names_that_are_no_text() -> None:
    def build(file: h5py.File) -> None:
        group = file.create_group("params")
        h5d.create(group.id, b"\xff\xfe", h5t.IEEE_F32LE, h5s.create_simple((2,)))

    assert rule_of(hostile(build)) == "name"


def test_100_000_names_are_refused() -> None:
    assert rule_of(hostile(very_many_groups)) == "objects"


def test_a_big_attribute_is_refused_unread() -> None:
    big = attribute("/", name="schema", data=np.zeros(4 << 20, "u1"))
    assert rule_of(hostile(big, libver="latest")) == "layout"


def test_an_array_with_a_clock_is_refused() -> None:
    timed = hostile(dataset(data=FLOATS, track_times=True))
    assert "received header messages 0x1 0x3 0x5 0x8 0x12" in refusal(timed)


def test_attributes_are_needed() -> None:
    assert rule_of(hostile(lambda file: None, attributes=False)) == "attr"


def test_two_attributes_with_other_names() -> None:
    def build(file: h5py.File) -> None:
        file.attrs.create("schema", 1, dtype="<i8")
        file.attrs.create("farmat", np.bytes_("rnnkit"))

    assert rule_of(hostile(build, attributes=False)) == "attr"


# --- files that no library writes: bytes changed by hand, then sealed -----------------------


def two_arrays() -> tuple[bytearray, dict[str, int]]:
    """Return a good file and where its two arrays and its group lie."""
    data = bytearray(build_image({"params/V": FLOATS * 2, "params/W": FLOATS}, {}))
    with h5py.File(io.BytesIO(data), "r") as file:
        places = {name: file["params"][name].id.get_offset() - 512 for name in "VW"}
        places["header of W"] = h5o.get_info(file["params/W"].id).addr
        places["header of params"] = h5o.get_info(file["params"].id).addr
    return data, places


def moved(place: int, size: int = FLOATS.nbytes) -> bytearray:
    """Give W another address and size."""
    data, places = two_arrays()
    layout = struct.pack("<QQ", places["W"], FLOATS.nbytes)
    assert data.count(layout) == 1
    return sealed(data.replace(layout, struct.pack("<QQ", place, size)))


def test_two_arrays_in_the_same_bytes() -> None:
    _, places = two_arrays()
    assert rule_of(moved(places["V"])) == "overlap"
    assert rule_of(moved(places["V"] + FLOATS.nbytes - 1)) == "overlap"
    assert rule_of(moved(places["V"] - FLOATS.nbytes + 1)) == "overlap"


def test_an_array_beyond_the_end() -> None:
    data, _ = two_arrays()
    for place in (len(data) - 512 - FLOATS.nbytes + 1, len(data), 1 << 40, (1 << 63) - 600):
        assert rule_of(moved(place)) in ("bounds", "layout")


def test_an_array_in_the_header() -> None:
    assert rule_of(moved((1 << 64) - 512)) in ("bounds", "layout")


def test_an_array_of_another_size() -> None:
    for size in (0, 1, FLOATS.nbytes - 1, FLOATS.nbytes + 1, 1 << 40):
        assert rule_of(moved(two_arrays()[1]["W"], size)) == "layout"


def with_reference_count(data: bytearray, header: int, count: int) -> bytearray:
    place = 512 + header + 4
    data[place : place + 4] = struct.pack("<I", count)
    return sealed(data)


def test_an_alias_that_claims_one_link() -> None:
    data = hostile(alias)
    with h5py.File(io.BytesIO(data), "r") as file:
        header = h5o.get_info(file["params/W"].id).addr
    assert rule_of(with_reference_count(data, header, 1)) == "alias"


def test_a_cycle_that_claims_one_link() -> None:
    data = hostile(group_cycle)
    with h5py.File(io.BytesIO(data), "r") as file:
        header = h5o.get_info(file["params"].id).addr
    assert rule_of(with_reference_count(data, header, 1)) == "alias"


def test_an_object_that_claims_no_link() -> None:
    data, places = two_arrays()
    assert rule_of(with_reference_count(data, places["header of W"], 7)) == "alias"


def test_a_tree_of_names_that_is_not_one() -> None:
    data, _ = two_arrays()
    for old, new in ((b"SNOD\1", b"SNOD\2"), (b"TREE\0", b"TREE\1"), (b"HEAP\0", b"HEAP\1")):
        assert data.count(old) >= 2
        assert rule_of(sealed(data.replace(old, new))) == "objects"


def test_a_tree_of_names_that_claims_more_than_any_file_needs() -> None:
    data, _ = two_arrays()
    tree = data.index(b"TREE")
    data[tree + 6 : tree + 8] = b"\xff\xff"
    assert "nodes in the trees" in refusal(sealed(data + bytes(1 << 20)))


def test_headers_of_another_form() -> None:
    data, places = two_arrays()
    header, group = (512 + places[f"header of {name}"] for name in ("W", "params"))
    shape = data.index(struct.pack("<BBBxIQQ", 1, 1, 1, 0, 6, 6), header)
    cases = {
        header: (b"\2", "objects"),
        shape: (b"\2", "shape"),
        shape + 1: (b"\2", "shape"),
        shape + 16: (b"\7", "shape"),
        group + 8: (struct.pack("<IIHH", 16, 0, 0x11, 8), "objects"),
    }
    for place, (change, rule) in cases.items():
        changed = data.copy()
        changed[place : place + len(change)] = change
        assert rule_of(sealed(changed)) == rule, place


def test_hdf5_further_behind_is_not_searched_for() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=1024) as file:
        file.attrs.create("format", np.bytes_("rnnkit"))
        file.attrs.create("schema", 1, dtype="<i8")
    assert "expected an HDF5 file at offset 512" in refusal(sealed(bytearray(buffer.getvalue())))


def test_cut_short_and_sealed_again() -> None:
    good = build_image({"params/W": FLOATS}, {"meta": b"{}"})
    for length in range(513, len(good), 97):
        assert rule_of(sealed(bytearray(good[:length]))) == "bounds"


# --- mutants ----------------------------------------------------------------------------------

FUZZ = """
import json, random, sys
sys.path.insert(0, sys.argv[1])
from test_hostile import FLOATS, alias, dataset, deep, hostile, sealed
from rnnkit.checkpoint.image import build_image, read_image
from rnnkit.errors import CheckpointError

state = {f"{part}/1.lstm/{name}": FLOATS for part in ("params", "state") for name in "WVb"}
seeds = [
    bytearray(build_image(state, {"meta": b"{}"})),
    hostile(dataset(data=FLOATS)),
    hostile(alias),
    hostile(deep(4)),
]
chance = random.Random(3)
results = {}
for number in range(int(sys.argv[2])):
    data = bytearray(seeds[number % len(seeds)])
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(512, len(data))
        width = chance.choice((1, 1, 2, 4, 8))
        word = chance.randrange(512, len(data)).to_bytes(8, "little")
        special = chance.choice((bytes(8), b"\\xff" * 8, chance.randbytes(8), b"\\1" * 8, word))
        data[place:place + width] = special[:width]
    del data[max(520, len(data) - chance.choice((0, 0, 0, 1, 99))):]
    try:
        for array in read_image(sealed(data), "").arrays.values():
            array.tobytes()
        outcome = "loaded"
    except CheckpointError as error:
        outcome = error.problems[0].message.split(":")[0]
    results[outcome] = results.get(outcome, 0) + 1
print(json.dumps(results))
"""


def test_mutants_are_loaded_or_refused() -> None:
    """Any other exception, a crash or a hang ends the process without its last line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FUZZ, str(Path(__file__).parent), "4000"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert sum(outcomes.values()) == 4000
    assert {"loaded", "bounds", "objects", "name", "layout", "dtype", "alias"} <= outcomes.keys()
