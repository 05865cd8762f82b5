"""Which field a command's refusal speaks of, so that its sentence stands beside that field. No Qt."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("backtest.range", ("--to",)),
    ("backtest.moment", ("--from", "--to")),
    ("backtest.times", ("--end",)),
    ("backtest.clock", ("--start",)),
    ("backtest.start_daily", ("--start",)),
    ("backtest.no_rows", ("--from",)),
    ("backtest.no_book", ("--fill",)),
    ("backtest.queue_orders", ("--fill",)),
    ("backtest.fill", ("--fill",)),
    ("backtest.texts_missing", ("--strategy",)),
    ("backtest.two_strategies", ("--buy",)),
    ("backtest.var", ("--set",)),
    ("backtest.set", ("--set",)),
    ("backtest.betting", ("--betting",)),
    ("backtest.fees", ("--fees",)),
    ("backtest.latency", ("--latency",)),
    ("backtest.levels", ("--entry-levels", "--exit-levels")),
    ("backtest.slippage", ("--slippage",)),
    ("backtest.no_price_step", ("--slippage",)),
    ("backtest.rows_since", ("--rows-since",)),
    ("batch.at", ("--at",)),
    ("batch.change", ("--change",)),
    ("batch.first_timed", ("--first",)),
    ("batch.no_job", ("jobs",)),
    ("batch.on", ("--on",)),
    ("batch.vary", ("--vary",)),
    ("batch.too_many", ("--vary",)),
    ("batch.which", ("jobs",)),
    ("batch.zone", ("--zone",)),
    ("compare.", ("numbers",)),
    ("conditions.", ("--ranges",)),
    ("data.bad_date", ("--start", "--from")),
    ("data.bad_ending", ("--out",)),
    ("data.make_range", ("--days",)),
    ("download.symbol", ("--symbol", "--symbols")),
    ("download.no_symbols", ("--symbol", "--symbols")),
    ("download.kind", ("--kind", "--interval")),
    ("download.rest", ("--rest",)),
    ("download.", ("--from",)),
    ("executor.", ("--workers",)),
    ("fees.", ("--fees",)),
    ("find.ahead", ("--ahead",)),
    ("find.column", ("--columns",)),
    ("find.twice", ("--set",)),
    ("find.text_missing", ("--strategy",)),
    ("futures.leverage", ("--leverage",)),
    ("futures.", ("--funding",)),
    ("halts.", ("--halts",)),
    ("import.market_needed", ("--market",)),
    ("import.other_market", ("--market",)),
    ("import.unknown_market", ("--market",)),
    ("import.symbol_needed", ("--symbol",)),
    ("import.bad_map", ("--map",)),
    ("import.", ("sources",)),
    ("optimise.range_and_set", ("--set",)),
    ("optimise.range", ("--ranges",)),
    ("optimise.no_ranges", ("--ranges",)),
    ("optimise.limit", ("--limits",)),
    ("optimise.objective", ("--objective",)),
    ("optimise.formula", ("--objective",)),
    ("optimise.goals", ("--goals",)),
    ("orders.", ("--order-settings",)),
    ("portfolio.cash", ("--cash",)),
    ("portfolio.shares", ("--share",)),
    ("portfolio.", ("--portfolio",)),
    ("split.kind", ("--split",)),
    ("split.walk_vc", ("--split",)),
    ("split.no_validation", ("--valid-weeks",)),
    ("split.", ("--train-weeks",)),
    ("store.unknown_symbol", ("--symbols", "--symbol")),
    ("store.no_data", ("--source", "--interval", "--market")),
    ("store.unknown_column", ("--columns",)),
    ("strategy.kept", ("--strategy",)),
    ("studies.no_run", ("number", "numbers", "subject")),
    ("studies.no_study", ("subject",)),
    ("verdict.map", ("--map",)),
    ("verdict.pair", ("--map",)),
    ("verdict.", ("subject",)),
)
"""Beginning of a code → options it may be about, the first of a form is meant; what is longer stands before what is shorter."""


def place_of(code: str, fields: Mapping[str, Any], known: Container[str]) -> str:
    """Return the option of a form that a refusal is about; "" when it is about none of them.

    Parameters
    ----------
    code : str
        Of the refusal; the parser's own names the option in its sentence.
    fields : mapping
        What came with it; an ``option`` among them is the option itself.
    known : container of str
        Options the form has a field for.
    """
    said = str(fields.get("option", ""))
    for name in (said, f"--{said}"):
        if said and name in known:
            return name
    if code == "cli.arguments":
        return next((name for name in re.findall(r"--[a-z-]+", str(fields.get("reason", ""))) if name in known), "")
    for start, names in PLACES:
        if code.startswith(start):
            return next((name for name in names if name in known), "")
    return ""
