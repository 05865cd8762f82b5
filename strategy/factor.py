"""The factors: one table, one place where a factor is added.

Recorded factors come from the row schema by themselves. A derived factor is one function with
``@factor`` in a file of ``strategy/factors/``; from then on it is known to the checker, the
interpreter, the compiler and the completion list (docs/adding-a-factor.md).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import strategy.factors
from domain.instruments import Market
from domain.records import row_schema
from strategy.nodes import Kind

CONSTANTS = ("interval_s", "ladder", "price_step")
"""Parameters of a derived factor that are no columns: interval, price ladder, the instrument's own step."""

_AGO = re.compile(r"^(?P<key>.+)_ago(?P<rows>[1-9]\d*)$")


@dataclass(frozen=True)
class Factor:
    """A named number at a row.

    Parameters
    ----------
    key : str
        English name; recorded columns are stored under it.
    ko : str
        Korean name.
    neutral : str
        Second English name that does not say the interval (``value`` for ``value_1s``), or "".
    unit : str
        price, qty, value, pct, strength, flag, time or count.
    function : callable or None
        A derived factor's definition; plain Python of floats, compiled as it is.
    parameters : tuple of str
        Its parameters: column keys (neutral ones allowed), ``<key>_ago<k>``, or one of CONSTANTS.
    lookback : int
        Rows before this one that the function reads.
    kinds, intervals : tuple
        Market kinds and intervals that have it; empty means all.
    """

    key: str
    ko: str
    unit: str
    neutral: str = ""
    function: Callable[..., Any] | None = None
    parameters: tuple[str, ...] = ()
    lookback: int = 0
    kinds: tuple[str, ...] = ()
    intervals: tuple[int, ...] = ()
    decimals: int = 0

    @property
    def kind(self) -> Kind:
        """Type of the factor in the language."""
        if self.unit == "time":
            return Kind.TIME
        return Kind.BOOL if self.unit == "flag" and self.function is not None else Kind.NUMBER


_derived: dict[str, Factor] = {}


def factor(
    *,
    ko: str,
    en: str,
    unit: str,
    lookback: int = 0,
    kinds: tuple[str, ...] = (),
    intervals: tuple[int, ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a derived factor.

    The function's parameters say what it reads: a recorded column (``last_price``, neutral names such
    as ``buy_value`` follow the interval), ``<column>_ago<k>`` for the value k rows before (0 when there
    is none), ``row_time``, or one of CONSTANTS. It returns a number and is used as it is by the
    interpreter and by the compiler, so it holds to what Numba can compile.

    Parameters
    ----------
    ko, en : str
        The two names of the language.
    unit : str
        price, qty, value, pct, strength, flag, time (YYYYMMDDhhmmss) or count.
    lookback : int
        Rows before this one that it reads; must cover every ``_ago<k>``.
    kinds, intervals : tuple
        Market kinds and intervals that have it; empty means all.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = tuple(inspect.signature(function).parameters)
        needed = max((column_of(name)[1] for name in parameters), default=0)
        if needed > lookback:
            raise ValueError(f"{en}: reads {needed} rows back but says lookback={lookback}")
        known = _derived.get(en)
        if known is not None and known.function is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"factor {en} is defined twice: {known.function.__module__} and {function.__module__}")
        _derived[en] = Factor(
            key=en, ko=ko, unit=unit, function=function, parameters=parameters, lookback=lookback, kinds=kinds, intervals=intervals
        )
        return function

    return register


def column_of(parameter: str) -> tuple[str, int]:
    """Return (column name, rows back) of a parameter of a derived factor."""
    match = _AGO.match(parameter)
    return (match["key"], int(match["rows"])) if match else (parameter, 0)


def neutral_name(key: str) -> str:
    """Return the interval-free name of a recorded column, "" when its name has no interval."""
    return key[:-3] if key.endswith(("_1s", "_1m")) else ""


@cache
def recorded(kind: str, interval_s: int) -> dict[str, Factor]:
    """Return key → factor of the recorded columns of a market kind at an interval."""
    return {
        column.key: Factor(key=column.key, ko=column.ko, unit=column.unit, neutral=neutral_name(column.key), decimals=column.decimals(kind))
        for column in row_schema(kind, interval_s).columns
    }


def column_key(name: str, kind: str, interval_s: int) -> str:
    """Return the recorded key that `name` (a key or a neutral name, or ``row_time``) means; KeyError when there is none."""
    known = recorded(kind, interval_s)
    if name == "row_time" or name in known:
        return name
    tagged = name + ("_1s" if interval_s == 1 else "_1m")
    if tagged in known:
        return tagged
    raise KeyError(name)


def discover() -> None:
    """Import every file of ``strategy/factors/``; each registers what it defines."""
    for module in pkgutil.iter_modules(strategy.factors.__path__, strategy.factors.__name__ + "."):
        importlib.import_module(module.name)


def derived() -> dict[str, Factor]:
    """Return key → factor of all derived factors."""
    discover()
    return _derived


def definition(key: str) -> str:
    """Return the source of a derived factor, which is part of the digest of who reads it."""
    function = derived()[key].function
    return inspect.getsource(function) if function is not None else ""


def derived_for(market: Market, interval_s: int) -> dict[str, Factor]:
    """Return the derived factors that a market has at an interval; one whose columns are not recorded there is absent."""
    found = {}
    for key, one in derived().items():
        if (one.kinds and market.kind not in one.kinds) or (one.intervals and interval_s not in one.intervals):
            continue
        found[key] = one
    return found
