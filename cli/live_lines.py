"""The live run where standard error is no terminal: a line for each fill and, every few seconds, one for each market."""

from __future__ import annotations

import sys
import time
from typing import Any

from cli.live_report import Collector
from domain.instruments import NS
from domain.messages import FillUpdate
from domain.orders import QTY_UNIT
from trading.supervisor import Supervisor
from utility.text import sentence

EVERY_S = 5.0


class LiveLines:
    """Writes what `LiveTable` would draw, for files, pipes and service managers."""

    shows_failures = False

    def __init__(self, supervisor: Supervisor, collector: Collector, language: str) -> None:
        self._supervisor = supervisor
        self._collector = collector
        self._language = language
        self._due_s = time.monotonic() + EVERY_S
        self._last: dict[str, FillUpdate] = {}

    def update(self) -> None:
        """Write what is new."""
        for code, fills in self._collector.fills.items():
            fresh = list(fills)
            if self._last.get(code) in fresh:
                fresh = fresh[fresh.index(self._last[code]) + 1 :]
            for update in fresh:
                self._write(self._fill(code, update))
            self._last[code] = fills[-1]
        now = time.monotonic()
        if now >= self._due_s:
            self._due_s = now + EVERY_S
            for code in self._supervisor.markets:
                self._write(self._market(code))

    def close(self) -> None:
        """The result follows; nothing is left to say."""

    def _say(self, code: str, **fields: Any) -> str:
        return sentence(code, self._language, **fields)

    def _write(self, text: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()

    def _fill(self, code: str, update: FillUpdate) -> str:
        fill = update.fill
        return self._say(
            "live.fill_line",
            market=code,
            time=time.strftime("%H:%M:%S", time.localtime(fill.exchange_ns // NS)),
            symbol=fill.instrument_id.partition(":")[2],
            side=self._say("live.buy" if fill.side > 0 else "live.sell"),
            qty=f"{fill.qty / QTY_UNIT:,.8f}".rstrip("0").rstrip("."),
            price=f"{fill.price:,f}",
        )

    def _market(self, code: str) -> str:
        collector = self._collector
        account = collector.accounts.get(code)
        children = [child for child in self._supervisor.children() if child.name.startswith(f"{code}.") and child.role != "compile"]
        # A host that is being made ready to take over leaves the old one trading.
        ready = {child.role for child in children if child.is_ready}
        waiting = ", ".join(dict.fromkeys(child.role for child in children if child.role not in ready))
        if waiting:
            return self._say("live.starting_line", market=code, roles=waiting)
        return self._say(
            "live.line",
            market=code,
            state=self._say(f"live.state.{'active' if account is None else account.trading_state}"),
            rows=f"{collector.rows[code]:,}",
            trades=f"{collector.trips[code]:,}",
            equity="–" if account is None else f"{account.equity:,.2f} {account.currency}",
            pnl="–" if account is None or not account.day_base else f"{account.day_profit():+,.2f}",
        )
