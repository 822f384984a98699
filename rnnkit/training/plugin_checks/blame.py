"""Whose fault it is: a plugin is named in whatever goes wrong inside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rnnkit.core.installed import Plugin
from rnnkit.errors import PluginError, printable
from rnnkit.testing.compare import Comparison
from rnnkit.types import STORED_NAME


class Broken(Exception):
    """What a plugin did against the contract."""


@contextmanager
def blamed(plugin: Plugin, what: str, check: str = "") -> Iterator[None]:
    """Name `what` and the plugin in whatever goes wrong inside; `check` says what shows it."""
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        raise PluginError.of(
            "PLUGIN_CONTRACT",
            f"{what}, {plugin}: {printable(text, 300)} (tell its author{check})",
        ) from error


def insist(comparisons: Iterable[Comparison]) -> None:
    """Raise Broken at the first comparison that found something."""
    for comparison in comparisons:
        if problem := comparison.problem():
            raise Broken(problem)


def expect_name(what: str, name: object) -> None:
    """Raise Broken for a name that no checkpoint can hold."""
    if not isinstance(name, str) or not STORED_NAME.fullmatch(name):
        raise Broken(
            f"{what} has the name {name!r}, which no checkpoint can hold (1 to 128 of the letters "
            "A to Z and a to z, digits, '_', '.' and '-')"
        )
