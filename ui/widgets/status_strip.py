"""The foot of the window: processes, feed, gaps, latency, the clock."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from domain.instruments import NS
from ui import format as fmt
from ui.models.market_state import MarketState
from ui.text import language, on_language, tr, word
from ui.widgets.badge import Lamp

ROLES = ("exchange", "receiver", "strategy", "trader")
BEAT_LATE_S = 2.0
AHEAD_NS = 2 * NS


class StatusStrip(QFrame):
    """Lamps and counters of the market on show."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusStrip")
        self.setFixedHeight(26)
        self.state: MarketState | None = None
        self.lamps = {role: Lamp(f"lamp_{role}") for role in ROLES}
        self.feed = Lamp("lamp_feed")
        self.rates = QLabel()
        self.gaps = QLabel()
        self.latency = QLabel()
        self.latency.setObjectName("latency")
        self.clock = QLabel()
        self.clock.setObjectName("clock")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 10, 0)
        row.setSpacing(14)
        for lamp in self.lamps.values():
            row.addWidget(lamp)
        row.addWidget(self.feed)
        row.addWidget(self.rates)
        row.addWidget(self.gaps)
        row.addStretch(1)
        row.addWidget(self.latency)
        row.addWidget(self.clock)
        self._seen: dict[str, tuple[float, dict[str, float]]] = {}
        self._failed: dict[str, str] = {}
        self._last_counts: tuple[float, int, int] = (0.0, 0, 0)
        self._per_s = (0.0, 0.0)
        self._latency_us: dict[str, float] = {}
        timer = QTimer(self)
        timer.setInterval(1000)
        timer.timeout.connect(self.refresh)
        timer.start()
        on_language(self, self.refresh)

    def watch(self, state: MarketState) -> None:
        """Show another market."""
        if self.state is state:
            return
        self.state = state
        self._seen.clear()
        self._failed.clear()
        self._latency_us = {}
        self._last_counts = (0.0, 0, 0)
        self.refresh()

    def beat(self, role: str, counters: dict[str, float]) -> None:
        """Take a process's heartbeat."""
        self._seen[role] = (time.monotonic(), counters)
        self._failed.pop(role, None)

    def failed(self, role: str, code: str) -> None:
        """Show a process as failed until it beats again."""
        self._failed[role] = code
        self.refresh()

    def gone(self) -> None:
        """The market was stopped: all lamps go grey."""
        self._seen.clear()
        self._failed.clear()
        self.refresh()

    def refresh(self) -> None:
        """Paint lamps and counters; once a second and after a change."""
        now = time.monotonic()
        for role, lamp in self.lamps.items():
            seen = self._seen.get(role)
            tone = "faint" if seen is None else "ok" if now - seen[0] < BEAT_LATE_S else "warn"
            lamp.show_state(word("ui.process", role), "danger" if role in self._failed else tone)
            lamp.setToolTip(self._failed.get(role, ""))
        self.clock.setText(self._clock_text())
        self._feed(now)
        self._latency()

    def _clock_text(self) -> str:
        now_ns = time.time_ns()
        ahead_ns = self.state.market_ns() - now_ns if self.state is not None else 0
        moment = dt.datetime.fromtimestamp((now_ns + max(ahead_ns, 0)) / NS, fmt.KST)
        self.clock.setToolTip(f"UTC {moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}")
        text = f"{fmt.day_text(moment.date(), language())} {moment:%H:%M:%S} KST"
        # A made market may run faster than the clock on the wall; then its own is the one that rows and fills go by.
        return tr("ui.clock.market", clock=text) if ahead_ns > AHEAD_NS else text

    def _feed(self, now: float) -> None:
        feed = self.state.feed if self.state is not None else None
        if feed is None:
            self.feed.show_state(tr("ui.feed.none"), "faint")
            self.rates.setText("")
            self.gaps.setText("")
            return
        tone = {"connected": "ok", "stale": "warn", "reconnecting": "warn"}.get(feed.state, "danger")
        self.feed.show_state(word("ui.feed", feed.state), tone)
        then, events, rows = self._last_counts
        if now - then >= 0.9:
            if then:
                self._per_s = ((feed.events - events) / (now - then), (feed.rows - rows) / (now - then))
            self._last_counts = (now, feed.events, feed.rows)
        self.rates.setText(tr("ui.feed.rates", events=f"{max(self._per_s[0], 0):,.0f}", rows=f"{feed.rows:,}"))
        self.gaps.setText(tr("ui.feed.gaps", gaps=feed.gaps, rejected=sum(feed.rejected.values())))

    def show_stats(self, found: dict[str, Any]) -> None:
        """Take what the trader measures: frame read to order written, in microseconds."""
        self._latency_us = found.get("latency_us") or {}
        self.refresh()

    def _latency(self) -> None:
        found = self._latency_us
        if not found.get("count"):
            self.latency.setText(tr("ui.latency.none"))
            return
        p50, p99 = found["p50"] / 1000, found["p99"] / 1000
        self.latency.setText(tr("ui.latency.value", p50=f"{p50:.2f}", p99=f"{p99:.2f}"))
        self.latency.setToolTip(tr("ui.latency.tip", count=f"{found['count']:,}", max=f"{found['max'] / 1000:.2f}"))
