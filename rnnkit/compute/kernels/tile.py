"""A tile of a matrix product whose sums stay in vector registers.

A loop written in Python is vectorized along one row only, and stores its sums at every step. Here
the vectors are written down: a tile of `TALL` rows by up to `WIDE` vectors takes one broadcast and
one load for several multiplications (Goto and van de Geijn 2008, "Anatomy of high-performance
matrix multiplication", section 4.2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from rnnkit.compute.kernels.jit import intrinsic
from rnnkit.compute.kernels.registers import ABREAST, BYTES, TALL, WIDE

INDEX = ir.IntType(64)
# A product and the sum after it may round once: what compilers for these processors do anyway.
FAST = ("contract", "nsz")


def _tile(vectors: int, panels: int = 1) -> Callable[..., Any]:
    """Return the intrinsic for tiles of so many vectors in width, of so many panels side by side.

    `tile(height, a, start, stride, packed, panel, inner, c, corner, width, bias)` writes the
    product of `height` rows of `a`, from the flat index `start` on and `stride` apart, with the
    panel at `packed[panel]` into rows of `c` from `corner` on and `width` apart. What lies at the
    address `bias`, unless that is 0, is added to each row.
    """

    def tile(
        typing: Any,
        height: Any,
        a: Any,
        start: Any,
        stride: Any,
        packed: Any,
        panel: Any,
        inner: Any,
        c: Any,
        corner: Any,
        width: Any,
        bias: Any,
    ) -> Any:
        n = types.intp
        signature = types.void(n, a, n, n, packed, n, n, c, n, n, n)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            height, a, start, stride, packed, panel, inner, c, corner, width, bias = arguments
            _, a_type, _, _, packed_type, _, _, c_type, *_ = signature.args

            def at(kind: Any, array: Any, index: Any) -> Any:
                return builder.gep(context.make_array(kind)(context, builder, array).data, [index])

            left, right = at(a_type, a, start), at(packed_type, packed, panel)
            out = at(c_type, c, corner)
            end = builder.append_basic_block("end")
            switch = builder.switch(builder.trunc(height, ir.IntType(32)), end)
            for rows in range(1, TALL + 1) if panels == 1 else (1,):
                block = builder.append_basic_block(f"rows{rows}")
                switch.add_case(rows, block)
                builder.position_at_end(block)
                shape = rows, vectors, panels
                _sum(builder, shape, left, stride, right, inner, out, width, bias)
                builder.branch(end)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return signature, generate

    made: Callable[..., Any] = intrinsic(tile)
    return made


def _sum(
    b: Any,
    shape: tuple[int, int, int],
    left: Any,
    stride: Any,
    right: Any,
    inner: Any,
    out: Any,
    width: Any,
    bias: Any,
) -> None:
    """Write the loop over `inner` for one height."""
    (rows, vectors, panels), number = shape, left.type.pointee
    size = 4 if isinstance(number, ir.FloatType) else 8
    lanes = BYTES // size
    vector = ir.VectorType(number, lanes)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    nothing = ir.Constant(vector, ir.Undefined)

    def constant(value: int) -> Any:
        return ir.Constant(INDEX, value)

    def pointer(base: Any, index: Any) -> Any:
        return b.bitcast(b.gep(base, [index]), vector.as_pointer())

    lefts = [b.gep(left, [b.mul(stride, constant(i))]) for i in range(rows)]
    outs = [b.gep(out, [b.mul(width, constant(i))]) for i in range(rows)]
    whole = b.mul(inner, constant(vectors * lanes))
    rights = [b.gep(right, [b.mul(whole, constant(i))]) for i in range(panels)]
    before, loop = b.block, b.append_basic_block("inner")
    after = b.append_basic_block("store")
    b.branch(loop)
    b.position_at_end(loop)
    k = b.phi(INDEX)
    k.add_incoming(constant(0), before)
    sums = [[b.phi(vector) for _ in range(panels * vectors)] for _ in range(rows)]
    line = b.mul(k, constant(vectors * lanes))
    lines = [b.gep(each, [line]) for each in rights]
    loads = [
        b.load(pointer(each, constant(j * lanes)), align=size)
        for each in lines
        for j in range(vectors)
    ]
    added = []
    for i in range(rows):
        value = b.load(b.gep(lefts[i], [k]), align=size)
        value = b.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        value = b.shuffle_vector(value, nothing, everywhere)
        products = [b.fmul(value, load, flags=FAST) for load in loads]
        added.append([b.fadd(p, s, flags=FAST) for p, s in zip(products, sums[i], strict=True)])
    zero = ir.Constant(vector, [0.0] * lanes)
    for row, new in zip(sums, added, strict=True):
        for total, value in zip(row, new, strict=True):
            total.add_incoming(zero, before)
            total.add_incoming(value, loop)
    following = b.add(k, constant(1))
    k.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, inner), loop, after)
    b.position_at_end(after)
    starts = [constant(j * lanes) for j in range(panels * vectors)]
    places = [[pointer(each, start) for start in starts] for each in outs]
    with b.if_else(b.icmp_unsigned("==", bias, constant(0))) as (without, with_bias):
        with without:
            _store(b, added, places, size)
        with with_bias:
            first = b.inttoptr(bias, number.as_pointer())
            addends = [b.load(pointer(first, start), align=size) for start in starts]
            sums = [[b.fadd(v, w) for v, w in zip(row, addends, strict=True)] for row in added]
            _store(b, sums, places, size)


def _store(b: Any, rows: Any, places: Any, size: int) -> None:
    for values, pointers in zip(rows, places, strict=True):
        for value, pointer in zip(values, pointers, strict=True):
            b.store(value, pointer, align=size)


wide_tile = _tile(WIDE)
wide_tiles = _tile(WIDE, ABREAST)
middle_tile = _tile(2)
narrow_tile = _tile(1)
