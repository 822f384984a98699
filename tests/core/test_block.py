"""Whether a shortcut of a block still does what the methods do that it stands for."""

from __future__ import annotations

from rnnkit.core.block import Block, stands_for


class Plain(Block):
    def short(self) -> int:
        return 1

    def forward(self) -> int:
        return 1

    def scan(self) -> int:
        return 1


class OtherForward(Plain):
    def forward(self) -> int:
        return 2


class OtherScan(Plain):
    def scan(self) -> int:
        return 2


class OwnShort(OtherScan):
    def short(self) -> int:
        return 2


class OtherOfBoth(OwnShort):
    def forward(self) -> int:
        return 3


def test_a_subclass_that_changes_any_of_the_methods_does_not_keep_the_shortcut() -> None:
    kinds = (Plain, OtherForward, OtherScan, OwnShort, OtherOfBoth)
    kept = [stands_for(kind(type="x"), "short", "forward", "scan") for kind in kinds]
    assert kept == [True, False, False, True, False]
    assert stands_for(OtherForward(type="x"), "short", "scan")
