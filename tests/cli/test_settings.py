"""Threads and memory of a run: those that are asked for, or a rank's part of the machine."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from rnnkit.cli import training
from rnnkit.cli.training import Settings
from rnnkit.compute.ranks import Ranks


class Neighbours(Ranks):
    """The first of several ranks on one machine."""

    def __init__(self, neighbours: int) -> None:
        self.neighbours = neighbours


@pytest.mark.parametrize(
    ("threads", "neighbours", "limit"),
    [(None, 1, None), (None, 2, 3), (None, 4, 1), (None, 9, 1), (5, 1, 5), (5, 2, 5)],
)
def test_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int | None, neighbours: int, limit: int | None
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(training, "processors", lambda: 6)
    monkeypatch.setattr(
        training, "limited_threads", lambda count: asked.append(count) or nullcontext()
    )
    settings = Settings(None, None, None, None, threads, exact=False)
    with settings.limited(Neighbours(neighbours)):
        assert asked == [limit]


@pytest.mark.parametrize(
    ("given", "neighbours", "limit"),
    [(None, 1, None), (None, 4, 250), (77.9, 1, 77), (77.9, 4, 77)],
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch, given: float | None, neighbours: int, limit: int | None
) -> None:
    monkeypatch.setattr(training, "default_budget", lambda: 1001)
    settings = Settings(None, 3, 9.0, given, 1, exact=True, from_best=True)
    with settings.options(Neighbours(neighbours)) as options:
        assert options.max_memory == limit
        assert (options.exact, options.strict, options.from_best) == (True, False, True)
        assert (options.limits.max_steps, options.limits.max_seconds) == (3, 9.0)
