"""A formula over rows, for charts: its columns as they would be live, by the interpreter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from domain.formulas import COLUMNS, Formula
from domain.instruments import Market
from strategy.features import PlainFeatures
from strategy.formula import plain
from strategy.program import build


def lines(
    formula: Formula,
    market: Market,
    columns: Mapping[str, NDArray[np.float64]],
    row_time: NDArray[np.int64],
    days: Sequence[int],
    known: Sequence[Formula] = (),
    indicators: str = "",
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a formula over the rows of one instrument.

    Parameters
    ----------
    formula : Formula
        Of the rows' market and interval.
    columns : mapping of str to ndarray of float64, shape (rows,)
        Recorded columns by key; at least those that the formula reads.
    row_time : ndarray of int64, shape (rows,)
    days : sequence of int
        First row of each session, the first of them 0.
    known : sequence of Formula
        Others that it may name.
    indicators : str
        ``self.indicator`` lines by which indicators are set.

    Returns
    -------
    dict of str to ndarray of float64, shape (rows,)
        ``line``; ``check``, ``up``, ``down``; ``check``; or ``buy``, ``sell``. Checks and marks are 0 or 1; a line that is not there is
        NaN. The marks of 화살표:매매 alternate, buy first, within a session.

    Raises
    ------
    StrategyErrors
        The formula, or one that it names, is refused.
    """
    others = [one for one in known if plain(one.name) != plain(formula.name)]
    program = build(indicators, "", market, formula.interval_s, formulas=[*others, formula])
    inputs = tuple(np.asarray(row_time if key == "row_time" else columns[key], dtype=np.float64) for key in program.columns)
    features = PlainFeatures(program, program.windows([0.0] * max(program.n_vars, 1)))
    for lo, hi in zip(days, [*days[1:], len(row_time)], strict=True):
        features.fill(inputs, lo, lo, hi)
    out = {
        column: np.array(features.extremes[program.formula_rows[plain(formula.name), column]], dtype=np.float64)
        for column in COLUMNS[formula.display]
    }
    if formula.display == "trade_arrows":
        _alternate(out, list(days), len(row_time))
    return out


def _alternate(out: dict[str, NDArray[np.float64]], days: Sequence[int], rows: int) -> None:
    """Leave the marks that change something: a buy while flat, a sell after one."""
    begins, held = set(days), False
    for i in range(rows):
        held = held and i not in begins
        buys, sells = (out[side][i] != 0.0 and not math.isnan(out[side][i]) for side in ("buy", "sell"))
        out["buy"][i], out["sell"][i] = float(buys and not held), float(sells and held)
        held = (held or buys) if not (sells and held) else False
