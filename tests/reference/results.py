"""What is said of trades: their hash (command-line.md) and the figures of workstation §9.1."""

from __future__ import annotations

import hashlib

from tests.reference.numbers import round_to
from tests.reference.replay import Trade
from tests.reference.rows import Day

DAYS_A_YEAR = {"krx": 250}


def lines(trades: list[Trade]) -> str:
    text = ""
    for t in trades:
        prices = (
            f"{plain(t.qty, 8)}|{plain(t.entry_price, 8)}|{plain(t.exit_price, 8)}|{plain(t.entry_amount, 4)}|{plain(t.exit_amount, 4)}"
        )
        text += f"{t.code}|{t.side}|{t.entry_time}|{t.exit_time}|{prices}|{plain(t.return_pct, 2)}|{plain(t.pnl, 4)}|{t.exit_rule}\n"
    return text


def plain(value: float, places: int) -> str:
    """Format like C, without the sign of a zero."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def sha256(trades: list[Trade]) -> str:
    return hashlib.sha256(lines(trades).encode()).hexdigest()


def at_once(times: list[int], trades: list[Trade], weight: dict[int, float]) -> float:
    """Return the most that was held at once, the top hundredth of all row times left out; `weight` by position in trades."""
    held = sorted(
        (sum(weight[k] for k, trade in enumerate(trades) if trade.entry_time <= time <= trade.exit_time) for time in times), reverse=True
    )
    return held[len(held) // 100]


def metrics(trades: list[Trade], days: list[Day], market: str, betting: float) -> dict[str, float]:
    """Return the figures of §9.1 under their JSON keys."""
    names = ["tc", "atc", "pc", "mc", "wr", "ah", "ap", "tg", "mh", "tp", "cagr", "tpi", "mdd", "mdd_amount"]
    if not trades:
        return dict.fromkeys(names, 0.0) | {"seed": betting}
    n, days_run = len(trades), len({day.date for day in days if day.times})
    wins, losses = [t for t in trades if t.pnl >= 0], [t for t in trades if t.pnl < 0]
    times = sorted({time for day in days for time in day.times})
    seed = max(betting, at_once(times, trades, {k: trade.entry_amount for k, trade in enumerate(trades)}))
    tg = round_to(sum(trade.pnl for trade in trades), 0 if market == "krx" else 4)
    tp = tg / seed * 100
    win = sum(t.return_pct for t in wins) / len(wins) if wins else 0.0
    loss = sum(t.return_pct for t in losses) / len(losses) if losses else 0.0
    equity = peak = worst = worst_peak = 0.0
    for trade in trades:
        equity = round_to(equity + trade.pnl, 4)
        peak = max(peak, equity)
        if peak - equity > worst:
            worst, worst_peak = peak - equity, peak
    return {
        "tc": n,
        "atc": round_to(n / days_run, 1),
        "pc": len(wins),
        "mc": len(losses),
        "wr": len(wins) / n * 100,
        "ah": sum(t.holding_time for t in trades) / n,
        "ap": sum(t.return_pct for t in trades) / n,
        "tg": tg,
        "mh": max(1.0, at_once(times, trades, dict.fromkeys(range(n), 1.0))),
        "seed": seed,
        "tp": tp,
        "cagr": tp / days_run * DAYS_A_YEAR.get(market, 365),
        "tpi": len(wins) / n * (1 + win / abs(loss)) if loss else 1.0,
        "mdd": worst / (worst_peak + seed) * 100,
        "mdd_amount": worst,
    }
