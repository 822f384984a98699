"""What an optimizer of a plugin says of its slots is looked at before any is laid out."""

from __future__ import annotations

from typing import Any

import pytest

from rnnkit.builtin.optimizers.sgd import SGD
from rnnkit.contracts.optimizer import slot_names
from rnnkit.errors import PluginError


@pytest.mark.parametrize(
    ("slots", "shown"),
    [(None, "None"), (2, "2"), (["m"], "['m']"), ((1,), "(1,)"), (("m", "m"), "('m', 'm')")],
)
def test_what_names_no_slots_is_the_fault_of_the_plugin(slots: Any, shown: str) -> None:
    class Odd(SGD):
        def used_slots(self) -> Any:
            return slots

    with pytest.raises(PluginError) as caught:
        slot_names(Odd(lr=0.1))
    said = f"used_slots: expected a tuple of different names, received {shown} (tell its author)"
    assert caught.value.problems[0].code == "PLUGIN_CONTRACT"
    assert str(caught.value).endswith(said)


def test_slots_of_its_options_are_returned() -> None:
    assert slot_names(SGD(lr=0.1, momentum=0.9)) == SGD(lr=0.1, momentum=0.9).used_slots() != ()
