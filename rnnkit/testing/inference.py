"""Checks of what runs where nothing is learned: `run`, and compiled stages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rnnkit.contracts.checked_layer import run_layer
from rnnkit.contracts.layer import Layer, may_ask
from rnnkit.testing.compare import EXACT, SINGLE, Comparison, Equal, close
from rnnkit.testing.purity import own_memory, remembered
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import FLOAT32, FLOAT64, Subject
from rnnkit.testing.window import ahead, numbered


def run_matches_scan(subject: Subject) -> Iterator[Comparison]:
    """Without a way back a layer gives what `scan` gives, and harms nothing it is given."""
    layer = subject.layer
    if type(layer).run is Layer.run and not may_ask(layer, "stages"):
        raise Skipped("it has no run() beside its scan()")
    types = ((FLOAT64, EXACT), (FLOAT32, SINGLE))
    for (dtype, tolerance), begins in itertools.product(types, (False, True)):
        window = subject.window(dtype=dtype, resets=begins)
        wanted, given = ahead(layer, window), remembered(window.arrays)
        resets = window["resets"] if begins else None
        own = window.params(), window["xs"], window.parts("state")
        ys, state = run_layer(layer, *own, resets, window.ctx)
        yield from given("run")
        yield from own_memory(ys, state, window)
        yield Equal("the type of what run gives", ys.dtype, dtype)
        yield from close({"ys": ys, **numbered("state", state)}, wanted, tolerance, " of run")
