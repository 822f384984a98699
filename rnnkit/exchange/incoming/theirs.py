"""A model of another program, as far as its file tells: layers with parameters as ours have them.

A reader of a format makes one `TheirModel`; what it cannot express it says, and raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from rnnkit.types import Array, Shape

Direction: TypeAlias = Literal["", "forward", "backward"]
"""Which way a cell runs inside a bidirectional layer; "" where it stands alone."""


@dataclass(frozen=True)
class TheirParameter:
    """A parameter laid out as ours, the arrays of the file that it is made of, and how."""

    values: Array
    theirs: tuple[str, ...]
    done: str = "as it is"


@dataclass(frozen=True)
class TheirLayer:
    """A layer of the file.

    `forms` has its parameters by the type of ours that they may be, of which there are several
    where a matrix alone does not tell; `usual` is the type that its name tells of, if any.
    `settings` are keys of our type that the file fixes, such as an activation.
    """

    name: str
    forms: Mapping[str, Mapping[str, TheirParameter]]
    usual: str = ""
    direction: Direction = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def shapes(self, kind: str) -> dict[str, Shape]:
        """Return the shapes of its parameters as a layer of ours of this type."""
        return {name: given.values.shape for name, given in self.forms[kind].items()}

    def arrays(self) -> list[str]:
        """Return the names of all arrays that it is made of."""
        parameters = [given for form in self.forms.values() for given in form.values()]
        return list(dict.fromkeys(name for given in parameters for name in given.theirs))


@dataclass(frozen=True)
class TheirModel:
    """All of a file.

    `arrays` are what it stores, by name. `ordered` says that the layers stand in the order in which
    they are run. `left` are arrays that no layer is made of; `wrong` says what cannot be expressed.
    `last` is an activation over what the last layer gives, "" for none.
    """

    format: str
    arrays: Mapping[str, Array]
    layers: tuple[TheirLayer, ...]
    ordered: bool = False
    left: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    last: str = ""
