"""Dividing many numbers by one without dividing.

A processor divides in the time of some ten multiplications, and the means of a day are millions of divisions by one number.
Its reciprocal gives a quotient that is off by a unit or two in the last place; what is left of the dividend, which a fused
multiplication and addition gives without rounding, corrects it. Two corrections give the rounded quotient itself, bit for bit
that of a division (P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990), for
finite numbers far from the ends of the range, such as the sums and counts used here.
"""

# mypy: disable-error-code="no-any-return,no-untyped-call,call-arg,unreachable,unused-ignore"
from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic


@intrinsic  # type: ignore[misc]
def fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a · b + c, rounded once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@njit(nogil=True, error_model="numpy", forceinline=True)
def quotient(dividend, divisor, reciprocal):  # type: ignore[no-untyped-def]
    """Return dividend / divisor; `reciprocal` is 1 / divisor. The sign of a zero may be another."""
    near = dividend * reciprocal
    near = fused(fused(-divisor, near, dividend), reciprocal, near)
    return fused(fused(-divisor, near, dividend), reciprocal, near)
