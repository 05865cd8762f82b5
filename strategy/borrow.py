"""Array views that Numba does not count references of.

Reading a column out of a tuple of arrays costs an atomic increment and decrement of its reference
count; inside a loop over rows that is many times the price of the strategy itself. The caller of a
kernel holds the arrays for the whole call, so the kernel may look at them without counting: same
data, same shape, no owner, never marked read-only (one machine code for mapped files and for arrays
in memory; columns are never written).
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"
from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic  # type: ignore[misc]
def borrow(typingctx: Any, array: Any) -> Any:
    """Return a view of `array` without an owner.

    Only of an argument: the caller holds it for the whole call. An array that this function made is
    freed after its last use, and the view with it.
    """
    result = types.Array(array.dtype, array.ndim, array.layout, readonly=False, aligned=True)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        view = context.make_array(signature.return_type)(context, builder)
        for field in ("nitems", "itemsize", "data", "shape", "strides"):
            setattr(view, field, getattr(source, field))
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return result(array), codegen
