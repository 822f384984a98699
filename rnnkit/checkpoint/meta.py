"""What a checkpoint says besides its arrays, as canonical JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import PydanticCustomError

from rnnkit.checkpoint.begun import Begun
from rnnkit.checkpoint.layout import first_fault
from rnnkit.checkpoint.progress import Progress
from rnnkit.compute.numerics import Numerics
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block, Record, Width
from rnnkit.core.distributions import canonical_name
from rnnkit.core.installed import KINDS, Plugin
from rnnkit.errors import CheckpointError, PluginError, printable
from rnnkit.spec.model import Spec, canonical_json
from rnnkit.version import VERSION


def _known(group: str) -> str:
    if group not in KINDS:
        raise PydanticCustomError("group", f"expected one of {', '.join(KINDS)}")
    return group


class Origin(Record):
    """Where one block of the spec came from; `path` leads to it through keys and indices.

    `source` is the digest of the package of a type that is not rnnkit's own; files of older
    releases have that of its module, or of its Python files.
    """

    path: tuple[str | int, ...]
    group: Annotated[str, AfterValidator(_known)]
    type: str
    version: Annotated[int, Field(ge=1)]
    distribution: str
    release: str
    target: str
    source: str | None = None

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a source that there is not, as files of older releases do."""
        found: dict[str, Any] = dump(self)
        return {key: value for key, value in found.items() if key != "source" or value}

    def name(self) -> str:
        """Return the distribution and its release, as they may be printed."""
        return printable(f"{self.distribution} {self.release}", 200)

    def pip(self, relation: str) -> str:
        """Return the command that installs it; whatever a file says, a shell reads one argument."""
        wanted = printable(f"{self.distribution}{relation}{self.release}", 200)
        return "pip install '" + wanted.replace("'", "'\\''") + "'"


MAX_VALUES = 250_000
"""Values of a /meta: the scaler of a table of 40,000 columns needs half of them."""


class DataFacts(Record):
    """What the model knows of its data: enough to load without it, and to notice another."""

    sha256: str
    inputs: Width
    inputs_are_ids: bool
    targets: Width
    targets_are_ids: bool
    unit: str

    @classmethod
    def of(cls, source: Source) -> DataFacts:
        """Return the facts of opened data."""
        return cls(
            sha256=source.digest(),
            inputs=source.inputs.known(),
            inputs_are_ids=source.inputs.ids,
            targets=source.targets.known(),
            targets_are_ids=source.targets.ids,
            unit=source.unit,
        )


class Meta(Record):
    """The `/meta` entry. No clock, host, path or run: equal state gives equal bytes."""

    rnnkit: str
    numpy: str
    spec: dict[str, Any]
    origins: tuple[Origin, ...]
    data: DataFacts
    numerics: Numerics
    progress: Progress
    begun: Begun | None = None

    @classmethod
    def of(
        cls,
        spec: Spec,
        registry: Registry,
        data: DataFacts,
        numerics: Numerics,
        progress: Progress,
        begun: Begun | None,
    ) -> Meta:
        """Return what a checkpoint of a resolved spec says, written here and now."""
        return cls(
            rnnkit=VERSION,
            numpy=np.__version__,
            spec=spec.model_dump(mode="json"),
            origins=origins(spec, registry),
            data=data,
            numerics=numerics,
            progress=progress,
            begun=begun,
        )

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what a run did not begin with, as files of older releases do."""
        found: dict[str, Any] = dump(self)
        return {key: value for key, value in found.items() if key != "begun" or value}

    def encoded(self) -> bytes:
        """Return the canonical bytes; raises CheckpointError for more than can be read again."""
        data = canonical_json(self.model_dump(mode="json"))
        _check_values(data, "checkpoint")
        return data

    @classmethod
    def decoded(cls, data: bytes, where: object) -> Meta:
        """Read the bytes; raises CheckpointError naming the first key that is wrong."""
        _check_values(data, where)
        try:
            meta = cls.model_validate_json(data)
        except pydantic.ValidationError as error:
            raise _not_ours(": ".join(first_fault(error, "meta")), where) from error
        try:
            # Where any JSON may stand, a number beyond all floats has become infinity.
            canonical_json([meta.spec, meta.progress.cursor, meta.progress.schedule])
        except ValueError as error:
            raise _not_ours("meta: a number is not finite", where) from error
        return meta


def _check_values(data: bytes, where: object) -> None:
    """Refuse what would become far larger in memory than its bytes are, before it is parsed."""
    count = sum(map(data.count, (b",", b"[", b"{")))
    if count > MAX_VALUES:
        message = f"meta: expected at most {MAX_VALUES:,} values, received about {count:,}"
        raise CheckpointError.of("CKPT_META", message, where)


def _not_ours(problem: str, where: object) -> CheckpointError:
    message = f"{problem} (the file was not written by rnnkit)"
    return CheckpointError.of("CKPT_META", message, where)


def origins(spec: Spec, registry: Registry) -> tuple[Origin, ...]:
    """Return where every block of a spec comes from."""
    found = []
    for path, block in nested_blocks(spec, ()):
        plugin = registry.plugin(block.entry_group, block.type)
        found.append(
            Origin(
                path=path,
                group=block.entry_group,
                type=block.type,
                version=block.version,
                distribution=plugin.distribution,
                release=plugin.version,
                target=plugin.target,
                source=registry.source(block.entry_group, block.type),
            )
        )
    return tuple(found)


def nested_blocks(
    value: object, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Block]]:
    """Yield every block inside a value with the path that leads to it, outer ones first."""
    if isinstance(value, Block):
        yield path, value
    if isinstance(value, Record):
        for name in type(value).model_fields:
            yield from nested_blocks(getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from nested_blocks(item, (*path, index))


def stored_spec(meta: Meta, registry: Registry, where: object) -> Spec:
    """Return the spec of a checkpoint, blocks of older versions migrated.

    Raises PluginError with the exact `pip install` line where a type is not installed, and
    CheckpointError where its installed version is older than the stored one.
    """
    value: dict[str, Any] = json.loads(json.dumps(meta.spec))
    for origin in sorted(meta.origins, key=lambda o: len(o.path), reverse=True):
        cls = _installed(origin, registry, where)
        _check_distribution(origin, registry, where)
        if origin.version > cls.version:
            raise CheckpointError.of(
                "CKPT_PLUGIN_MISMATCH",
                f"{origin.type} was saved by version {origin.version} of the type, installed is "
                f"{cls.version} ({origin.pip('>=')})",
                where,
            )
        if origin.version < cls.version:
            _migrate(value, origin, cls, where)
    try:
        return Spec.model_validate_json(json.dumps(value), context={"catalog": registry})
    except pydantic.ValidationError as error:
        message = ": ".join(first_fault(error, "meta", "spec"))
        raise CheckpointError.of("CKPT_META", message, where) from error


def _check_distribution(origin: Origin, registry: Registry, where: object) -> None:
    """Refuse a type of the same name that another distribution offers."""
    plugin = registry.plugin(origin.group, origin.type)
    if _other(origin, plugin) and not registry.accepts_others:
        message = f"{origin.type!r} came from {origin.name()}, but is now offered by "
        message += f"{plugin.distribution} {plugin.version}, which may compute something else"
        advice = f"{_way_back(origin, plugin)}, or go on with --accept-plugin, in Python "
        advice += "accept_plugin=True"
        raise CheckpointError.of("CKPT_PLUGIN_MISMATCH", f"{message} ({advice})", where)


def _other(origin: Origin, plugin: Plugin) -> bool:
    return canonical_name(origin.distribution) != canonical_name(plugin.distribution)


def _way_back(origin: Origin, plugin: Plugin) -> str:
    """Return the commands after which the distribution of a checkpoint offers its type again."""
    back = origin.pip("==")
    if not _other(origin, plugin):
        return back
    if plugin.distribution == "rnnkit":
        return f"{back} beside an older rnnkit"
    # Two that offer one name are refused, so the other has to go first.
    return f"pip uninstall {shlex.quote(printable(plugin.distribution))} && {back}"


def other_plugins(meta: Meta, registry: Registry) -> list[str]:
    """Return a sentence for each type of a plugin that is not as it was when it was saved.

    Files of older releases do not tell the source: of theirs only another distribution is named.
    """
    found: list[str] = []
    for origin in meta.origins:
        plugin = registry.plugin(origin.group, origin.type)
        now = f"{plugin.distribution} {plugin.version}"
        source = origin.source
        if _other(origin, plugin) or (source and origin.release != plugin.version):
            changed = f"is now of {now} (back to it: {_way_back(origin, plugin)})"
        elif source and not registry.has_source(origin.group, origin.type, source):
            changed = f"has another source in {now}"
        else:
            continue
        found.append(
            f"{plugin.kind} {printable(origin.type)!r}, saved by {origin.name()}, may compute "
            f"something else: it {changed}"
        )
    return list(dict.fromkeys(found))


def _migrate(value: Any, origin: Origin, cls: type[Block], where: object) -> None:
    """Put today's form of one stored block in its place."""
    try:
        *path, last = origin.path
        for key in path:
            value = value[key]
        value[last] = cls.migrate(value[last], origin.version)
    except Exception as error:  # what the author of the type did not expect in a stored block
        place = printable(".".join(map(str, origin.path)))
        problem = f"no block that version {origin.version} of {origin.type} stored"
        raise _not_ours(f"meta.spec.{place}: {problem}", where) from error


def _installed(origin: Origin, registry: Registry, where: object) -> type[Block]:
    try:
        return registry.find(origin.group, origin.type)
    except PluginError as error:
        if error.problems[0].code != "PLUGIN_NOT_FOUND":
            raise
        raise PluginError.of(
            "PLUGIN_NOT_FOUND",
            f"{origin.type!r} came from {origin.name()}, which is not installed: "
            f"{origin.pip('==')}",
            where,
        ) from error
