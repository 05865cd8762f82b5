"""A run as a page and a picture: equity, drawdown, metrics and every trade, in both languages.

Drawn by matplotlib's Agg, so it needs no display; Korean by the font in ``icon/fonts``.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.metrics import KOREAN, METRIC_KEYS
from trading.trades import cumulative_pnl, exit_label, sort_trades
from utility.text import sentence

FONT = Path(__file__).resolve().parents[1] / "icon" / "fonts" / "NanumGothic.ttf"
LANGUAGES = ("ko", "en")
MAX_ROWS = 20_000
"""Trades shown in the page; the file of trades always has all of them."""


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Parameters
    ----------
    title : str
        Name of the run.
    facts : list of (str, str)
        Locale code of each line of the passport and its value.
    metrics : dict
        From `backtester.metrics.named`.
    codes, trades, labels
        As `trading.trades.write_trades` takes them.
    interval_s : int
    """

    title: str
    facts: Sequence[tuple[str, str]]
    metrics: dict[str, float]
    codes: Sequence[str]
    trades: NDArray[np.void]
    labels: Sequence[str]
    interval_s: int


def moment(row_time: int, interval_s: int) -> dt.datetime:
    """Return a row time as a datetime of the market's clock."""
    return dt.datetime.strptime(str(row_time), "%Y%m%d%H%M%S" if interval_s == 1 else "%Y%m%d%H%M")


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``report_<language>.html`` and ``equity_<language>.png`` into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for language in LANGUAGES:
        picture = folder / f"equity_{language}.png"
        draw_equity(report, language, picture)
        page = folder / f"report_{language}.html"
        page.write_text(_page(report, language, picture.name), "utf-8")
        made += [page, picture]
    return made


def draw_equity(report: Report, language: str, path: Path) -> None:
    """Draw cumulative profit and drawdown over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    font = font_manager.FontProperties(fname=str(FONT))
    trades = sort_trades(report.codes, report.trades)
    equity = cumulative_pnl(trades["pnl"])
    times: list[Any] = [moment(int(t), report.interval_s) for t in trades["exit_time"].tolist()]
    peak = np.maximum.accumulate(np.maximum(equity, 0.0)) if len(equity) else equity
    figure = Figure(figsize=(12, 7), dpi=100, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    if len(equity):
        upper.step(times, equity, where="post", color="#d9822b", linewidth=1.8)
        colours = ["#d64541" if value >= 0 else "#2f6fb5" for value in trades["pnl"].tolist()]
        upper.vlines(times, 0.0, trades["pnl"], colors=colours, linewidth=0.8)
        lower.fill_between(times, equity - peak, 0.0, step="post", color="#2f6fb5", alpha=0.5)
    else:
        upper.text(0.5, 0.5, sentence("research.no_trades", language), transform=upper.transAxes, ha="center", fontproperties=font)
    upper.axhline(0.0, color="#888888", linewidth=0.6)
    upper.set_title(f"{report.title} · {sentence('research.equity', language)}", fontproperties=font)
    upper.set_ylabel(sentence("research.profit", language), fontproperties=font)
    lower.set_ylabel(sentence("research.drawdown", language), fontproperties=font)
    for axis in (upper, lower):
        axis.grid(alpha=0.3)
        axis.ticklabel_format(axis="y", style="plain", useOffset=False)
    figure.autofmt_xdate()
    figure.savefig(path)


def metric_name(key: str, language: str) -> str:
    """Return the name of a metric on the screen."""
    return KOREAN[key] if language == "ko" else sentence(f"metric.{key}", language)


def _page(report: Report, language: str, picture: str) -> str:
    def say(code: str) -> str:
        return html.escape(sentence(code, language))

    trades = sort_trades(report.codes, report.trades)
    facts = "".join(f"<tr><th>{say(code)}</th><td>{html.escape(value)}</td></tr>" for code, value in report.facts)
    metrics = "".join(
        f"<tr><th>{html.escape(metric_name(key, language))}</th><td class='n'>{report.metrics[key]:,.2f}</td></tr>" for key in METRIC_KEYS
    )
    heads = "".join(f"<th>{say('research.trade_' + name)}</th>" for name in _TRADE_COLUMNS)
    shown = trades[-MAX_ROWS:]
    cumulative = cumulative_pnl(trades["pnl"])[-MAX_ROWS:]
    rows = "".join(_trade_row(report, trade, total) for trade, total in zip(shown, cumulative.tolist(), strict=True))
    left_out = (
        f"<p>{html.escape(sentence('research.rows_left_out', language, count=len(trades) - len(shown)))}</p>"
        if len(trades) > len(shown)
        else ""
    )
    return (
        f"<!doctype html><html lang='{language}'><head><meta charset='utf-8'><title>{html.escape(report.title)}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(report.title)}</h1><table class='facts'>{facts}</table>"
        f"<img src='{picture}' alt='{say('research.equity')}'>"
        f"<h2>{say('research.metrics')}</h2><table class='facts'>{metrics}</table>"
        f"<h2>{say('research.trades')} ({len(trades):,})</h2>{left_out}"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></body></html>"
    )


_TRADE_COLUMNS = (
    "code", "side", "entry_time", "exit_time", "holding_time", "entry_price", "exit_price", "entry_amount", "exit_amount",
    "return_pct", "pnl", "pnl_cum", "exit_label",
)  # fmt: skip


def _trade_row(report: Report, trade: np.void, total: float) -> str:
    def when(name: str) -> str:
        return f"<td>{moment(int(trade[name]), report.interval_s)}</td>"

    def number(value: float, places: int) -> str:
        return f"<td class='n'>{value:,.{places}f}</td>"

    colour = "up" if trade["pnl"] >= 0 else "down"
    return (
        f"<tr class='{colour}'><td>{html.escape(report.codes[int(trade['symbol'])])}</td>"
        f"<td>{'LONG' if trade['side'] > 0 else 'SHORT'}</td>"
        f"{when('entry_time')}{when('exit_time')}<td class='n'>{int(trade['holding_time'])}</td>"
        f"{number(float(trade['entry_price']), 4)}{number(float(trade['exit_price']), 4)}"
        f"{number(float(trade['entry_amount']), 2)}{number(float(trade['exit_amount']), 2)}"
        f"{number(float(trade['return_pct']), 2)}{number(float(trade['pnl']), 2)}{number(total, 2)}"
        f"<td>{html.escape(exit_label(int(trade['exit_rule']), report.labels))}</td></tr>"
    )


_STYLE = (
    "body{font-family:'Nanum Gothic',sans-serif;background:#15181d;color:#dde3ea;margin:24px;max-width:1280px}"
    "table{border-collapse:collapse;width:100%;font-size:13px}td,th{border-bottom:1px solid #2b313a;padding:4px 8px;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.facts{width:auto}"
    ".up td:nth-child(11){color:#e8605b}.down td:nth-child(11){color:#5b9de8}"
    "img{max-width:100%;margin:16px 0;background:#fff}"
)
