"""Places in a network of ours for layers of other programs: each layer that has parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnnkit.core.params import Declaration, ParamStore, Shared
from rnnkit.exchange.incoming.theirs import Direction
from rnnkit.exchange.pieces import Piece, pieces_of
from rnnkit.network.network import Network
from rnnkit.types import Shape


@dataclass(frozen=True)
class Slot:
    """A layer of ours, or one that a wrapper holds, such as `1.bidirectional.forward`.

    `own` has the shapes of the parameters that it stores, `paths` the names under which they are
    stored ("layer/name"). `tied` says of a parameter that it shares where it is stored; its shape
    in `shared` is that of an own one, (inputs, units) of a product.
    """

    name: str
    type: str
    settings: Mapping[str, Any]
    direction: Direction
    own: Mapping[str, Shape]
    paths: Mapping[str, str]
    shared: Mapping[str, Shape]
    tied: Mapping[str, str]
    tokens: bool
    """Whether it reads ids, so that it has a row for each of them."""

    @property
    def wanted(self) -> dict[str, Shape]:
        """All shapes, in one."""
        return {**self.own, **self.shared}


def slots_of(network: Network, store: ParamStore) -> list[Slot]:
    """Return the slots of a network in its order."""
    declared = network.declared()
    return [
        slot
        for piece in pieces_of(network, store.values)
        for slot in _slots(piece, piece.name, declared[piece.name], "", "")
        if slot.own
    ]


def _slots(
    piece: Piece, layer: str, declared: Declaration, prefix: str, direction: Direction
) -> Iterator[Slot]:
    links = {key: declared[prefix + key] for key in piece.arrays}
    shared = {key: link for key, link in links.items() if isinstance(link, Shared)}
    yield Slot(
        piece.name,
        piece.type,
        piece.settings,
        direction,
        {key: array.shape for key, array in piece.arrays.items() if key not in shared},
        {key: f"{layer}/{prefix}{key}" for key in piece.arrays if key not in shared},
        {key: piece.arrays[key].shape[::-1] for key in shared},
        {key: f"{link.layer}/{link.name}" for key, link in shared.items()},
        piece.reads.ids,
    )
    for key, held in piece.held.items():
        way: Direction = direction
        if piece.type == "bidirectional":
            way = "backward" if key == "backward" else "forward"
        yield from _slots(held, layer, declared, f"{prefix}{key}.", way)
