"""The figures of a report, drawn by matplotlib without a display: A4 pages for the PDF, the same pictures in the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backtester.sheet import figures as fig
from backtester.sheet.load import Sheet
from backtester.sheet.style import BOLD, Theme, number, plain_page
from utility.text import sentence

BARS_MAX, CORNERS_MAX = 600, 6_000
POINTS_MAX = 20_000
VECTOR_MAX = 600
"""More points than this become a picture inside the drawing."""
ROWS_MAX = 12
"""Symbols and sell conditions that are named; the rest is one bar."""


class Painter:
    """Draws the figures of one sheet in one language and theme; call inside `style.drawing`.

    Parameters
    ----------
    sheet : Sheet
    language : {"ko", "en"}
    theme : Theme
    """

    def __init__(self, sheet: Sheet, language: str, theme: Theme) -> None:
        self.sheet, self.language, self.theme = sheet, language, theme
        self.trades = sheet.trades
        self.equity = sheet.trades.equity
        self.capital = float(sheet.run.metrics.get("seed") or sheet.run.passport.get("betting") or 1.0)

    def say(self, code: str, **fields: Any) -> str:
        """Return a sentence of the report's catalogue."""
        return sentence(f"report.{code}", self.language, **fields)

    def all(self) -> list[tuple[str, Callable[[], Any]]]:
        """Return (name, function that draws it) of every figure, in the order of the report; of a run without trades the first."""
        figures = [
            ("result", self.result),
            ("drawdown", self.drawdown),
            ("months", self.months),
            ("extra", self.extra),
            ("trades", self.scatter),
            ("exposure", self.exposure),
            ("groups", self.groups),
        ]
        return figures if len(self.trades) else figures[:1]

    # --- parts ----------------------------------------------------------------------------------------

    def page(self, name: str) -> Any:
        """Return an empty page with its title."""
        return plain_page(self.say(f"figure_{name}"), self.theme)

    def _empty(self, axis: Any, code: str = "nothing") -> None:
        axis.text(0.5, 0.5, self.say(code), transform=axis.transAxes, ha="center", va="center", color=self.theme.muted, fontsize=11)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)

    def money_axis(self, axis: Any, which: str = "y") -> None:
        """Write amounts with commas."""
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        chosen = axis.yaxis if which == "y" else axis.xaxis
        chosen.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        if which == "x":
            chosen.set_major_locator(MaxNLocator(6))

    def _period(self, axis: Any) -> None:
        """Let an axis of time show the whole period of the run, also where it did not trade."""
        start, end = self.sheet.period
        margin = max((end - start) // 60, np.timedelta64(1, "s"))
        axis.set_xlim(start - margin, end + margin)

    def curve(self) -> tuple[Any, Any]:
        """Return times and equity from the period's start, where it is 0, to its end."""
        start, end = self.sheet.period
        if not len(self.trades):
            return np.array([start, end]), np.zeros(2)
        times = np.concatenate(([start], self.trades.exit, [max(end, self.trades.exit[-1])]))
        return times, np.concatenate(([0.0], self.equity, self.equity[-1:]))

    def time_axis(self, axis: Any) -> None:
        """Write dates where days pass, times of day where hours do."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=9)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(
            ConciseDateFormatter(
                locator,
                formats=["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S"],
                zero_formats=["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M"],
                offset_formats=["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d"],
            )
        )

    def _zone(self) -> str:
        return self.say("clock", zone=self.sheet.market.zone)

    def _sign_colours(self, values: Sequence[float]) -> list[str]:
        return [self.theme.win if value >= 0 else self.theme.loss for value in values]

    def _corner(self) -> str:
        """Return the corner that the equity leaves free."""
        side = "left" if len(self.equity) >= 5 else "right"
        return f"upper {side}" if self.equity[-1] >= 0 else f"lower {side}"

    def _money(self, code: str) -> str:
        return f"{self.say(code)} ({self.sheet.market.currency})"

    # --- figures --------------------------------------------------------------------------------------

    def result(self) -> Any:
        """Amount held over time; profit of each trade, the equity and its averages (workstation 12, 결과)."""
        page = self.page("result")
        upper, lower = page.subplots(2, 1, height_ratios=(1, 2))
        upper.set_title(self.say("held_amount"))
        lower.set_title(self.say("profit_by_trade"))
        if not len(self.trades):
            self._empty(upper)
            self._empty(lower)
            return page
        times, amounts, _ = fig.holdings(self.trades)
        told = fig.telling(amounts, CORNERS_MAX)
        times, amounts = times[told], amounts[told]
        upper.fill_between(
            times, amounts, step="post", color=self.theme.accents[0], alpha=0.45, linewidth=0, rasterized=len(times) > VECTOR_MAX
        )
        upper.set_ylabel(self._money("amount"))
        self.money_axis(upper)
        self.time_axis(upper)
        self._period(upper)
        upper.set_ylim(bottom=0)
        bars, size = fig.grouped(self.trades.pnl, BARS_MAX)
        places = np.arange(len(bars)) * size + size / 2 + 0.5
        label = self.say("each_trade") if size == 1 else self.say("each_group", count=size)
        lower.bar(places, bars, width=size * 0.9, color=self._sign_colours(bars.tolist()), alpha=0.75, linewidth=0, label=label)
        numbers = np.arange(1, len(self.equity) + 1)
        told = fig.telling(self.equity, CORNERS_MAX)
        for window, colour in zip(fig.AVERAGES, self.theme.accents, strict=False):
            if len(self.equity) >= window * 1.2:
                lower.plot(
                    numbers[told],
                    fig.average(self.equity, window)[told],
                    color=colour,
                    linewidth=0.9,
                    label=self.say("average", count=window),
                )
        marker = "o" if len(self.equity) == 1 else ""
        lower.plot(numbers[told], self.equity[told], color=self.theme.equity, linewidth=2.4, marker=marker, label=self.say("equity"))
        lower.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        self._mark(upper, lambda moment: moment)
        self._mark(lower, lambda moment: float(np.searchsorted(self.trades.exit, moment)) + 0.5)
        self.money_axis(lower)
        lower.set_xlabel(self.say("trade_number"))
        lower.set_ylabel(self._money("profit"))
        lower.set_xlim(0.0, max(len(self.equity) + 1.0, 5.0))
        self.money_axis(lower, "x")
        lower.xaxis.get_major_locator().set_params(integer=True)
        lower.legend(loc=self._corner(), ncols=4)
        return page

    def _mark(self, axis: Any, place: Callable[[Any], Any]) -> None:
        """Mark where validation parts and the test part of the study's days begin."""
        parts = self.sheet.parts
        for k, moment in enumerate(parts.validation):
            label = self.say("validation_from") if k == 0 else None
            axis.axvline(place(moment), color=self.theme.accents[0], linestyle="--", linewidth=1.2, label=label)
        if parts.test is not None:
            axis.axvspan(place(parts.test[0]), place(parts.test[1]), color=self.theme.zone, zorder=0)
            axis.axvline(place(parts.test[0]), color=self.theme.win, linestyle="--", linewidth=1.2, label=self.say("test_from"))

    def drawdown(self) -> Any:
        """Equity over time, and how far it was below its highest point."""
        page = self.page("drawdown")
        upper, lower = page.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        upper.set_title(self.say("equity"))
        lower.set_title(self.say("below_peak"))
        if not len(self.trades):
            self._empty(upper)
            self._empty(lower)
            return page
        times, equity = self.curve()
        fall = fig.drawdown(equity)
        told, shown = fig.telling(fall, CORNERS_MAX), fig.telling(equity, CORNERS_MAX)
        upper.step(times[shown], equity[shown], where="post", color=self.theme.equity, linewidth=1.8)
        upper.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        lower.fill_between(times[told], fall[told], 0.0, step="post", color=self.theme.loss, alpha=0.5, linewidth=0)
        worst = int(np.argmin(fall))
        if fall[worst] < 0:
            peak = int(np.argmax(equity[: worst + 1]))
            upper.axvspan(times[peak], times[worst], color=self.theme.zone, zorder=0)
            text = self.say("largest", amount=number(-float(fall[worst])), pct=f"{self.sheet.run.metrics.get('mdd', 0.0):,.2f}")
            lower.set_title(text, loc="right", fontsize=9, fontweight="normal")
        for axis in (upper, lower):
            self.money_axis(axis)
            axis.set_ylabel(self._money("profit"))
        self.time_axis(lower)
        self._period(lower)
        lower.set_xlabel(self._zone())
        return page

    def months(self) -> Any:
        """Profit of each month as a table of colours, with the sums of the years."""
        page = self.page("months")
        found = fig.months(self.trades)
        years = len(found.years)
        axis, lower = page.subplots(2, 1, height_ratios=(max(years, 2), max(8 - years, 3)))
        lower.set_title(self.say("by_day"))
        if not years:
            self._empty(axis)
            self._empty(lower)
            return page
        self._days(lower)
        from matplotlib.colors import LinearSegmentedColormap

        table = np.column_stack((found.pnl, found.total))
        most = max(float(np.nanmax(np.abs(found.pnl))), 1e-9)
        colours = LinearSegmentedColormap.from_list("profit", [self.theme.loss, self.theme.panel, self.theme.win])
        # Half the strength at most, so that the numbers are read; years are not on the months' scale.
        shade = np.column_stack((found.pnl, np.full(len(found.years), np.nan))) / most * 0.6
        axis.imshow(shade, cmap=colours, vmin=-1.0, vmax=1.0, aspect="auto")
        for row, values in enumerate(table.tolist()):
            for column, value in enumerate(values):
                if np.isfinite(value):
                    text = number(value)
                    if column < 12:
                        text += "\n" + self.say("trades_short", count=int(found.trades[row, column]))
                    axis.text(
                        column,
                        row,
                        text,
                        ha="center",
                        va="center",
                        fontsize=8.0 if len(number(value)) < 11 else 6.5,
                        fontweight=BOLD if column == 12 else "normal",
                        color=self.theme.ink,
                        linespacing=1.5,
                    )
        axis.set_xticks(range(13), [self.say("month", number=month) for month in range(1, 13)] + [self.say("year_total")])
        axis.set_yticks(range(len(found.years)), [str(year) for year in found.years.tolist()])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.grid(False)
        for side in axis.spines.values():
            side.set_visible(False)
        axis.set_ylim(max(years, 2) - 0.5, -0.5)  # a single year is not blown up
        axis.set_xlabel(self._money("by_sale"), loc="left")
        return page

    def _days(self, axis: Any) -> None:
        days, place = np.unique(self.trades.exit.astype("datetime64[D]"), return_inverse=True)
        sums = np.bincount(place, weights=self.trades.pnl)
        bars, size = fig.grouped(sums, BARS_MAX)
        axis.bar(np.arange(len(bars)), bars, color=self._sign_colours(bars.tolist()), width=0.8 if len(bars) > 1 else 0.2, linewidth=0)
        axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        axis.set_xlim(-0.8, max(len(bars), 3) - 0.2)
        shown = np.arange(0, len(bars), -(-len(bars) // 10))
        axis.set_xticks(shown, [str(days[k * size]) for k in shown])
        axis.grid(axis="x", visible=False)
        axis.set_ylabel(self._money("profit"))
        self.money_axis(axis)

    def extra(self) -> Any:
        """Shuffled trades, comparison with prices, time of day, weekday (workstation 12, 부가정보)."""
        page = self.page("extra")
        cells = page.subplots(2, 2)
        self._shuffles(cells[0][0])
        self._prices(cells[0][1])
        self._bars(cells[1][0], fig.by_time(self.trades), self.say("by_time"), self._zone())
        week = fig.by_weekday(self.trades)
        names = tuple(self.say(f"weekday_{name}") for name in week.names)
        self._bars(cells[1][1], fig.Buckets(names, week.pnl, week.trades, week.wins), self.say("by_weekday"), "")
        return page

    def _shuffles(self, axis: Any) -> None:
        axis.set_title(self.say("shuffled"))
        if len(self.trades) < 2:
            self._empty(axis, "too_few")
            return
        found = fig.shuffled(self.trades.pnl, self.capital, self.sheet.run.run)
        for curve in found.curves:
            axis.plot(found.places + 1, curve, color=self.theme.muted, linewidth=0.5, alpha=0.55)
        told = fig.telling(self.equity, CORNERS_MAX)
        axis.plot(told + 1, self.equity[told], color=self.theme.equity, linewidth=1.8, label=self.say("as_traded"))
        falls = found.mdd_pct
        text = self.say(
            "shuffled_mdd", count=len(falls), most=f"{falls.max():,.2f}", least=f"{falls.min():,.2f}", mean=f"{falls.mean():,.2f}"
        )
        axis.set_xlabel(text)
        axis.legend(loc=self._corner())
        self.money_axis(axis)

    def _prices(self, axis: Any) -> None:
        axis.set_title(self.say("against_prices"))
        if not len(self.trades) or not self.sheet.prices:
            self._empty(axis, "no_prices" if len(self.trades) else "nothing")
            return
        for price, colour in zip(self.sheet.prices, self.theme.accents, strict=False):
            axis.plot(price.times, price.gain_pct, color=colour, linewidth=1.1, label=price.name or self.say("symbols_held"))
        times, equity = self.curve()
        told = fig.telling(equity, CORNERS_MAX)
        times, gain = times[told], equity[told] / self.capital * 100.0
        axis.step(times, gain, where="post", color=self.theme.equity, linewidth=1.9, label=self.say("this_run"))
        axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        axis.set_ylabel("%")
        axis.margins(y=0.25)  # room for the legend
        axis.legend(loc="lower left" if gain[-1] < 0 else "upper left")
        self.time_axis(axis)

    def _bars(self, axis: Any, found: fig.Buckets, title: str, below: str) -> None:
        axis.set_title(title)
        if not len(self.trades):
            self._empty(axis)
            return
        places = np.arange(len(found.names))
        axis.bar(places, found.pnl, color=self._sign_colours(found.pnl.tolist()), width=0.72, linewidth=0)
        every = -(-len(places) // 8)
        axis.set_xlim(-0.7, max(len(places), 4) - 0.3)
        axis.set_xticks(places[::every], found.names[::every])
        axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        axis.set_ylabel(self._money("profit"))
        axis.set_xlabel(below)
        axis.grid(axis="x", visible=False)
        self.money_axis(axis)
        if len(places) <= 12:
            axis.margins(y=0.14)
            for place, value, count in zip(places.tolist(), found.pnl.tolist(), found.trades.tolist(), strict=True):
                if count:
                    up = value >= 0
                    axis.annotate(
                        self.say("trades_short", count=count),
                        (place, value),
                        xytext=(0, 3 if up else -3),
                        textcoords="offset points",
                        ha="center",
                        va="bottom" if up else "top",
                        fontsize=7.5,
                        color=self.theme.muted,
                    )

    def scatter(self) -> Any:
        """Each trade as a point: return over time, return against holding time; and how returns are spread."""
        page = self.page("trades")
        cells = page.subplot_mosaic([["time", "time"], ["held", "spread"]])
        cells["time"].set_title(self.say("return_by_time"))
        cells["held"].set_title(self.say("return_by_holding"))
        cells["spread"].set_title(self.say("spread"))
        if not len(self.trades):
            for axis in cells.values():
                self._empty(axis)
            return page
        chosen = slice(None, None, max(1, -(-len(self.trades) // POINTS_MAX)))
        returns, long = self.trades.return_pct[chosen], self.trades.sign[chosen] > 0
        colours = np.array(self._sign_colours(self.trades.pnl[chosen].tolist()))
        size = 11 if len(returns) > 200 else 32
        unit, name = (60.0, "minutes") if self.sheet.interval_s >= 60 or self.trades.held_s.max() > 7_200 else (1.0, "seconds")
        for axis, across in ((cells["time"], self.trades.exit[chosen]), (cells["held"], self.trades.held_s[chosen] / unit)):
            for mask, marker in ((long, "o"), (~long, "v")):
                if mask.any():
                    axis.scatter(
                        across[mask],
                        returns[mask],
                        s=size,
                        c=colours[mask],
                        marker=marker,
                        alpha=0.6,
                        linewidths=0,
                        rasterized=len(returns) > VECTOR_MAX,
                    )
            axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
            axis.set_ylabel(self.say("return_pct"))
        self.time_axis(cells["time"])
        self._period(cells["time"])
        cells["time"].set_xlabel(self.say("sides") if not long.all() else self._zone())
        cells["held"].set_xlabel(self.say(f"held_{name}"))
        bins = min(41, max(5, int(len(self.trades) ** 0.5) * 2 + 1))
        counts, edges = np.histogram(self.trades.return_pct, bins=bins)
        middles = (edges[:-1] + edges[1:]) / 2
        cells["spread"].bar(
            middles, counts, width=np.diff(edges) * 0.92, color=self._sign_colours(middles.tolist()), alpha=0.8, linewidth=0
        )
        mean = float(self.trades.return_pct.mean())
        cells["spread"].axvline(mean, color=self.theme.equity, linewidth=1.6, label=self.say("mean", value=f"{mean:+,.2f}"))
        cells["spread"].margins(y=0.2)  # room for the legend
        cells["spread"].legend(loc="upper right")
        cells["spread"].set_xlabel(self.say("return_pct"))
        cells["spread"].set_ylabel(self.say("trades"))
        cells["spread"].yaxis.get_major_locator().set_params(integer=True)
        return page

    def exposure(self) -> Any:
        """How many positions were open, and what fees and taxes took."""
        page = self.page("exposure")
        cells = page.subplot_mosaic([["count", "count"], ["costs", "curve"]])
        cells["count"].set_title(self.say("positions"))
        cells["costs"].set_title(self.say("costs"))
        cells["curve"].set_title(self.say("costs_curve"))
        if not len(self.trades):
            for axis in cells.values():
                self._empty(axis)
            return page
        times, _, counts = fig.holdings(self.trades)
        told = fig.telling(counts.astype(np.float64), CORNERS_MAX)
        times, counts = times[told], counts[told]
        found = fig.exposure(self.trades, self.sheet.days, self.sheet.session_s)
        axis = cells["count"]
        axis.fill_between(
            times, counts, step="post", color=self.theme.accents[2], alpha=0.5, linewidth=0, rasterized=len(times) > VECTOR_MAX
        )
        axis.set_ylim(0, found.max_positions + 0.5)
        axis.yaxis.get_major_locator().set_params(integer=True)
        self.time_axis(axis)
        self._period(axis)
        axis.set_xlabel(
            self.say("in_market", share=f"{found.in_market * 100:,.2f}", mean=f"{found.mean_positions:,.2f}", most=found.max_positions)
        )
        paid = fig.costs(self.trades)
        values = [paid.gross, -paid.costs, paid.net]
        axis = cells["costs"]
        axis.bar([0, 1, 2], values, color=self._sign_colours(values), width=0.6, linewidth=0)
        axis.set_xticks([0, 1, 2], [self.say(name) for name in ("gross", "paid", "net")])
        axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        axis.margins(y=0.16)
        axis.grid(axis="x", visible=False)
        self.money_axis(axis)
        for place, value in enumerate(values):
            up = value >= 0
            axis.annotate(
                number(value),
                (place, value),
                xytext=(0, 3 if up else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if up else "top",
            )
        gross = np.cumsum(self.trades.sign * (self.trades.exit_amount - self.trades.entry_amount))
        axis, numbers = cells["curve"], np.arange(1, len(gross) + 1)
        marker = "o" if len(gross) == 1 else ""
        told = fig.telling(gross, CORNERS_MAX)
        axis.plot(numbers[told], gross[told], color=self.theme.muted, linewidth=1.2, marker=marker, label=self.say("before_costs"))
        axis.plot(numbers[told], self.equity[told], color=self.theme.equity, linewidth=1.8, marker=marker, label=self.say("after_costs"))
        axis.fill_between(numbers[told], self.equity[told], gross[told], color=self.theme.loss, alpha=0.14, linewidth=0)
        axis.axhline(0.0, color=self.theme.muted, linewidth=0.7)
        axis.set_xlabel(self.say("trade_number"))
        axis.set_xlim(0.0, max(len(gross) + 1.0, 5.0))
        self.money_axis(axis, "x")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(loc=self._corner())
        self.money_axis(axis)
        return page

    def groups(self) -> Any:
        """Profit by symbol and by sell condition."""
        page = self.page("groups")
        left, right = page.subplots(1, 2)
        for axis, title, texts in ((left, "by_symbol", self.trades.code), (right, "by_exit", self.trades.label)):
            axis.set_title(self.say(title))
            if not len(self.trades):
                self._empty(axis)
                continue
            names, pnl, counts = self._shortened(fig.by_text(self.trades, texts))
            places = np.arange(len(names))[::-1]
            axis.barh(places, pnl, color=self._sign_colours(pnl), height=0.68, linewidth=0)
            labels = [f"{name}\n{self.say('trades_short', count=count)}" for name, count in zip(names, counts, strict=True)]
            axis.set_yticks(places, labels)
            axis.axvline(0.0, color=self.theme.muted, linewidth=0.7)
            axis.set_ylim(min(-0.7, len(names) - 8.5), len(names) - 0.3)
            axis.grid(axis="y", visible=False)
            axis.set_xlabel(self._money("profit"))
            self.money_axis(axis, "x")
        return page

    def _shortened(self, found: fig.Buckets) -> tuple[list[str], list[float], list[int]]:
        """Return the best and the worst, with what lies between as one bar."""
        names = [name if len(name) <= 34 else name[:33] + "…" for name in found.names]
        pnl, counts = found.pnl.tolist(), found.trades.tolist()
        if len(names) <= ROWS_MAX:
            return names, pnl, counts
        half = ROWS_MAX // 2
        middle = self.say("others", count=len(names) - 2 * half)
        return (
            [*names[:half], middle, *names[-half:]],
            [*pnl[:half], sum(pnl[half:-half]), *pnl[-half:]],
            [*counts[:half], sum(counts[half:-half]), *counts[-half:]],
        )
