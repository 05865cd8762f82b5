"""실현손익: what the trades of accounts brought, by day, month or year, as numbers and as a figure (workstation 12)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.sheet.figures import Floats, Times, grouped, moments
from backtester.sheet.page import write_figures
from backtester.sheet.style import THEMES, Theme, number, plain_page
from trading.trades import cumulative_pnl
from trading.venues import market
from utility.text import sentence

UNITS = {"day": "D", "month": "M", "year": "Y"}
BARS_MAX = 400


class Realised:
    """The closed trades of one currency, over all its accounts.

    Parameters
    ----------
    currency : str
    accounts : tuple of str
    exit : ndarray of datetime64[s]
        Times of sale on each market's own clock, ascending.
    pnl : ndarray of float64
    """

    def __init__(self, currency: str, accounts: tuple[str, ...], exit: Times, pnl: Floats) -> None:
        order = np.argsort(exit, kind="stable")
        self.currency, self.accounts, self.exit, self.pnl = currency, accounts, exit[order], pnl[order]

    def periods(self, by: str) -> tuple[NDArray[np.datetime64], Floats, NDArray[np.int64], NDArray[np.int64]]:
        """Return periods in which something was sold, with profit, trades and wins of each."""
        names, place = np.unique(self.exit.astype(f"datetime64[{UNITS[by]}]"), return_inverse=True)
        return (
            names,
            np.bincount(place, weights=self.pnl, minlength=len(names)),
            np.bincount(place, minlength=len(names)),
            np.bincount(place, weights=self.pnl >= 0, minlength=len(names)).astype(np.int64),
        )

    def as_dict(self, by: str) -> dict[str, Any]:
        """Return what JSON takes."""
        names, pnl, count, wins = self.periods(by)
        rows = zip(names.tolist(), names.astype(str).tolist(), pnl.tolist(), count.tolist(), wins.tolist(), strict=True)
        periods = [{"period": text, "pnl": round(value, 4), "trades": n, "wins": w} for _, text, value, n, w in rows]
        total = float(cumulative_pnl(self.pnl)[-1]) if len(self.pnl) else 0.0
        return {"currency": self.currency, "accounts": list(self.accounts), "total": total, "trades": len(self.pnl), "periods": periods}


def of_rows(rows: Sequence[dict[str, Any]], markets: dict[str, str]) -> list[Realised]:
    """Return closed trades by currency.

    Parameters
    ----------
    rows : sequence of dict
        Rows of `round_trips` with their ``account``, from `storage.ledger_read.listing`.
    markets : dict
        Account → code of its market.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(market(markets[row["account"]]).currency, []).append(row)
    out = []
    for currency, mine in sorted(found.items()):
        times = np.array([row["exit_time"] for row in mine], dtype=np.int64)
        full = np.where(times < 10**12, times * 100, times)  # minute rows have no seconds
        accounts = tuple(sorted({row["account"] for row in mine}))
        out.append(Realised(currency, accounts, moments(full, 1), np.array([row["pnl"] for row in mine], dtype=np.float64)))
    return out


def draw(found: Sequence[Realised], by: str, language: str, look: Theme) -> Any:
    """Return the figure: profit of each period as bars and the sum of all trades as a line, a panel a currency."""
    page = plain_page(sentence("report.figure_realised", language), look)
    axes = page.subplots(max(len(found), 1), 1, squeeze=False)[:, 0]
    if not found:
        axes[0].text(0.5, 0.5, sentence("report.nothing", language), transform=axes[0].transAxes, ha="center", color=look.muted)
        axes[0].set_axis_off()
    for axis, one in zip(axes, found, strict=False):
        names, pnl, _, _ = one.periods(by)
        bars, size = grouped(pnl, BARS_MAX)
        colours = [look.win if value >= 0 else look.loss for value in bars.tolist()]
        axis.bar(np.arange(len(bars)), bars, color=colours, width=0.8, alpha=0.8, linewidth=0)
        ends = np.minimum(np.arange(len(bars)) * size + size, len(pnl)) - 1
        axis.plot(np.arange(len(bars)), np.cumsum(pnl)[ends], color=look.equity, linewidth=2.0, marker="o" if len(bars) < 40 else "")
        axis.axhline(0.0, color=look.muted, linewidth=0.7)
        axis.set_xlim(-0.8, max(len(bars), 6) - 0.2)
        shown = np.arange(0, len(bars), -(-len(bars) // 10))
        axis.set_xticks(shown, [str(names[k * size]) for k in shown])
        axis.set_title(f"{one.currency} · {', '.join(one.accounts)}")
        axis.yaxis.set_major_formatter(lambda value, _: number(value))
        axis.grid(axis="x", visible=False)
    return page


def write(found: Sequence[Realised], by: str, path: Path, language: str, theme: str = "print") -> None:
    """Write figure and table as what the path's ending says: .html, .pdf or .png."""
    heads = "".join(f"<th class='n'>{html.escape(sentence(f'report.realised_{key}', language))}</th>" for key in ("pnl", "trades", "wins"))
    rest = ""
    for one in found:
        rows = [(each["period"], f"{each['pnl']:,.2f}", f"{each['trades']:,}", f"{each['wins']:,}") for each in one.as_dict(by)["periods"]]
        body = "".join(f"<tr><th>{row[0]}</th>{''.join(f'<td class=n>{cell}</td>' for cell in row[1:])}</tr>" for row in rows)
        name = html.escape(f"{one.currency} · {', '.join(one.accounts)}")
        rest += f"<h2>{name}</h2><table><tr><th></th>{heads}</tr>{body}</table>"
    title = sentence("report.figure_realised", language)
    write_figures(path, title, [lambda: draw(found, by, language, THEMES[theme])], rest, language, theme)
