"""A file that is not there: which was meant, or that an address is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular
from rnnkit.files.missing import address, beside, missing


def test_a_file_of_a_like_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.json").touch()
    asked = tmp_path / "modle.json"
    said = f"no such file; check the path; did you mean {tmp_path}/model.json?"
    assert missing(asked) == said
    assert beside(tmp_path / "model.json") == "" == beside(tmp_path / "other.txt")
    assert missing(tmp_path / "none" / "model.json") == "no such file; check the path"
    assert beside(tmp_path / "model.jsn") == said[said.index("; did") :]
    for far in ("nope.json", "other.json", "mode/model.json", "model.json/x", "a\0b"):
        assert beside(tmp_path / far) == ""


def test_a_folder_of_the_path_may_be_misspelt(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "text.txt").touch()
    monkeypatch.chdir(tmp_path)
    meant = "; did you mean data/raw/text.txt?"
    for asked in ("dta/raw/text.txt", "data/raws/text.txt", "Data/raw/txet.txt"):
        assert beside(Path(asked)) == meant
        assert beside(tmp_path / asked) == f"; did you mean {tmp_path}/data/raw/text.txt?"
    assert beside(Path("data/other/text.txt")) == "" == beside(Path("../x/none.txt"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("https:/host/a.csv", "https://host/a.csv"),
        ("/home/me/s3:/bucket/a.csv", "s3://bucket/a.csv"),
        ("https://host/a.csv", "https://host/a.csv"),
        ("data/a.csv", ""),
        ("xhttps:/a", ""),
    ],
)
def test_an_address_is_shown_whole(path: str, shown: str) -> None:
    assert address(path) == shown


def test_an_address_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_regular(tmp_path / "https://host/a.csv", 10, DataError, "DATA")
    assert str(caught.value) == (
        "https://host/a.csv [DATA_NOT_FOUND] no such file: an address is not read "
        "(download it, and give the path of the file)"
    )
