"""The specs of the modes learn what they are there to show; shortened where that is long."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import measured


def test_flowers_are_told_apart(tmp_path: Path) -> None:
    assert measured("iris", tmp_path / "run")["accuracy"] > 0.94


def test_a_number_unrolls_to_its_word(tmp_path: Path) -> None:
    assert measured("words", tmp_path / "run", split="train")["exact_match"] == 1


def test_reviews_are_told_apart(tmp_path: Path) -> None:
    assert measured("reviews", tmp_path / "run", "train.epochs=8")["accuracy"] > 0.95


def test_later_steps_help_to_tag(tmp_path: Path) -> None:
    both = measured("tags", tmp_path / "both", "train.epochs=6")
    ahead = 'model.layers[1]={"type": "lstm", "units": 32}'
    online = measured("tags", tmp_path / "online", "train.epochs=6", ahead)
    assert online["f1"] < 0.8 < 0.97 < both["f1"]


def test_an_echo_is_told_online(tmp_path: Path) -> None:
    found = measured("echo", tmp_path / "run", "data.train=600", "train.epochs=5")
    assert found["accuracy"] > 0.95


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_two_numbers_are_found_and_added(cell: str, tmp_path: Path) -> None:
    short = ["data.length=10", "data.train=4000", "train.epochs=5", "train.streams=20"]
    assert measured(f"adding_{cell}", tmp_path / "run", *short)["mse"] < 0.01
