"""Sums over shards in one fixed order, so that no number of threads or ranks changes a bit.

Floating-point sums depend on their order. The shards are the leaves of a binary tree that their
number alone decides; whoever holds some of them adds up the largest subtrees that lie within them,
and what is left is added up as the tree says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rnnkit.types import Array

Range: TypeAlias = tuple[int, int]
"""The shards from the first up to, and without, the second."""


def even_ranges(size: int, parts: int) -> list[Range]:
    """Cut `size` things into contiguous parts, as equal as can be; earlier ones are the smaller."""
    return [(size * part // parts, size * (part + 1) // parts) for part in range(parts)]


def split(node: Range) -> tuple[Range, Range]:
    """Return the children of a node of two shards or more.

    The left one has the largest power of two that leaves something for the right one.
    """
    first, last = node
    middle = first + (1 << ((last - first - 1).bit_length() - 1))
    return (first, middle), (middle, last)


def subtrees(held: Range, node: Range) -> list[Range]:
    """Return the largest subtrees of the tree over `node` that lie within the shards held."""
    if held[0] >= node[1] or held[1] <= node[0]:
        return []
    if held[0] <= node[0] and node[1] <= held[1]:
        return [node]
    left, right = split(node)
    return [*subtrees(held, left), *subtrees(held, right)]


def add_subtrees(node: Range, sums: Mapping[Range, Array]) -> Array:
    """Return the sum over a node, made of the sums over subtrees, in place of the leftmost one."""
    if node in sums:
        return sums[node]
    left, right = split(node)
    total = add_subtrees(left, sums)
    total += add_subtrees(right, sums)
    return total


def sums_at_once(nodes: Sequence[Range]) -> int:
    """Return how many sums are held at once where subtrees are added up one after the other."""

    def held(node: Range) -> int:
        if node[1] - node[0] == 1:
            return 1
        left, right = split(node)
        return max(held(left), 1 + held(right))

    return max(before + held(node) for before, node in enumerate(nodes))
