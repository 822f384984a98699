"""The distributions that offer something to rnnkit, whatever else lies in site-packages.

An interrupted pip leaves folders behind, and a damaged disk leaves files that are no text. What
cannot be read offers nothing and is named to whoever asks; it stops no command.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from rnnkit.errors import printable
from rnnkit.version import VERSION

PREFIX = "rnnkit."
"""What the name of every group of entry points for rnnkit begins with."""


@dataclass(frozen=True)
class Offer:
    """A distribution that offers types to rnnkit, and the folder of its metadata.

    What is `malformed` names nothing that can be imported.
    """

    name: str
    version: str
    points: tuple[metadata.EntryPoint, ...]
    malformed: tuple[metadata.EntryPoint, ...]
    folder: Path


@dataclass(frozen=True)
class Offers:
    """The distributions in use, and a sentence for each folder or entry point passed over.

    Those that are `malformed` are faults of a package, the others leftovers.
    """

    used: tuple[Offer, ...]
    unused: tuple[str, ...]
    malformed: tuple[str, ...]


def offers() -> Offers:
    """Return what is offered to rnnkit, in the order of the path, and what cannot be read."""
    found: dict[str, list[Offer]] = {}
    unused: list[str] = []
    malformed: list[str] = []
    for folder, distribution in _folders().items():
        try:
            offer = _offer(distribution, folder)
        except Unreadable as problem:
            (malformed if problem.of_package else unused).append(f"{folder} {problem}")
            continue
        if offer:
            found.setdefault(canonical_name(offer.name), []).append(offer)
    used = []
    for same in found.values():
        newest, *stale = _in_use(same)
        used.append(newest)
        malformed += map(partial(_malformed, newest), newest.malformed)
        unused += [
            f"{old.folder} is what {old.name} {old.version} left behind when {newest.version} "
            "was installed (delete it)"
            for old in stale
        ]
    return Offers(tuple(used), tuple(sorted(unused + malformed)), tuple(sorted(malformed)))


def canonical_name(name: str) -> str:
    """Return the one form of the names of a distribution that mean the same to pip."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _folders() -> dict[Path, metadata.Distribution]:
    """Return every distribution by its folder, once where the path names a folder twice."""
    found: dict[Path, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        found.setdefault(Path(str(getattr(distribution, "_path", ""))).absolute(), distribution)
    return found


class Unreadable(Exception):
    """What is wrong with the metadata of a distribution, and what to do about it."""

    def __init__(self, message: str, *, of_package: bool = False) -> None:
        super().__init__(message)
        self.of_package = of_package


def _offer(distribution: metadata.Distribution, folder: Path) -> Offer | None:
    try:
        text = distribution.read_text("entry_points.txt") or ""
        if PREFIX not in text:
            return None
        if folder.name.startswith("~"):
            raise Unreadable("was left by an interrupted pip (delete it)")
        _check_lines(text)
        points = tuple(p for p in distribution.entry_points if p.group.startswith(PREFIX))
        facts = distribution.metadata
        name, version = (facts["Name"], facts["Version"]) if facts is not None else (None, None)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"cannot be read: {error} (install its package again)") from error
    if not points:
        return None
    if not name or not version:
        raise Unreadable("tells no name and version (delete it, or install its package again)")
    usable = tuple(point for point in points if _names_an_object(point))
    malformed = tuple(point for point in points if not _names_an_object(point))
    return Offer(name, version, usable, malformed, folder)


def _check_lines(text: str) -> None:
    """Raise Unreadable for a line that hides entry points: what stands before any group is text."""
    inside = False
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("[") and line.endswith("]"):
            inside = True
        elif line and "=" not in line and line[0] != "#" and (inside or line[0] == "["):
            raise Unreadable(
                f"has {printable(line, 100)!r} in line {number} of entry_points.txt, which hides "
                "entry points: expected [GROUP] or NAME = MODULE:CLASS (tell its author, or "
                "install its package again)",
                of_package=True,
            )


def _names_an_object(point: metadata.EntryPoint) -> bool:
    """Tell whether there is anything to import; `point.module` fails where there is not."""
    return bool(point.name and point.pattern.match(point.value))


def _malformed(offer: Offer, point: metadata.EntryPoint) -> str:
    said = printable(f"{point.name} = {point.value}", 100)
    return (
        f"{offer.folder} has {said!r} in {point.group}, which is no entry point: expected "
        f"NAME = MODULE:CLASS (tell the author of {offer.name} {offer.version}, or update it)"
    )


def _in_use(same: list[Offer]) -> Iterator[Offer]:
    """Yield the offer of one name whose code runs, then what stands beside or before it.

    The first folder on the path counts, as for imports; of rnnkit the version that runs. In one
    folder it is the metadata that describes the code that lies there, or else what was written
    last.
    """
    first = next(filter(_is_running, same), same[0])
    home = first.folder.parent
    others = same[: same.index(first)] + [each for each in same if each.folder.parent == home]
    yield from sorted(
        dict.fromkeys(others),
        key=lambda offer: (
            not _is_running(offer),
            offer.folder.parent != home,
            not _describes_code(offer),
            -_written(offer.folder),
            str(offer.folder),
        ),
    )


def _is_running(offer: Offer) -> bool:
    return canonical_name(offer.name) == "rnnkit" and offer.version == VERSION


def _describes_code(offer: Offer) -> bool:
    """Tell whether the hash that RECORD has of a module on offer is that of its file."""
    paths = {point.module.replace(".", "/") for point in offer.points}
    modules = {path + end for path in paths for end in (".py", "/__init__.py")}
    with suppress(Exception):  # a RECORD, and what it names, may be anything
        for file in metadata.Distribution.at(offer.folder).files or ():
            if str(file) in modules and file.hash:
                digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
                if urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value:
                    return True
    return False


def _written(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
