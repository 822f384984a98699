"""Watches the generators that all of a process share: what draws from them cannot be resumed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from rnnkit.errors import RefusedError

MESSAGE = (
    "a layer of a plugin draws from the global random generator, or seeds it: a resumed run will "
    "not draw the same numbers (tell its author: ctx.random() gives the same ones after a resume)"
)


@contextmanager
def watched(tell: Callable[[str], None], exact: bool, where: object) -> Iterator[None]:
    """Tell where the code inside used a global generator; raise RefusedError if `exact`."""
    before = _states()
    yield
    if _states() == before:
        return
    if exact:
        raise RefusedError.of("EXACT_RANDOM", f"--exact: {MESSAGE}", where)
    tell(MESSAGE)


def _states() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state()
    return (random.getstate(), kind, np.asarray(keys).tobytes(), *rest)
