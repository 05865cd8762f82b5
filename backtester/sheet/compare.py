"""Several stored runs side by side: figures in one table, equity curves on one chart (workstation 12, 비교)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backtester.metrics import METRIC_KEYS
from backtester.sheet import figures as fig
from backtester.sheet.draw import CORNERS_MAX, Painter
from backtester.sheet.load import Sheet
from backtester.sheet.page import Pairs, facts, metrics, write_figures
from backtester.sheet.style import SIZE, THEMES, Theme
from backtester.sheet.units import named
from utility.text import sentence

RUNS_MAX = 12
POINTS = 500
LEFT_OUT = ("buy", "sell", "data", "program", "build", "lock", "python", "machine", "codes", "version")
"""Parts of a passport whose difference is told by a word, not by their value."""


def curve(sheet: Sheet, most: int = POINTS) -> tuple[list[str], list[float]]:
    """Return moments (ISO, the market's clock) and cumulative profit of at most `most` trades, the last among them."""
    equity = sheet.trades.equity
    chosen = np.unique(np.linspace(0, len(equity) - 1, min(most, len(equity))).astype(np.int64)) if len(equity) else np.zeros(0, np.int64)
    return [str(one) for one in sheet.trades.exit[chosen]], equity[chosen].tolist()


def differences(sheets: Sequence[Sheet]) -> dict[str, list[Any]]:
    """Return the parts of the passports that are not the same in all runs, each with its values; texts and digests as True."""
    known = [sheet.run.passport for sheet in sheets]
    keys = list(dict.fromkeys(key for one in known for key in one))
    out: dict[str, list[Any]] = {}
    for key in keys:
        values = [one.get(key) for one in known]
        if any(value != values[0] for value in values):
            out[key] = [value != values[0] for value in values] if key in LEFT_OUT else values
    return out


def as_dict(sheets: Sequence[Sheet]) -> dict[str, Any]:
    """Return runs, figures and curves as JSON takes them."""
    out = []
    for sheet in sheets:
        moments, values = curve(sheet)
        held, paid = fig.exposure(sheet.trades, sheet.days, sheet.session_s), fig.costs(sheet.trades)
        out.append(
            {
                "run": sheet.run.run,
                "strategy": sheet.run.passport.get("strategy", ""),
                "market": sheet.market.code,
                "currency": sheet.market.currency,
                "trades": len(sheet.trades),
                "trades_sha256": sheet.run.trades_sha256,
                "metrics": sheet.run.metrics,
                "exposure": {"in_market": held.in_market, "mean_amount": held.mean_amount, "turnover": held.turnover},
                "costs": {"gross": paid.gross, "costs": paid.costs, "net": paid.net},
                "verdict": sheet.verdict and sheet.verdict["verdict"]["result"],
                "equity": {"time": moments, "value": values},
            }
        )
    best = {key: _best(sheets, key) for key in METRIC_KEYS if key in RANKED}
    return {"runs": out, "differs": differences(sheets), "best": best}


RANKED = {"wr": 1, "ap": 1, "tg": 1, "tp": 1, "cagr": 1, "tpi": 1, "mdd": -1, "mdd_amount": -1}
"""Figures of which more (1) or less (−1) is better."""


def _best(sheets: Sequence[Sheet], key: str) -> int | None:
    """Return the number of the run whose figure is best; None when they are all the same."""
    values = [RANKED[key] * float(sheet.run.metrics.get(key) or 0.0) for sheet in sheets]
    return None if len(set(values)) == 1 else sheets[int(np.argmax(values))].run.run


def draw(sheets: Sequence[Sheet], language: str, look: Theme) -> Any:
    """Return the figure: cumulative profit over time, and in % of each run's capital by number of trades."""
    first = Painter(sheets[0], language, look)
    page = first.page("compare")
    upper, lower = page.subplots(2, 1)
    upper.set_title(first.say("equity"))
    lower.set_title(first.say("equity_pct"))
    colours = [look.equity, *look.accents, look.win, look.loss, look.muted]
    currencies = {sheet.market.currency for sheet in sheets}
    for place, sheet in enumerate(sheets):
        painter = Painter(sheet, language, look)
        style: dict[str, Any] = {
            "color": colours[place % len(colours)],
            "linewidth": 1.6,
            "linestyle": "-" if place < len(colours) else "--",
        }
        name = first.say(
            "compared",
            run=sheet.run.run,
            strategy=sheet.run.passport.get("strategy") or "–",
            market=named("ui.market", sheet.market.code, language),
        )
        times, equity = painter.curve()
        told = fig.telling(equity, CORNERS_MAX)
        upper.step(times[told], equity[told], where="post", label=name, **style)
        numbers = np.arange(len(painter.equity) + 1)
        gain = np.append(0.0, painter.equity) / painter.capital * 100.0
        told = fig.telling(gain, CORNERS_MAX)
        lower.plot(numbers[told], gain[told], marker="o" if len(numbers) < 3 else "", label=name, **style)
    for axis in (upper, lower):
        axis.axhline(0.0, color=look.muted, linewidth=0.7)
    first.money_axis(upper)
    first.time_axis(upper)
    upper.set_ylabel(" / ".join(sorted(currencies)))
    lower.set_ylabel("%")
    lower.set_xlabel(first.say("trade_number"))
    lower.xaxis.get_major_locator().set_params(integer=True)
    upper.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return page


def table(sheets: Sequence[Sheet], language: str) -> list[tuple[str, list[str]]]:
    """Return the rows of the comparison: facts that differ, then every figure, one text a run."""
    rows: list[tuple[str, list[str]]] = []
    for part in (facts, metrics):
        columns: list[Pairs] = [part(sheet, language) for sheet in sheets]
        names = list(dict.fromkeys(name for column in columns for name, _ in column))
        found = [dict(column) for column in columns]
        both = [(name, [one.get(name, "–") for one in found]) for name in names]
        rows += [row for row in both if part is metrics or len(set(row[1])) > 1]
    return rows


def write(sheets: Sequence[Sheet], path: Path, language: str, theme: str = "print") -> None:
    """Write the comparison as what the path's ending says: .html, .pdf or .png."""
    look = THEMES[theme]
    heads = "".join(f"<th class='n'>{html.escape(sentence('report.run_number', language, run=sheet.run.run))}</th>" for sheet in sheets)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td class=n>{html.escape(value)}</td>' for value in values)}</tr>"
        for name, values in table(sheets, language)
    )
    rest = f"<table class='trades'><tr><th></th>{heads}</tr>{body}</table>"
    draws = [lambda: draw(sheets, language, look), lambda: _draw_table(sheets, language, look)]
    write_figures(path, sentence("report.figure_compare", language), draws, rest, language, theme)


def _draw_table(sheets: Sequence[Sheet], language: str, look: Theme) -> Any:
    """Return the table as a page of the PDF."""
    from matplotlib.figure import Figure

    rows = table(sheets, language)
    page = Figure(figsize=SIZE)
    across = 0.78 / len(sheets)
    step = min(0.028, 0.88 / (len(rows) + 1))
    for place, sheet in enumerate(sheets):
        name = sentence("report.run_number", language, run=sheet.run.run)
        page.text(0.2 + across * (place + 1), 0.95, name, ha="right", fontsize=9, color=look.ink)
    for k, (name, values) in enumerate(rows):
        y = 0.95 - step * (k + 1)
        page.text(0.03, y, name, fontsize=8, color=look.muted)
        for place, value in enumerate(values):
            # A cell holds what fits: the whole text is in the page and in the passport.
            room = int(across * 150)
            text = value if len(value) <= room else value[: room - 1] + "…"
            page.text(0.2 + across * (place + 1), y, text, ha="right", fontsize=8, color=look.ink)
    return page
