"""Does what a spec says of the start name the layers of its model?"""

from __future__ import annotations

import json
from collections.abc import Iterator

from rnnkit.errors import Path
from rnnkit.spec.hints import near_hint
from rnnkit.spec.locations import Draft
from rnnkit.spec.stack_check import LAYERS, layer_paths

START: Path = ("train", "start")
STACKS: dict[str, Path] = {
    "": LAYERS,
    "encoder.": ("model", "encoder", "layers"),
    "decoder.": ("model", "decoder", "layers"),
}
"""Where layers stand, by what their names begin with."""


def check_start(draft: Draft) -> None:
    """Report on the draft what names no layer of the model."""
    if draft.get(START) is None or draft.broken(START):
        return
    known = list(_names(draft))
    if None in known:  # told elsewhere
        return
    names = [name for name in known if name]
    for path, name in _named(draft):
        if name not in names:
            message = f"{json.dumps(name)} is no layer of the model (there is {', '.join(names)})"
            draft.report(path, "SPEC_INCONSISTENT", message + near_hint(name, names))


def _names(draft: Draft) -> Iterator[str | None]:
    """Yield the name of each layer; None where it has none that is valid."""
    for prefix, stack in STACKS.items():
        for at, path in enumerate(layer_paths(draft, stack)):
            own, kind = draft.get((*path, "name")), draft.get((*path, "type"))
            name = own if own is not None else f"{prefix}{at}.{kind}"
            yield name if isinstance(name, str) and isinstance(kind, str) else None


def _named(draft: Draft) -> Iterator[tuple[Path, str]]:
    """Yield the layers that the start names, with the places of their names."""
    for at, name in enumerate(draft.get((*START, "freeze")) or ()):
        yield (*START, "freeze", at), str(name)
    for key in ("rates", "layers"):
        for name in draft.get((*START, key)) or ():
            yield (*START, key, name), str(name)
