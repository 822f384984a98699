"""What a run began with, as its checkpoint keeps it."""

from __future__ import annotations

from rnnkit.checkpoint.begun import Begun, ImportedParameter, ImportedWeights

ROW = ImportedParameter(ours="a/W", theirs=("a.weight", "a.bias"), done="transposed")
FILE = ImportedWeights(file="m.pt", format="PyTorch", sha256="0" * 64, parameters=(ROW,))


def test_what_was_imported_is_kept() -> None:
    begun = Begun(imported=FILE)
    stored = begun.model_dump(mode="json")
    assert stored["imported"]["parameters"] == [
        {"ours": "a/W", "theirs": ["a.weight", "a.bias"], "done": "transposed"}
    ]
    assert Begun.model_validate_json(begun.model_dump_json()) == begun


def test_what_was_not_imported_is_left_out_as_older_releases_do() -> None:
    assert set(Begun().model_dump()) == {"other", "vectors"}
    assert Begun.model_validate_json('{"other": null, "vectors": []}') == Begun()
