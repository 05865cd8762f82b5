"""Reading a number by the address of its column.

An order is priced from twenty book columns, rarely. As twenty arrays they would pass through every
function of the loop and make half of what Numba has to compile; as twenty addresses they are one
small array. The engine holds the columns for the whole call, checks that they are contiguous float64
and of one length, and gives row numbers below it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

ENDLESS = 1e10
"""Size of a level that holds any quantity; fits in units of 1e-8."""


@intrinsic  # type: ignore[misc]
def number_at(typingctx: Any, address: Any, row: Any) -> Any:
    """Return the float64 number `row` of the column that begins at `address`."""
    signature = types.float64(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(types.float64)
        column = builder.inttoptr(args[0], kind.as_pointer())
        return builder.load(builder.gep(column, [args[1]]))

    return signature, codegen


@intrinsic  # type: ignore[misc]
def fetch(typingctx: Any, address: Any, row: Any) -> Any:
    """Ask the processor for number `row` of a column that will be read soon; changes nothing but the time it takes then."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, flag = context.get_value_type(types.float64), ir.IntType(32)
        where = builder.bitcast(builder.gep(builder.inttoptr(args[0], kind.as_pointer()), [args[1]]), ir.IntType(8).as_pointer())
        ask = ir.FunctionType(ir.VoidType(), [where.type, flag, flag, flag])
        read, keep, data = ir.Constant(flag, 0), ir.Constant(flag, 3), ir.Constant(flag, 1)
        builder.call(cgutils.get_or_insert_function(builder.module, ask, "llvm.prefetch.p0"), [where, read, keep, data])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic  # type: ignore[misc]
def address_of(typingctx: Any, column: Any) -> Any:
    """Return where a column of one dimension begins."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(column), codegen


def endless(rows: int) -> NDArray[np.float64]:
    """Return the column of sizes of a level that holds any quantity on every row; it takes no memory and has no address."""
    return np.broadcast_to(np.array(ENDLESS), (rows,))


def addresses(columns: tuple[NDArray[np.float64], ...], rows: int) -> NDArray[np.int64]:
    """Return the addresses of columns that the caller keeps alive; 0 for one of `endless`.

    Raises
    ------
    ValueError
        A column is not contiguous float64 of `rows` numbers.
    """
    found = np.zeros(len(columns), dtype=np.int64)
    for k, column in enumerate(columns):
        if column.strides == (0,) and column.shape == (rows,) and column[0] == ENDLESS:
            continue
        if column.dtype != np.float64 or column.shape != (rows,) or not column.flags.c_contiguous:
            raise ValueError("a book column is not contiguous float64 of the run's length")
        found[k] = column.__array_interface__["data"][0]
    return found
