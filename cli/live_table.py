"""The live run on a terminal: one table a market, refreshed a few times a second."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.live_report import Collector
from domain.instruments import NS
from domain.orders import QTY_UNIT
from domain.process_config import LiveOptions
from trading.supervisor import Supervisor
from utility.text import sentence

EVERY_S = 0.25


class LiveTable:
    """Draws the processes and the account on standard error."""

    shows_failures = True  # in the state of a process

    def __init__(self, supervisor: Supervisor, collector: Collector, language: str) -> None:
        self._supervisor = supervisor
        self._collector = collector
        self._language = language
        self._began_s = time.monotonic()
        self._due_s = 0.0
        self._live = Live(self._draw(), console=Console(stderr=True), auto_refresh=False, transient=False)
        self._live.start()

    def update(self) -> None:
        """Draw anew, when it is time."""
        now = time.monotonic()
        if now >= self._due_s:
            self._due_s = now + EVERY_S
            self._live.update(self._draw(), refresh=True)

    def close(self) -> None:
        """Leave the last picture on the terminal."""
        self._live.update(self._draw(), refresh=True)
        self._live.stop()

    def _say(self, code: str, **fields: Any) -> str:
        return sentence(code, self._language, **fields)

    def _draw(self) -> Group:
        seconds = int(time.monotonic() - self._began_s)
        parts: list[Any] = [Text(self._say("live.head", run=self._supervisor.run, seconds=seconds), style="bold")]
        for code, run in self._supervisor.markets.items():
            parts.append(self._market(code, run.options))
            if self._collector.fills.get(code):
                parts.append(self._fills(code))
            parts.append(self._processes(code))
        parts.append(Text(self._say("live.stop_hint"), style="dim"))
        return Group(*parts)

    def _market(self, code: str, options: LiveOptions) -> Table:
        feed, account = self._collector.feeds.get(code), self._collector.accounts.get(code)
        # Whose money and whose prices: never out of sight.
        kind = "live.venue" if not options.is_paper else "live.made" if options.replay is None else "live.replayed"
        words = [code, self._say("live.paper" if options.is_paper else "live.real"), self._say(kind)]
        if options.strategy is not None:
            words.append(options.strategy.name)
        table = Table(title=Text(" · ".join(words)), title_justify="left")
        counters = {
            child.role: child.counters for child in self._supervisor.children() if child.name.startswith(f"{code}.") and child.counters
        }
        receiver, strategy = counters.get("receiver", {}), counters.get("strategy", {})
        for name in ("feed", "ticks", "rows", "signals", "trades", "equity", "pnl"):
            table.add_column(self._say(f"live.{name}"), justify="right")
        table.add_row(
            "–" if feed is None else feed.state,
            f"{receiver.get('events', 0):,.0f}",
            f"{self._collector.rows[code]:,}",
            f"{strategy.get('signals', 0):,.0f}",
            f"{self._collector.trips[code]:,}",
            "–" if account is None else f"{account.equity:,.2f} {account.currency}",
            "–" if account is None or not account.day_base else f"{account.day_profit():+,.2f}",
        )
        return table

    def _fills(self, code: str) -> Table:
        table = Table(box=None, padding=(0, 2))
        for name in ("last_fills", "code", "side", "qty", "price"):
            table.add_column(self._say(f"live.{name}"), justify="right" if name in ("qty", "price") else "left")
        for update in reversed(self._collector.fills[code]):
            fill = update.fill
            table.add_row(
                time.strftime("%H:%M:%S", time.localtime(fill.exchange_ns // NS)),
                fill.instrument_id.partition(":")[2],
                Text(self._say("live.buy" if fill.side > 0 else "live.sell"), style="red" if fill.side > 0 else "blue"),
                f"{fill.qty / QTY_UNIT:,.8f}".rstrip("0").rstrip("."),
                f"{fill.price:,f}",
            )
        return table

    def _processes(self, code: str) -> Table:
        table = Table(box=None, padding=(0, 2))
        for name in ("process", "state", "memory", "cpu", "restarts"):
            table.add_column(self._say(f"live.{name}"), justify="left" if name in ("process", "state") else "right")
        for child in self._supervisor.children():
            if not child.name.startswith(f"{code}."):
                continue
            state = "live.ready" if child.is_ready else "live.starting"
            table.add_row(child.name, self._say(state), f"{child.rss_mb:,.0f} MB", f"{child.cpu_s:,.1f} s", str(child.restarts))
        return table
