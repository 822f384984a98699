"""What a run begins with: drawn, read from vectors, taken from another model, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnkit.checkpoint.begun import Begun
from rnnkit.checkpoint.meta import nested_blocks
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.layer import Layer
from rnnkit.core.initializers import Vectors
from rnnkit.core.params import ParamStore
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec

if TYPE_CHECKING:
    from rnnkit.training.initial.donor import Donor


@dataclass(frozen=True)
class InitialValues:
    """Written over parameters that were drawn; `begun` says where they come from.

    `notes` tell of plugins that are not what they were.
    """

    begun: Begun | None = None
    writes: tuple[Callable[[ParamStore], None], ...] = ()
    notes: tuple[str, ...] = ()

    def in_words(self, spec: Spec) -> list[str]:
        """Return what is told of it, also of frozen layers that stay as they are drawn."""
        if self.begun is None:
            return []
        frozen = [name for name, rate in spec.train.rates().items() if not rate]
        return [*self.notes, *self.begun.in_words(), *_frozen_as_drawn(self.begun, frozen)]

    def write(self, store: ParamStore) -> None:
        """Write them."""
        for write in self.writes:
            write(store)


def initial_files(spec: Spec) -> list[str]:
    """Return the files that a run of a spec begins with, as the spec names them."""
    start = spec.train.start
    layers = [block for _, block in nested_blocks(spec, ()) if isinstance(block, Layer)]
    found = [
        init.path for layer in layers for init in layer.init.values() if isinstance(init, Vectors)
    ]
    return [*([start.from_] if start and start.from_ else []), *dict.fromkeys(found)]


def initial_values(
    spec: Spec, network: Network, source: Source, donor: Donor | None, root: Path
) -> InitialValues:
    """Return what the parameters of a network begin with; `spec` has its widths still open.

    Raises CheckpointError and DataError for what cannot be taken.
    """
    if not donor and not initial_files(spec):
        return InitialValues()
    from rnnkit.training.initial.transfer import transfer
    from rnnkit.training.initial.vectors import given_rows

    taken = transfer(spec, network, source, donor) if donor else None
    rows = given_rows(network, source.vocabulary, root)
    if not rows and taken is None:
        return InitialValues()
    begun = Begun(other=taken.facts if taken else None, vectors=tuple(each.facts for each in rows))
    writes = [each.write for each in rows] + ([taken.write] if taken else [])
    return InitialValues(begun, tuple(writes), donor.notes if donor else ())


def _frozen_as_drawn(begun: Begun, frozen: Sequence[str]) -> Iterator[str]:
    if begun.other is None:
        return
    read = {each.layer for each in begun.vectors}
    new = {layer.ours: layer.new for layer in begun.other.taken}
    for name in frozen:
        if name in begun.other.fresh and name not in read:
            yield f"{name} is frozen as it is drawn"
        elif new.get(name) and name not in read:
            yield f"{name} is frozen, so its {new[name]:,} new rows stay as they are drawn"
