"""Trials and trades of the research page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PyQt5.QtCore import QObject

from backtester.figures import NO_TRADES, OUT_OF_LIMITS
from ui import format as fmt
from ui.models.records import Records
from ui.models.table import CENTRE, LEFT, Column
from ui.text import tr

METRICS = ("tc", "atc", "pc", "mc", "wr", "ah", "ap", "tg", "mh", "seed", "tp", "cagr", "tpi", "mdd", "mdd_amount")


@dataclass(slots=True)
class TrialRecord:
    """One parameter set of a search."""

    number: int
    score: float
    variables: str
    metrics: dict[str, float] = field(default_factory=dict)
    best: bool = False
    front: bool = False
    """Whether it is on the front of a search with several goals."""
    every: str = ""
    """All variables, those that no trial moved among them."""

    def __getattr__(self, name: str) -> Any:
        if name in METRICS:
            return self.metrics.get(name, float("nan"))
        raise AttributeError(name)


@dataclass(slots=True)
class TradeRow:
    """One trade of a backtest's trades file."""

    number: int
    code: str
    side: str
    entry_time: int
    exit_time: int
    holding_time: int
    qty: float
    entry_price: float
    exit_price: float
    entry_amount: float
    exit_amount: float
    return_pct: float
    pnl: float
    pnl_cum: float
    exit_label: str
    currency: str = "KRW"
    offset_s: int = 0
    """The market's clock, in which the times are, from UTC."""


def _time(value: int, record: TradeRow) -> str:
    return fmt.row_day_clock(value, record.offset_s)


def _exit_time(value: int, record: TradeRow) -> str:
    """Return the clock alone where a trade ends on the day it began."""
    began, ended = _time(record.entry_time, record), _time(value, record)
    return ended.partition(" ")[2] if began[:5] == ended[:5] and " " in ended else ended


def _market_time(value: int, record: TradeRow) -> str:
    text = str(value)
    clock = ":".join(text[8:][i : i + 2] for i in range(0, len(text) - 8, 2))
    zone = "UTC" if not record.offset_s else f"UTC{record.offset_s / 3600:+.3g}"
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {clock} {zone}"


def _holding(value: int, record: TradeRow) -> str:
    return fmt.duration(value * (1 if len(str(record.entry_time)) == 14 else 60))


def _price(value: float, record: Any) -> str:
    decimals = 2 if abs(value) >= 1_000 else 4 if abs(value) >= 1 else 8
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".")


def _money(value: float, record: Any) -> str:
    return fmt.DASH if fmt.missing(value) else f"{value:+,.{0 if record.currency == 'KRW' else 2}f}"


def _percent(value: float, record: Any) -> str:
    return fmt.DASH if fmt.missing(value) else f"{value:,.2f}%"


def fair_score(record: Any) -> float:
    """Return the score that gives a cell its colour."""
    return 0.0 if record.score in (NO_TRADES, OUT_OF_LIMITS) else float(record.score)


def score_text(value: float) -> str:
    """Return a score; those that only say that a set is out of the running in words."""
    if value in (NO_TRADES, OUT_OF_LIMITS):
        return tr("ui.trial.no_trades" if value == NO_TRADES else "ui.trial.out_of_limits")
    return fmt.number(value)


TRIAL_COLUMNS = (
    Column("number", "ui.col.number", CENTRE, lambda v, r: str(v), tone=lambda r: "muted", width=6),
    Column("front", "ui.col.front", CENTRE, lambda v, r: "●" if v else "", tone=lambda r: "accent", width=3),
    Column("score", "ui.col.score", format=lambda v, r: score_text(v), sign=fair_score, width=13),
    Column("variables", "ui.col.variables", LEFT, lambda v, r: v, tip=lambda r: r.every or r.variables, width=0),
    Column("tc", "ui.metric.tc", format=lambda v, r: fmt.integer(v), width=7),
    Column("wr", "ui.metric.wr", format=_percent, width=7),
    Column("tg", "ui.metric.tg", format=lambda v, r: fmt.number(v, 0), sign=lambda r: r.tg, width=12),
    Column("mdd", "ui.metric.mdd", format=_percent, width=8),
)

TRADE_ROW_COLUMNS = (
    Column("number", "ui.col.number", CENTRE, lambda v, r: str(v), tone=lambda r: "muted", width=4),
    Column("code", "ui.col.name", LEFT, lambda v, r: v, width=9.5),
    Column("entry_time", "ui.col.entry_time_kst", CENTRE, _time, tip=lambda r: _market_time(r.entry_time, r), width=12),
    Column("exit_time", "ui.col.exit_time_kst", CENTRE, _exit_time, tip=lambda r: _market_time(r.exit_time, r), width=12),
    Column("holding_time", "ui.col.holding", format=_holding, width=5),
    Column("entry_price", "ui.col.buy_price", format=_price, width=10.5),
    Column("exit_price", "ui.col.sell_price", format=_price, width=10.5),
    Column("return_pct", "ui.col.return", format=lambda v, r: fmt.percent(v), sign=lambda r: r.return_pct, width=7),
    Column("pnl", "ui.col.pnl_closed", format=_money, sign=lambda r: r.pnl, width=10),
    Column("pnl_cum", "ui.col.pnl_cum", format=_money, sign=lambda r: r.pnl_cum, width=11),
    Column("exit_label", "ui.col.exit_label", LEFT, lambda v, r: v, tone=lambda r: "muted", tip=lambda r: r.exit_label, width=0),
)


class TrialModel(Records):
    """Trials of a study."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(TRIAL_COLUMNS, parent, limit=20_000)


class TradeRowModel(Records):
    """Trades of the chosen run."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(TRADE_ROW_COLUMNS, parent)
