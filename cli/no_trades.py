"""Why a run has no trades: what kept its entries out, found by asking again with that hindrance away."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.executors import LocalExecutor
from backtester.job import Loaded, Run, load, run_one
from cli.order_limit import OrderRoom, leverage_most, room_of
from cli.output import refusals_said
from cli.portfolio import refused_by
from utility.paths import DataDir
from utility.text import sentence

AMPLE = 1e6
"""Times the amount: one unit of anything is bought for it."""
ORDER_RULES = ("max_order", "max_order_pct")


def why_no_trades(loaded: Loaded, done: Run, data: DataDir, executor: LocalExecutor, values: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return the main reason of a run without trades; None where it traded.

    Returns
    -------
    dict
        ``reason``: "limit" (`refusals` by rule), "book" (an order needs more than the book shows), "small" (the amount buys not one
        unit), "condition" (nothing asked for an entry), "unknown" (more rows than memory: nothing is asked again); ``betting``,
        ``leverage``, ``amount`` of one order and ``limit`` (None without an account), in the market's currency.
    """
    if len(done.trades):
        return None
    job = loaded.job
    shared = room_of(job)
    room = shared or OrderRoom(job.options.betting, leverage_most(job.options.futures), np.inf)
    facts = {"betting": room.betting, "leverage": room.leverage, "amount": room.amount, "limit": None if shared is None else shared.limit}
    refused = {} if done.shared is None else refused_by(done.shared)
    if refused:
        return {"reason": "limit", "refusals": refused} | facts
    if loaded.prepared.window_rows:
        return {"reason": "unknown"} | facts
    for reason, betting in (("book", room.betting), ("small", room.betting * AMPLE)):
        options = replace(job.options, fill="last", level_share=0.0, betting=betting)
        tried = run_one(load(replace(job, options=options, source=loaded.rows.source), data, executor), values)
        if len(tried.trades) or (tried.shared is not None and refused_by(tried.shared)):
            return {"reason": reason} | facts
    return {"reason": "condition"} | facts


def show_no_trades(language: str, why: dict[str, Any], currency: str) -> None:
    """Print the reason, with the numbers that a person can change."""
    lines = [sentence("research.no_trades" if why["reason"] == "unknown" else f"research.none_{why['reason']}", language)]
    room = OrderRoom(why["betting"], why["leverage"], np.inf if why["limit"] is None else why["limit"])
    if why["reason"] == "limit":
        main = max(why["refusals"].items(), key=lambda one: one[1])[0]
        lines.append(sentence("research.none_rules", language, refusals=refusals_said(why["refusals"], language)))
        if main in ORDER_RULES:
            lines.append(sentence("portfolio.over_limit", language, **room.words(currency)))
    elif why["reason"] in ("book", "small"):
        words = OrderRoom(why["betting"], why["leverage"], 0.0).words(currency)
        lines.append(sentence("research.none_order", language, **words))
    for line in lines:
        sys.stdout.write(line + "\n")
