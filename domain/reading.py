"""How texts are read where STOM and we differ: three settings of a run, off as the specification decides."""

from __future__ import annotations

import msgspec


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the language.

    Parameters
    ----------
    strict : bool
        A comparison whose look-backs reach before the day's first row is false, where otherwise what is missing is 0.
    never_zero : bool
        경과틱수 of a condition that was not true today is 0, as STOM gave it, and not 999999.
    warm_up_zero : bool
        An indicator is 0 before its first value, as STOM showed it, and not "no number".
    """

    strict: bool = False
    never_zero: bool = False
    warm_up_zero: bool = False


AS_DECIDED = Reading()
"""None of them."""
