"""What is asked of every strategy that is saved: does it read a row that did not exist yet? (strategy/look_ahead.py)

The answer is kept with the version in ``library.db`` and shown wherever versions are.
"""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

from domain.errors import StrategyError
from domain.instruments import Market
from domain.market_codes import MARKET_CODES
from storage.strategies import Strategies, Version
from strategy.look_ahead import Judged, judge
from strategy.program import Program
from trading.texts import read_texts
from trading.venues import market as find_market


def conditions(text: str) -> list[tuple[str, str]]:
    """Return a stand-in for each condition of 경과틱수 that a text names: they are settings of a run, not of the text."""
    names = dict.fromkeys(re.findall(r"""(?:경과틱수|rows_since)\s*\(\s*['"]([^'"]+)['"]""", text))
    return [(name, "True") for name in names]


def check_saved(library: Strategies, version: Version) -> dict[str, Any]:
    """Judge a saved version by poisoned futures on each of its markets (the first that knows its names when it says none), and keep that.

    Returns
    -------
    dict
        ``ok``, ``seconds``, ``judged``: one entry for each market and way of running; ``market``, ``how`` and the fields of
        `strategy.look_ahead.Judged`. Texts that no market takes are not judged: ``ok`` is None.
    """
    judged: list[dict[str, Any]] = []
    bundle = version.bundle
    for code in bundle.markets or MARKET_CODES:
        program = _program(version, find_market(code), library.path)
        if program is None:
            continue
        judged += [{"market": code, **one.as_dict()} for one in both(program, bundle.variables)]
        if not bundle.markets:
            break
    found = {
        "ok": all(one["ok"] for one in judged) if judged else None,
        "seconds": round(sum(one["seconds"] for one in judged), 3),
        "judged": judged,
    }
    library.keep_check(version.name, version.version, found)
    return found


def both(program: Program, variables: dict[int, float]) -> list[Judged]:
    """Judge the interpreter, and the code that the compiler writes, run as it stands: its kernels are compiled, and nobody waits for it."""
    return [judge(program, variables), judge(program, variables, written(program))]


def written(program: Program) -> types.ModuleType:
    """Return the compiler's module of a program with its own functions uncompiled."""
    from strategy.compiler import source

    text = source(program).replace("from numba import njit", "def njit(*options, **more):\n    return lambda function: function\n", 1)
    module = types.ModuleType("written")
    exec(compile(text, "written", "exec"), module.__dict__)
    return module


def _program(version: Version, market: Market, library: Path) -> Program | None:
    bundle = version.bundle
    try:
        return read_texts(library, market, bundle.interval_s, bundle.buy, bundle.sell, conditions(bundle.buy + bundle.sell)).program
    except StrategyError:
        return None
