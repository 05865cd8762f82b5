"""What `backtest --portfolio` says besides a plain run: the account, each strategy, what was refused."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from backtester.job import Loaded, Run
from backtester.metrics import named
from backtester.portfolio import Shared, days_of
from backtester.record import CURVE, strategy_trades
from backtester.trades import round_trips
from cli.order_limit import OrderRoom, room_of
from cli.output import refusals_said
from domain.instruments import NS
from trading.shared_account import POINT_CASH, POINT_EQUITY, POINT_OPEN
from trading.trades import trades_sha256
from utility.amounts import money_text
from utility.text import sentence


def refused_by(shared: Shared) -> dict[str, int]:
    """Return how many entries each rule refused or made smaller, of all strategies."""
    total: Counter[str] = Counter()
    for one in shared.refusals:
        total.update(one)
    return dict(total)


def portfolio_facts(loaded: Loaded, done: Run, folder: Path) -> dict[str, Any]:
    """Return the account's figures, and those of each strategy.

    Parameters
    ----------
    folder : Path
        Of the run, where its files are.
    """
    shared, terms = done.shared, loaded.job.portfolio
    assert shared is not None
    assert terms is not None
    curve = shared.curve
    equity = np.concatenate([[terms.cash], curve[:, POINT_EQUITY]])
    peak = np.maximum.accumulate(equity)
    strategies = []
    for k, (one, raw, refused) in enumerate(zip(loaded.strategies, shared.raws, shared.refusals, strict=True)):
        trades = round_trips(loaded.prepared, raw)
        strategies.append(
            {
                "strategy": one.name,
                "share": terms.shares[k],
                "trades": len(trades),
                "pnl": float(trades["pnl"].sum()),
                "metrics": named(loaded.metrics.of(raw, 1)[0]),
                "refusals": refused,
                "trades_path": str(folder / strategy_trades(k + 1)),
                "trades_sha256": trades_sha256(loaded.prepared.codes, trades),
            }
        )
    room = room_of(loaded.job)
    assert room is not None
    return {
        "order_limit": room.limit,
        "leverage_most": room.leverage,
        "cash": terms.cash,
        "cash_end": shared.cash,
        "cash_least": float(np.min(curve[:, POINT_CASH], initial=terms.cash)),
        "max_positions": terms.max_positions,
        "positions_most": int(np.max(curve[:, POINT_OPEN], initial=0)),
        "drawdown": float((peak - equity).max()),
        "drawdown_pct": float(((peak - equity) / peak).max() * 100.0),
        "in_feed_order": shared.in_feed_order,
        "halt": None if shared.halt is None else {"time": _clock(shared.halt[0]), "rule": shared.halt[1]},
        "stopped_days": shared.stopped_days,
        "strategies": strategies,
        "equity": days_of(curve, loaded.prepared.row_time, loaded.prepared.interval_s),
        "equity_path": str(folder / CURVE),
    }


def _clock(ns: int) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    return dt.datetime.fromtimestamp(ns // NS, dt.UTC).isoformat()


def show_portfolio(code: str, currency: str, facts: dict[str, Any], betting: float) -> None:
    """Print the account and a line a strategy; `betting` is the amount of one entry."""
    if betting < facts["betting_usual"]:
        words = OrderRoom(betting, facts["leverage_most"], facts["order_limit"]).words(currency)
        usual = money_text(facts["betting_usual"], currency)
        sys.stdout.write(sentence("portfolio.fitted", code, **words | {"usual": usual}) + "\n")
    money = {key: money_text(facts[key], currency) for key in ("cash", "cash_end", "cash_least", "drawdown")}
    said = facts | money | {"currency": currency}
    sys.stdout.write(sentence("portfolio.account", code, **said) + "\n")
    if facts["halt"] is not None:
        rule = sentence(f"ui.rule.{facts['halt']['rule']}", code)
        sys.stdout.write(sentence("portfolio.halted", code, time=facts["halt"]["time"], rule=rule) + "\n")
    if facts["stopped_days"]:
        sys.stdout.write(sentence("portfolio.stopped", code, days=facts["stopped_days"]) + "\n")
    if not facts["in_feed_order"]:
        sys.stdout.write(sentence("portfolio.by_code", code) + "\n")
    for one in facts["strategies"] if len(facts["strategies"]) > 1 else ():
        refused = refusals_said(one["refusals"], code) or "-"
        line = one | {"pnl": money_text(one["pnl"], currency), "currency": currency, "share_pct": one["share"] * 100.0, "refused": refused}
        sys.stdout.write(sentence("portfolio.strategy", code, **line) + "\n")
    sys.stdout.write(sentence("portfolio.saved", code, path=facts["equity_path"]) + "\n")
