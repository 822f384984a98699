"""Watches the generators that all of a process share: what draws from them cannot be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnnkit.core.random_states import random_states
from rnnkit.errors import RefusedError

MESSAGE = (
    "a layer of a plugin draws from the global random generator, or seeds it: a resumed run will "
    "not draw the same numbers (tell its author: ctx.random() gives the same ones after a resume)"
)


@contextmanager
def watched(tell: Callable[[str], None], exact: bool, where: object) -> Iterator[None]:
    """Tell where the code inside used a global generator; raise RefusedError if `exact`."""
    before = random_states()
    yield
    if random_states() == before:
        return
    if exact:
        raise RefusedError.of("EXACT_RANDOM", f"--exact: {MESSAGE}", where)
    tell(MESSAGE)
