"""Which types are installed, from the metadata of distributions: nothing is imported to know it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from traceback import walk_tb

from rnnkit.core.distributions import offers

KINDS = {
    "rnnkit.layers": "layer",
    "rnnkit.losses": "loss",
    "rnnkit.optimizers": "optimizer",
    "rnnkit.schedules": "schedule",
    "rnnkit.datasets": "dataset",
    "rnnkit.tokenizers": "tokenizer",
}
"""Every entry-point group, and the word for what it offers."""

ARGUMENTS = re.compile(r"(\w+)(?:\.[\w.<>]+)?\(\) (?:takes|missing|got) ")
"""How Python names what was called with other arguments than it takes, the outermost name first."""

IMPORT_SECONDS = 60.0
"""How long the import of a plugin may take."""


@dataclass(frozen=True, order=True)
class Plugin:
    """Where a type name comes from."""

    group: str
    name: str
    distribution: str
    version: str
    target: str

    @property
    def kind(self) -> str:
        """The group as a word: layer, loss, ..."""
        return KINDS[self.group]

    @property
    def module(self) -> str:
        """The module that an import of it runs."""
        return self.target.partition(":")[0]

    def __str__(self) -> str:
        """Return the phrase that names a plugin in messages."""
        return f"{self.name} of {self.distribution} {self.version} ({self.target})"


def installed() -> tuple[Plugin, ...]:
    """Return every plugin of every group, sorted."""
    found = {
        Plugin(point.group, point.name, offer.name, offer.version, point.value)
        for offer in offers().used
        for point in offer.points
        if point.group in KINDS
    }
    return tuple(sorted(found))


def origin(group: str, name: str) -> Plugin | None:
    """Return the plugin that offers a type, the first of several; None where nobody does."""
    return next((p for p in installed() if (p.group, p.name) == (group, name)), None)


def blame(error: BaseException, itself: bool = False) -> str:
    """Return the last line of a plugin, not rnnkit's own, that an error came through; "" if none.

    Such as "line 12 of rnnkit_odd, rnnkit-odd 1.0"; with `itself` only where the plugin called what
    raised it, not code of rnnkit. Of a function that was called with other arguments than it takes
    no line has run: it is found by its name.
    """
    plugins, found = _owners(), ""
    for frame, line in walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
        if plugin := plugins.get(module.partition(".")[0]):
            found = f"line {line} of {module}, {plugin.distribution} {plugin.version}"
        elif itself and module.startswith("rnnkit."):
            found = ""
    # What a generator must not raise Python turns into an error of its own.
    return found or (blame(error.__cause__) if error.__cause__ else _uncallable(error, plugins))


def _uncallable(error: BaseException, plugins: Mapping[str, Plugin]) -> str:
    """Return the module of a plugin whose function an error says to take other arguments."""
    if not isinstance(error, TypeError) or not (called := ARGUMENTS.match(str(error))):
        return ""
    for name, module in list(sys.modules.items()):
        if plugin := plugins.get(name.partition(".")[0]):
            if getattr(vars(module).get(called[1]), "__module__", "") == name:
                return f"{name}, {plugin.distribution} {plugin.version}"
    return ""


def owner(module: str) -> Plugin | None:
    """Return a plugin, not rnnkit's own, whose package holds a module; None where there is none."""
    return _owners().get(module.partition(".")[0])


def _owners() -> dict[str, Plugin]:
    """Return a plugin, not rnnkit's own, by the outermost name of its module."""
    return {
        plugin.module.partition(".")[0]: plugin
        for plugin in reversed(installed())
        if plugin.distribution != "rnnkit"
    }


def misplaced() -> list[str]:
    """Return a sentence for each entry point in a group that sounds like one of rnnkit's."""
    return [
        f"{point.name!r} of {offer.name} is in {point.group}, which rnnkit does not read "
        f"(its groups: {', '.join(KINDS)})"
        for offer in sorted(offers().used, key=lambda offer: offer.name)
        for point in offer.points
        if point.group not in KINDS
    ]


def clashes(plugins: Sequence[Plugin]) -> list[tuple[str, str]]:
    """Return the code and a sentence for each name that more than one distribution offers."""
    offers: dict[tuple[str, str], list[Plugin]] = {}
    for plugin in plugins:
        offers.setdefault((plugin.group, plugin.name), []).append(plugin)
    return [clash(offered) for offered in offers.values() if len(offered) > 1]


def clash(offers: Sequence[Plugin]) -> tuple[str, str]:
    """Return the code and the sentence for one name with several offers."""
    own = any(plugin.distribution == "rnnkit" for plugin in offers)
    packages = dict.fromkeys(f"{plugin.distribution} {plugin.version}" for plugin in offers)
    who, advice = " and by ".join(packages), "uninstall all but one"
    if len(packages) == 1:
        who += f" {len(offers)} times, as {' and '.join(plugin.target for plugin in offers)}"
        advice = "its author has to take all but one out"
    return (
        "PLUGIN_SHADOWS_BUILTIN" if own and len(packages) > 1 else "PLUGIN_AMBIGUOUS",
        f"{offers[0].kind} {offers[0].name!r} is offered by {who} ({advice})",
    )
