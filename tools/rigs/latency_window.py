"""The latency rig inside the workstation's window: the same load, and how long the event loop was not able to answer.

Run by `python -m tools.rigs.latency --window`. The window's own bridge runs the market; the rig only asks it
for what the processes counted, through the bridge's thread, as every part of the window does.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tools.rigs.live_load import START_S, begin, figures, is_warm, live_options, prepare, strategy_words

FIRST_S = 10.0
"""Seconds after the first window that are not measured: tables fill, fonts and pictures are loaded."""
ASK_MS = 1_000


def measure_in_window(market: str, seconds: float, rate: float, data_dir: Path) -> dict[str, Any]:
    """Run once with the window open and return the figures with the window's stalls.

    Raises
    ------
    RuntimeError
        When the compiled step did not trade within `START_S`.
    """
    from PyQt5.QtCore import QTimer

    from ui.main import make_application, make_window
    from ui.stall_watch import StallWatch

    prepare(market, rate, data_dir)
    words = ["--market", market, *strategy_words(data_dir)]
    options, data, settings = live_options(words, market, data_dir)
    app = make_application(settings)
    window = make_window(data, settings)
    watch = StallWatch(window)
    run = _Run(market, seconds, data, options)
    timer = QTimer(window)

    def heard(what: str, result: Any) -> None:
        if what != "rig":
            return
        if result == "measuring":
            watch.start()
        if result == "over":
            run.window = watch.figures() | {"messages": window.bridge.messages, "batches": window.bridge.batches}
            window.close()

    window.bridge.done.connect(heard)
    window.bridge.up.connect(timer.start)
    timer.timeout.connect(lambda: window.bridge.ask("rig", run.turn))
    timer.setInterval(ASK_MS)
    window.running[market] = options.strategy.name
    window.show()
    window.show_market(market)
    window.begin([])
    app.exec_()
    watch.stop()
    if not run.live:
        raise RuntimeError(f"the compiled step did not trade within {START_S:.0f} s")
    return figures(run.live, market, run.before, run.span) | {"window": run.window}


class _Run:
    """The rig's part in the bridge's thread: one `turn` a second."""

    def __init__(self, market: str, seconds: float, data: Any, options: Any) -> None:
        self.before: dict[str, Any] = {}
        self.live: dict[str, Any] = {}
        self.window: dict[str, Any] = {}
        self.span = 0.0
        self._market, self._seconds, self._data, self._options = market, seconds, data, options
        self._collector: Any = None
        self._opened = time.monotonic()
        self._began = 0.0

    def turn(self, supervisor: Any) -> str:
        """Go on; return "measuring" when the measured time begins, "over" at its end."""
        from cli.live_report import Collector

        now = time.monotonic()
        if self.live:
            return ""
        if self._collector is None:
            self._collector = Collector(supervisor, self._data)
            self._collector.ledgers[self._market] = str(self._data.ledger(f"{self._market}-paper"))
            supervisor.start_market(self._options)
            return ""
        if self._began:
            if now - self._began < self._seconds:
                return ""
            self.span = now - self._began
            self.live = self._collector.report(self.span)
            return "over"
        if now - self._opened > START_S:
            return "over"
        if now - self._opened < FIRST_S or not is_warm(self._collector, self._market):
            return ""
        self.before, self._began = begin(self._collector, self._market), time.monotonic()
        return "measuring"
