"""Condition lists (strategy-language 8) as a strategy: all lines in one text, each behind a switch, or the chosen ones alone.

The text with switches is compiled once and serves every combination: line k takes part where `self.vars[k]` is 1.
Buy lines are rejections, sell lines triggers; the chain keeps the order of the lists. On futures the first line of
each list names the side, and only that side's block is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Space
from domain.errors import InputError, StrategyError
from domain.formulas import Formula
from domain.instruments import Market
from strategy.catalogue import is_futures
from strategy.language import StrategyErrors, parse

SIDES = ("LONG", "SHORT")
LINES_MAX = 500
TOP = 5
"""Sets that a study names at its end."""

_FLAGS = {"": ("매수", "매도"), "LONG": ("BUY_LONG", "SELL_LONG"), "SHORT": ("SELL_SHORT", "BUY_SHORT")}
_OTHER = {"": "", "LONG": "SELL_SHORT = False\n", "SHORT": "BUY_LONG = False\n"}


@dataclass(frozen=True)
class Lines:
    """Two lists of conditions.

    Parameters
    ----------
    buy, sell : tuple of str
    side : {"", "LONG", "SHORT"}
        Of futures.
    """

    buy: tuple[str, ...]
    sell: tuple[str, ...]
    side: str = ""

    def space(self, window: float) -> Space:
        """Return what is searched: `self.vars[0]` fixed, then a switch for each line."""
        count = len(self.buy) + len(self.sell)
        first = len(self.buy) + 1
        groups = (tuple(range(1, first)), tuple(range(first, count + 1)))
        return Space(((window,), *(((0.0, 1.0),) * count)), (0,) * (count + 1), groups)

    def texts(self) -> tuple[str, str]:
        """Return buy and sell text with a switch before each line."""
        switched = [f"self.vars[{k + 1}] > 0 and ({line})" for k, line in enumerate((*self.buy, *self.sell))]
        return self._chains(switched[: len(self.buy)], switched[len(self.buy) :])

    def chosen(self, vector: NDArray[np.float64]) -> tuple[list[str], list[str]]:
        """Return the buy and the sell lines that take part in a set."""
        on = vector[1:] > 0
        return (
            [line for line, taken in zip(self.buy, on[: len(self.buy)], strict=True) if taken],
            [line for line, taken in zip(self.sell, on[len(self.buy) :], strict=True) if taken],
        )

    def plain(self, vector: NDArray[np.float64]) -> tuple[str, str]:
        """Return buy and sell text of a set as a person would have written it."""
        return self._chains(*self.chosen(vector))

    def _chains(self, buy: Sequence[str], sell: Sequence[str]) -> tuple[str, str]:
        buy_flag, sell_flag = _FLAGS[self.side]
        return _OTHER[self.side] + _chain(buy, f"{buy_flag} = False"), _chain(sell, f"{sell_flag} = True")

    def report(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[str, Any]:
        """Return what a study says at its end: the best sets, and how often each line is among those that score above 0."""
        kept = np.flatnonzero(scores > 0)
        best = kept[np.argsort(-scores[kept], kind="stable")][:TOP]
        counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for place in kept:
            for counter, lines in zip(counts, self.chosen(vectors[place]), strict=True):
                counter.update(lines)
        top = [dict(zip(("buy", "sell"), self.chosen(vectors[k]), strict=True)) | {"score": float(scores[k])} for k in best]
        frequency = [
            {"side": side, "line": line, "count": count, "share": count / len(kept)}
            for side, counter in zip(("buy", "sell"), counts, strict=True)
            for line, count in counter.most_common()
        ]
        return {"kept": len(kept), "top": top, "frequency": frequency}


def _chain(conditions: Sequence[str], action: str) -> str:
    return "".join(f"{'elif' if k else 'if'} {condition}:\n    {action}\n" for k, condition in enumerate(conditions))


def parse_lines(buy_text: str, sell_text: str, market: Market, interval_s: int, formulas: Sequence[Formula] = ()) -> Lines:
    """Return the condition lists of two texts.

    Raises
    ------
    InputError
        ``conditions.empty``, ``conditions.many``, ``conditions.side``: no lines, too many, or no block of the side.
    StrategyErrors
        With every line that is no condition, by its number.
    """
    blocks = {"buy": _blocks(buy_text), "sell": _blocks(sell_text)}
    side = ""
    if is_futures(market):
        named = next(iter(blocks["buy"]), "")
        if named not in SIDES or named not in blocks["sell"]:
            raise InputError("conditions.side")
        side = named
    lists = {text: found.get(side, []) for text, found in blocks.items()}
    for text, found in lists.items():
        if not found:
            raise InputError("conditions.empty", side=text)
        if len(found) > LINES_MAX:
            raise InputError("conditions.many", side=text, count=len(found), limit=LINES_MAX)
        _check(found, text, side, market, interval_s, formulas)
    return Lines(tuple(line for _, line in lists["buy"]), tuple(line for _, line in lists["sell"]), side)


def _blocks(text: str) -> dict[str, list[tuple[int, str]]]:
    """Return the numbered lines of each block; lines before any side's heading stand under ""."""
    out: dict[str, list[tuple[int, str]]] = {}
    now = ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = line.strip()
        if line.lstrip("# ").upper() in SIDES and line.startswith("#"):
            now = line.lstrip("# ").upper()
            out.setdefault(now, [])
        elif line and not line.startswith("#"):
            out.setdefault(now, []).append((number, line))
    return out


def _check(lines: Sequence[tuple[int, str]], text: str, side: str, market: Market, interval_s: int, formulas: Sequence[Formula]) -> None:
    """Refuse what is no condition of its side: the language's own errors, with the number of the line in the list."""
    flag = f"{_FLAGS[side][0]} = False" if text == "buy" else f"{_FLAGS[side][1]} = True"
    errors: list[StrategyError] = []
    for number, line in lines:
        if "self.vars" in line:
            errors.append(StrategyError("conditions.variable", number, 1))
            continue
        try:
            parse(f"if ({line}):\n    {flag}\n", text, market, interval_s, formulas)
        except StrategyErrors as found:
            errors += [StrategyError(one.code, number, max(one.column - 4, 1), **one.fields) for one in found.errors]
    if errors:
        raise StrategyErrors(errors)
