"""Names to classes through entry points: listed without importing, loaded on first use.

rnnkit's own types are entry points of rnnkit's own distribution; there is no other road.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from typing import Any

from pydantic_core import PydanticUndefined

from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.contracts.schedule import Schedule
from rnnkit.contracts.tokenizer import Tokenizer
from rnnkit.core.block import Block
from rnnkit.core.distributions import offers
from rnnkit.core.installed import IMPORT_SECONDS, KINDS, Plugin, clash, installed
from rnnkit.core.names import IN_THE_LOSS, type_meant
from rnnkit.core.process_settings import settings_kept
from rnnkit.core.random_states import random_states
from rnnkit.core.source_digest import module_digest, package_digest
from rnnkit.core.stray_output import StrayOutput
from rnnkit.core.time_limit import TimeUp, time_limit
from rnnkit.errors import PluginError, printable, raised

GROUPS: dict[str, type[Block]] = {
    contract.entry_group: contract
    for contract in (Layer, Loss, Optimizer, Schedule, Dataset, Tokenizer)
}


FORMER: dict[type[Block], dict[str, str]] = {
    Layer: {"reading": "resolve", "sized": "resolve", "attending": "resolve"},
    Loss: {"counts": "decisions"},
}
"""Methods that are no longer asked, with what stands in their place."""


AUTHOR = "(tell its author)"


class Registry:
    """Finds classes by group and name, each loaded once and checked when it is loaded."""

    def __init__(
        self, plugins: Iterable[Plugin] | None = None, accepts_others: bool = False
    ) -> None:
        """List what is installed; `accepts_others`: to read checkpoints of other distributions."""
        self.plugins = tuple(installed() if plugins is None else plugins)
        self.accepts_others = accepts_others
        self._loaded: dict[tuple[str, str], type[Block]] = {}
        self._sources: dict[tuple[str, str], tuple[str | None, ...]] = {}
        self._too_slow: set[str] = set()

    def find(self, group: str, name: str) -> type[Block]:
        """Return the class of a type name; PluginError where it is missing, broken or clashes."""
        if (group, name) not in self._loaded:
            plugin = self.plugin(group, name)
            cls = self._loaded[group, name] = self._load(plugin)
            if plugin.distribution != "rnnkit":  # whose release tells it
                older = package_digest(cls, python_alone=True), module_digest(cls)
                self._sources[group, name] = package_digest(cls), *older
        return self._loaded[group, name]

    def _load(self, plugin: Plugin) -> type[Block]:
        """Import a plugin; a module that took too long once is not waited for again."""
        if plugin.module in self._too_slow:
            raise _too_slow(plugin)
        try:
            return load_plugin(plugin)
        except PluginError as error:
            if error.problems[0].code == "PLUGIN_TIMEOUT":
                self._too_slow.add(plugin.module)
            raise

    def source(self, group: str, name: str) -> str | None:
        """Return the digest of the package of a type, as it was when it was loaded.

        None where it has no file, and for rnnkit's own, whose release tells it.
        """
        self.find(group, name)
        return self._sources.get((group, name), (None,))[0]

    def has_source(self, group: str, name: str, digest: str) -> bool:
        """Tell whether a digest is that of a type's package, or one that older files hold."""
        self.find(group, name)
        return digest in self._sources.get((group, name), ())

    def plugin(self, group: str, name: str) -> Plugin:
        """Return where a name comes from, without importing it."""
        offers = [p for p in self.plugins if (p.group, p.name) == (group, name)]
        if not offers:
            raise PluginError.of("PLUGIN_NOT_FOUND", self._unknown(group, name))
        if len(offers) > 1:
            raise PluginError.of(*clash(offers))
        return offers[0]

    def foreign(self, block: Block) -> Plugin | None:
        """Return the plugin of a block, or of a layer inside it, that is not rnnkit's own."""
        plugin = self.plugin(block.entry_group, block.type)
        if plugin.distribution != "rnnkit":
            return plugin
        layers = block.inner().values() if isinstance(block, Layer) else ()
        return next(filter(None, map(self.foreign, layers)), None)

    def names(self, group: str) -> list[str]:
        """Return the type names of a group."""
        return sorted({p.name for p in self.plugins if p.group == group})

    def _unknown(self, group: str, name: str) -> str:
        names = self.names(group)
        near = type_meant(name, names)
        kind = KINDS[group]
        loss = IN_THE_LOSS.get(name, "") if kind == "layer" else ""
        return (
            f"no installed distribution provides the {kind} {printable(name)!r}; "
            + (f"did you mean {near!r}? " if near else "")
            + (f"the loss {loss!r} has it in it, leave the layer out; " if loss else "")
            + f"installed: {', '.join(names) or 'none'}"
            + ("; rnnkit doctor names what cannot be read" if offers().unused else "")
        )


def _imported(plugin: Plugin, point: metadata.EntryPoint) -> Any:
    """Import a plugin; say what it does to the whole process, of which some is undone."""
    if plugin.distribution == "rnnkit":
        return point.load()
    before = random_states()
    with settings_kept(lambda does: print(f"{plugin} {does} at import, which is undone {AUTHOR}")):
        found = point.load()
    if random_states() != before:
        print(f"{plugin} seeds the global random generator at import, or draws from it {AUTHOR}")
    return found


def load_plugin(plugin: Plugin) -> type[Block]:
    """Import a plugin and check that it keeps the contract of its group.

    Raises PluginError naming distribution, version and entry point, whatever the import does.
    """
    point = metadata.EntryPoint(plugin.name, plugin.target, plugin.group)
    try:
        # What a plugin prints while it is imported is no result of the command.
        with (
            redirect_stdout(StrayOutput()),
            redirect_stderr(StrayOutput(sys.stderr)),
            warnings.catch_warnings(),
            time_limit(IMPORT_SECONDS),
        ):
            # Pydantic's word for what is refused below, with what to do about it.
            warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
            found = _imported(plugin, point)
    except KeyboardInterrupt:
        raise
    except TimeUp:
        raise _too_slow(plugin) from None
    except BaseException as error:  # whatever a plugin thinks of
        raise PluginError.of(
            "PLUGIN_IMPORT",
            f"{plugin} failed to import: {raised(error, 200)} (update or uninstall it)",
        ) from error
    _check(plugin, found)
    cls: type[Block] = found
    return cls


def _too_slow(plugin: Plugin) -> PluginError:
    message = f"{plugin}: its import takes more than {IMPORT_SECONDS:g} s (update or uninstall it)"
    return PluginError.of("PLUGIN_TIMEOUT", message)


def _check(plugin: Plugin, found: object) -> None:
    contract = GROUPS[plugin.group]
    if not (inspect.isclass(found) and issubclass(found, contract)):
        problem = f"is no subclass of rnnkit's {contract.__name__}, but {printable(repr(found))}"
    elif (declared := found.model_fields["type"].default) is PydanticUndefined:
        problem = f'declares no type (type: Literal["{plugin.name}"] = "{plugin.name}")'
    elif declared != plugin.name:
        problem = f"declares the type {printable(str(declared))!r} under the name {plugin.name!r}"
    elif hidden := _hidden(found):
        problem = f"has the field {hidden!r}, which hides what a base class calls so "
        problem += "(a constant is a ClassVar; a field needs another name)"
    elif former := [pair for pair in FORMER.get(contract, {}).items() if hasattr(found, pair[0])]:
        problem = "has {}(), which is no longer asked (write {}())".format(*former[0])
    elif not isinstance(found.version, int) or found.version < 1:
        problem = f"has the version {found.version!r}, no whole number from 1"
    else:
        return
    raise PluginError.of("PLUGIN_API", f"{plugin} {problem} (tell its author)")


def _hidden(found: type[Block]) -> str | None:
    """Return a field that stands where a base class has a method or a constant."""
    for base in found.__mro__[1:]:
        for name in found.model_fields:
            if name in vars(base) and name not in getattr(base, "model_fields", {}):
                return name
    return None
