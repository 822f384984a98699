"""The proof of an export: the same inputs and states through rnnkit and through the other program.

Every export is run where it will run before it is kept, so that a gate in another order, or the
other form of a cell, is found here and not by its user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from rnnkit.core.context import Context
from rnnkit.errors import ThresholdError
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.types import Array, Params

TOLERANCE = 1e-5
"""The largest difference that is kept, relative to the largest output above 1."""

SHAPES = (1, 1), (13, 4), (50, 2)
"""Steps and streams of the windows that are compared."""

BEFORE = 9
"""Steps of the windows that leave the states with which these begin."""

Runner: TypeAlias = Callable[[Array, States], tuple[Array, States]]
"""`run(xs, states)` gives (ys, states) of the other program, as `Network.scan` takes and gives."""


@dataclass(frozen=True)
class Proof:
    """What was compared, by which program, and the largest difference that was found."""

    program: str
    compared: str
    largest: float
    tolerance: float = TOLERANCE

    def in_words(self) -> str:
        """Return one line for a person."""
        return (
            f"{self.compared} through rnnkit and {self.program}: "
            f"largest difference {self.largest:.1e} (at most {self.tolerance:.0e})"
        )

    def as_json(self) -> dict[str, Any]:
        """Return what is stored beside the export."""
        return asdict(self)

    def check(self) -> None:
        """Raise ThresholdError where the difference is too large, or no number."""
        if not self.largest <= self.tolerance:
            raise ThresholdError.of("EXPORT_DIFFERS", f"{self.in_words()}; nothing was kept")


def prove_network(
    network: Network, params: Mapping[str, Params], run: Runner, program: str, seed: int = 0
) -> Proof:
    """Compare windows of several (T, B) from states of others, and three carried ones with one.

    Raises ThresholdError where outputs or states differ by more than `TOLERANCE`.
    """
    largest, windows = 0.0, 0
    for xs, states in _cases(network, params, np.random.default_rng(seed)):
        ys, after, _ = network.scan(params, xs, states, None, Context())
        found, carried = run(xs, states)
        largest = max(largest, difference(ys, found), states_apart(after, carried))
        windows += 1
    if network.reads_later is None:
        largest = max(largest, _in_pieces(network, run, seed))
        windows += 1
    proof = Proof(program, f"{windows} windows", largest)
    proof.check()
    return proof


def difference(expected: Array, found: Array) -> float:
    """Return the largest difference, relative to the largest value where that is above 1.

    Arrays of other shapes and values that are not finite differ without bound.
    """
    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    if not expected.size:
        return 0.0
    apart = np.abs(expected.astype(np.float64) - found).max()
    return float(apart / max(1.0, np.abs(expected).max()))


def _cases(
    network: Network, params: Mapping[str, Params], random: np.random.Generator
) -> Iterator[tuple[Array, States]]:
    """Yield windows and the states before them, which others left: a cell may reach no other."""
    for steps, streams in SHAPES:
        states = network.initial_states(streams, np.dtype(np.float32))
        before = window(network, random, BEFORE, streams)
        _, states, _ = network.scan(params, before, states, None, Context())
        yield window(network, random, steps, streams), states


def window(network: Network, random: np.random.Generator, steps: int, streams: int) -> Array:
    """Return ids or values at random (T, B, ...), as a network reads them."""
    width = network.inputs.known()
    if network.inputs.ids:
        return random.integers(0, width, (steps, streams))
    return random.standard_normal((steps, streams, width)).astype(np.float32)


def _in_pieces(network: Network, run: Runner, seed: int) -> float:
    """Return how far three windows, the state carried by the other program, are from one."""
    xs = window(network, np.random.default_rng(seed + 1), 30, 2)
    first = network.initial_states(2, np.dtype(np.float32))
    whole, after = run(xs, first)
    parts, states = [], first
    for piece in np.split(xs, [7, 20]):
        ys, states = run(piece, states)
        parts.append(ys)
    return max(difference(whole, np.concatenate(parts)), states_apart(after, states))


def states_apart(expected: States, found: States) -> float:
    """Return the largest difference of two hidden states."""
    if {k: len(v) for k, v in expected.items()} != {k: len(v) for k, v in found.items()}:
        return float("inf")
    return max(
        (difference(a, b) for n in expected for a, b in zip(expected[n], found[n], strict=True)),
        default=0.0,
    )


def proofs_as_one(*proofs: Proof) -> Proof:
    """Return proofs by one program as one."""
    compared = " and ".join(proof.compared for proof in proofs)
    return Proof(proofs[0].program, compared, max(proof.largest for proof in proofs))
