"""Reading a number by the address of its column.

An order is priced from twenty book columns, rarely. As twenty arrays they would pass through every
function of the loop and make half of what Numba has to compile; as twenty addresses they are one
small array. The engine holds the columns for the whole call, checks that they are contiguous float64
and of one length, and gives row numbers below it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray


@intrinsic  # type: ignore[misc]
def number_at(typingctx: Any, address: Any, row: Any) -> Any:
    """Return the float64 number `row` of the column that begins at `address`."""
    signature = types.float64(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(types.float64)
        column = builder.inttoptr(args[0], kind.as_pointer())
        return builder.load(builder.gep(column, [args[1]]))

    return signature, codegen


def addresses(columns: tuple[NDArray[np.float64], ...], rows: int) -> NDArray[np.int64]:
    """Return the addresses of columns that the caller keeps alive.

    Raises
    ------
    ValueError
        A column is not contiguous float64 of `rows` numbers.
    """
    for column in columns:
        if column.dtype != np.float64 or column.shape != (rows,) or not column.flags.c_contiguous:
            raise ValueError("a book column is not contiguous float64 of the run's length")
    return np.array([column.ctypes.data for column in columns], dtype=np.int64)
