"""Find every array of a checkpoint without libhdf5, and refuse whatever rnnkit does not write.

HDF5 can point elsewhere (soft and external links, external storage, virtual datasets), inflate
(chunks, filters), repeat itself (cycles, hard links) and hold types that are not numbers. Each has
been an attack on a loader of weights: CVE-2026-1669 and CVE-2026-0897 of Keras are two.

Why not libhdf5 with checks around each call: of 16,000 mutants, sealed again, such a guard let one
crash libhdf5 and one hang it. The subset that rnnkit writes (libver "earliest") is small and is
that of the first HDF5, so it is read here, where an error is an exception. This reader loaded or
refused each of 300,000 mutants.

Source: HDF5 File Format Specification 3.0, sections II.A, III.A, III.B and III.D.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rnnkit.checkpoint.header import (
    ATTRIBUTE,
    SYMBOLS,
    Messages,
    Payload,
    check_allowed,
    check_kinds,
    read_extent,
    read_messages,
    read_schema,
)
from rnnkit.checkpoint.layout import (
    MAX_OBJECTS,
    Extent,
    check_bounds,
    check_entries,
    check_name,
    check_schema,
    structure_error,
)
from rnnkit.checkpoint.seal import HEADER_SIZE

MAX_NODES = 4 * MAX_OBJECTS
"""Nodes of all the trees that hold the names: at most three for each small group."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = struct.Struct("<8s8sHHIQQQQQQII16x")
_VERSIONS = bytes([0, 0, 0, 0, 0, 8, 8, 0])
_HARD_LINKS = (0, 1)


def examine(verified: memoryview, where: object) -> tuple[int, list[Extent]]:
    """Return the schema of a file and where each of its arrays lies.

    Raises CheckpointError: CKPT_NEWER_SCHEMA, or CKPT_STRUCTURE with the broken rule.
    """
    payload = Payload(verified, where)
    root = _read_superblock(payload)
    messages = read_messages(payload, root, "/")
    schema = read_schema(messages, where)
    # Before the walk: a later schema may well allow what this one refuses.
    check_schema(schema, where)
    del messages[ATTRIBUTE]
    check_allowed(messages, "/", where)
    extents = _Walk(payload).run(root, messages)
    check_entries(extents, where)
    check_bounds(extents, len(verified), where)
    return schema, extents


def _read_superblock(payload: Payload) -> int:
    """Return the address of the root group."""
    head = payload.take(0, _SUPERBLOCK.size, "/")
    signature, versions, _, _, flags, base, *_, root, kind, _ = _SUPERBLOCK.unpack(head)
    if signature != _SIGNATURE:
        message = f"expected an HDF5 file at offset {HEADER_SIZE}"
        raise structure_error(payload.where, "layout", "/", message)
    if versions != _VERSIONS or base != HEADER_SIZE or flags or kind not in _HARD_LINKS:
        message = "expected HDF5 in its earliest version"
        raise structure_error(payload.where, "layout", "/", message)
    return int(root)


class _Walk:
    """The walk over one file: no recursion, and a limit on everything that it counts."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self.where = payload.where
        self.objects = self.nodes = 0
        self.seen: set[int] = set()
        self.groups: list[tuple[str, Messages]] = []
        self.extents: list[Extent] = []

    def run(self, root: int, messages: Messages) -> list[Extent]:
        """Return the extent of every array below `root`, by name."""
        self.enter(root, "/")
        self.groups.append(("", messages))
        while self.groups:
            prefix, messages = self.groups.pop()
            for name, address, kind in self.links(messages, prefix):
                self.visit(prefix + name, address, kind)
        return sorted(self.extents, key=lambda extent: extent.name)

    def visit(self, path: str, address: int, kind: int) -> None:
        """Check one link and what it leads to; note an array, queue a group."""
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            message = f"expected at most {MAX_OBJECTS} arrays and groups in the file"
            raise structure_error(self.where, "objects", path, message)
        check_name(path, self.where)
        if kind not in _HARD_LINKS:
            raise structure_error(self.where, "link", path, "expected a hard link")
        self.enter(address, path)
        messages = read_messages(self.payload, address, path)
        check_allowed(messages, path, self.where)
        if SYMBOLS in messages:
            self.groups.append((f"{path}/", messages))
        else:
            self.extents.append(read_extent(messages, path, self.where))

    def enter(self, address: int, path: str) -> None:
        """Refuse a second way to the same address; cycles are the simplest case."""
        if address in self.seen:
            raise structure_error(self.where, "alias", path, "expected one way to it")
        self.seen.add(address)

    def links(self, messages: Messages, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Yield name, address and kind of each link of a group."""
        path = prefix or "/"
        check_kinds(messages, {SYMBOLS}, path, self.where)
        body = messages[SYMBOLS][0]
        if len(body) != 16:
            raise structure_error(self.where, "objects", path, "expected a tree and its names")
        tree, heap = struct.unpack("<QQ", body)
        names = self.heap(heap, path)
        for entry in self.symbols(tree, path):
            offset, address, kind = struct.unpack_from("<QQI", entry)
            # One byte more than a name may have, so that a longer one is refused as such.
            name = bytes(names[offset : offset + 129]).partition(b"\0")[0]
            yield name.decode("utf-8", "backslashreplace"), address, kind

    def heap(self, address: int, path: str) -> memoryview:
        """Return the names of a group, one after another."""
        signature, size, start = struct.unpack("<8sQ8xQ", self.payload.take(address, 32, path))
        if signature != b"HEAP\0\0\0\0":
            raise structure_error(self.where, "objects", path, "expected the names of a group")
        return self.payload.take(start, size, path)

    def symbols(self, tree: int, path: str) -> Iterator[memoryview]:
        """Yield the entries of a group, 40 bytes each, from the leaves of its tree."""
        pending = [tree]
        while pending:
            node = pending.pop()
            self.enter(node, path)
            signature, count = struct.unpack("<6sH", self.payload.take(node, 8, path))
            if signature[:5] == b"TREE\0":
                self.nodes += count
                if self.nodes > MAX_NODES:
                    message = f"expected at most {MAX_NODES} nodes in the trees of names"
                    raise structure_error(self.where, "objects", path, message)
                body = self.payload.take(node + 24, 16 * count + 8, path)
                pending += [child for _, child in struct.iter_unpack("<QQ", body[:-8])]
            elif signature == b"SNOD\1\0":
                body = self.payload.take(node + 8, 40 * count, path)
                yield from (body[at : at + 40] for at in range(0, len(body), 40))
            else:
                raise structure_error(self.where, "objects", path, "expected a tree of names")
