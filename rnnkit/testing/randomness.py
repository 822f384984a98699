"""Checks of where a layer's random numbers come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rnnkit.testing.compare import Comparison, Equal, close
from rnnkit.testing.report import Skipped
from rnnkit.testing.subject import Subject
from rnnkit.testing.window import NamedArrays, Window, forward_backward

_OTHERS: dict[str, Any] = {"seed": 123457, "step": 7, "path": "another"}


def repeatable(subject: Subject) -> Iterator[Comparison]:
    """Equal contexts give equal results, training or not."""
    for train in (True, False):
        first = forward_backward(subject.layer, subject.window(train=train))
        yield from close(forward_backward(subject.layer, subject.window(train=train)), first)


def steady(subject: Subject) -> Iterator[Comparison]:
    """Evaluation depends on no seed, step or path."""
    window = subject.window()
    wanted = forward_backward(subject.layer, window)
    for name, value in _OTHERS.items():
        yield from close(
            forward_backward(subject.layer, _with(window, name, value)), wanted, note=f", {name}"
        )


def random(subject: Subject) -> Iterator[Comparison]:
    """Where training differs from evaluation, every seed, step and path gives other numbers."""
    window = subject.window(train=True)
    drawn = forward_backward(subject.layer, window)
    if _same(drawn, forward_backward(subject.layer, subject.window())):
        raise Skipped("training and evaluation give the same: it draws nothing")
    for name, value in _OTHERS.items():
        other = forward_backward(subject.layer, _with(window, name, value))
        yield Equal(f"another {name} gives other numbers", not _same(other, drawn), True)


def _with(window: Window, name: str, value: Any) -> Window:
    return replace(window, ctx=replace(window.ctx, **{name: value}))


def _same(one: NamedArrays, two: NamedArrays) -> bool:
    return all(comparison.problem() is None for comparison in close(one, two))
