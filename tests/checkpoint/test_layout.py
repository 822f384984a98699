"""Where arrays may lie in a file and how large they may be: the last allowed, the first not."""

from __future__ import annotations

import pytest

from rnnkit.checkpoint.layout import Extent, check_bounds, check_entries
from rnnkit.checkpoint.seal import HEADER_SIZE
from rnnkit.errors import CheckpointError

END = HEADER_SIZE + 24


def extent(name: str, offset: int, count: int = 1, dtype: str = "<f8") -> Extent:
    return Extent(name, dtype, (count,), offset)


A, B = extent("p/a", HEADER_SIZE), extent("p/b", HEADER_SIZE + 8, 2)


def test_arrays_may_fill_the_file_to_its_last_byte() -> None:
    check_bounds([B, A, extent("p/none", 3, 0), extent("p/far", 1 << 60, 0)], END, "x.h5")


@pytest.mark.parametrize(
    ("extents", "size", "said"),
    [
        ([extent("p/a", HEADER_SIZE - 8)], END, "bounds: p/a: expected it within the file, rec"),
        ([A, B], END - 1, "bounds: p/b: expected it within the file, received bytes 520 and on"),
        ([A, extent("p/b", END)], END, "bounds: p/b"),
        ([extent("p/a", HEADER_SIZE + 4)], END, "alignment: p/a: expected it at a multiple of 8, "),
        ([A, extent("p/b", HEADER_SIZE)], END, "overlap: p/b: its bytes are also those of p/a"),
        ([B, extent("p/c", HEADER_SIZE + 16)], END, "overlap: p/c: its bytes are also those of p/"),
        ([A, extent("p/b", HEADER_SIZE + 8, 9, "|u1"), extent("p/c", HEADER_SIZE + 16)], END, "ov"),
    ],
)
def test_no_array_leaves_the_file_or_shares_a_byte(
    extents: list[Extent], size: int, said: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        check_bounds(extents, size, "x.h5")
    assert str(caught.value).startswith(f"x.h5 [CKPT_STRUCTURE] {said}")


@pytest.mark.parametrize(("name", "most"), [("meta", 4 << 20), ("vocabulary", 64 << 20)])
def test_a_text_may_be_as_large_as_its_limit(name: str, most: int) -> None:
    check_entries([Extent(name, "|u1", (most,))], "")
    said = f"size: {name}: expected at most {most:,} bytes, received {most + 1:,}"
    with pytest.raises(CheckpointError, match=said):
        check_entries([Extent(name, "|u1", (most + 1,))], "")
    for other in (
        Extent(name, "<f4", (4,)),
        Extent(name, "|u1", (4, 1)),
        Extent(name, "|i1", (4,)),
    ):
        with pytest.raises(CheckpointError, match=f"shape: {name}: expected bytes beside the grou"):
            check_entries([other], "")


def test_a_shape_may_be_as_large_as_numpy_takes() -> None:
    check_entries([Extent("p/a", "<f8", (2**60 - 1,)), Extent("p/b", "|u1", (2**60 - 1, 0))], "")
    for shape in ((2**60,), (2**60, 0), (2**30, 2**30)):
        with pytest.raises(CheckpointError, match="shape: p/a: received the shape"):
            check_entries([Extent("p/a", "|u1", shape)], "")
