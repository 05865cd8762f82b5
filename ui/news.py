"""What the bridge brings and what the window makes of it: runs that are found and lost, messages, health, answers to requests."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from domain import messages as m
from domain.errors import StomError
from ui.bridge import Health
from ui.models.log import LogLine
from ui.teller import said
from ui.text import Said, word

if TYPE_CHECKING:
    from ui.main_window import MainWindow


class News:
    """Listens to a window's bridge."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        bridge = window.bridge
        bridge.batch.connect(self._batch)
        bridge.health.connect(self._health)
        bridge.found.connect(self._found)
        bridge.lost.connect(self._lost)
        bridge.up.connect(self._up)
        bridge.down.connect(self._down)
        bridge.done.connect(self._done)
        bridge.failed.connect(self._request_failed)
        bridge.stats.connect(lambda code, found: window.strip.show_stats(found) if code == window.market.code else None)
        bridge.profit_ready.connect(lambda pair: window.states[pair[0]].use_profit(pair[1]) if pair[0] in window.states else None)

    def _found(self, markets: dict[str, Any], is_viewer: bool) -> None:
        self.window.found, self.window.is_viewer = dict(markets), is_viewer
        self.window.running = {code: seen.strategy for code, seen in markets.items() if code in self.window.markets}
        self.window.actions["start_stop"].setEnabled(not is_viewer)
        for code in self.window.running:
            self.window.state_of(code).begin()
        if self.window.running:
            self.window.show_market(
                self.window.market.code if self.window.market.code in self.window.running else next(iter(self.window.running))
            )
        names = Said(lambda: ", ".join(word("ui.market", code) for code in self.window.running))
        self.window.teller.tell("ui.viewer.joined" if is_viewer else "ui.viewer.adopted", {"markets": names})

    def _lost(self) -> None:
        self.window.is_up = self.window.is_viewer = False
        self.window.found, self.window.wanted = {}, []
        self.window.running.clear()
        self.window.actions["start_stop"].setEnabled(True)
        self.window.strip.gone()
        self.window.show_running()
        self.window.teller.tell("ui.viewer.lost", {})

    def _up(self) -> None:
        self.window.is_up = True
        if self.window.is_viewer:
            return
        self.window.teller.listen()
        for code in self.window.wanted:
            self.window.start_market(code)

    def _down(self, error: StomError) -> None:
        self.window.is_up = False
        self.window.teller.error(error)

    def _batch(self, batch: dict[str, list[m.Message]]) -> None:
        try:
            for code, found in batch.items():
                if code not in self.window.markets:
                    continue
                self.window.state_of(code).apply(found)
                for message in found:
                    self._control(code, message)
        finally:
            self.window.bridge.taken()

    def _control(self, code: str, message: m.Message) -> None:
        if isinstance(message, m.LogRecord):
            self.window.log_model.add([LogLine(message.created, message.level, code, message.logger, message.text)])
        elif isinstance(message, m.Hello):
            text = f"event=hello pid={message.pid} build={message.build}"
            self.window.log_model.add([LogLine(time.time(), logging.INFO, f"{code}.{message.role}", "process", text)])
        elif isinstance(message, m.Failed):
            self.window.teller.add(logging.ERROR, code, "process", message.code, message.fields)
            self.window.teller.error(StomError(message.code, **message.fields))
        elif isinstance(message, m.CommandResult) and not message.ok:
            self.window.teller.error(StomError(message.code, **message.fields))
        elif isinstance(message, m.Ready) and "instruments" in message.detail:  # the receiver
            live = self.window.live_pages[code]
            if live.index >= 0:
                self.window.watch(code, live.index)

    def _health(self, found: list[Health]) -> None:
        code = self.window.market.code
        for health in found:
            if health.market in self.window.states:
                self.window.states[health.market].beat(health.role, health.counters)
            if health.market != code or health.role not in self.window.strip.lamps:
                continue
            if health.failure:
                self.window.strip.failed(health.role, health.failure)
            elif health.heard_age_s < 2.0:
                self.window.strip.beat(health.role, health.counters)

    def _done(self, what: str, result: Any) -> None:
        if what == "start":
            code = str(result)
            name = self.window.running.get(code, "")
            self.window.notice.tell(
                "ui.notice.started" if name else "ui.notice.watching",
                {"market": said("ui.market", code), "strategy": name},
                "info",
                "ui.notice.stop",
                lambda: self.window.stop_market(code),
            )
        elif what == "stop":
            self.window.running.pop(str(result), None)
            self.window.found.pop(str(result), None)
            self.window.strip.gone()
            self.window.show_running()
            self.window.notice.tell("ui.notice.stopped", {"market": said("ui.market", str(result))})
        elif what == "submit":
            self.window.teller.tell("ui.order.sent", {"code": result.instrument_id.partition(":")[2]})
        elif what == "kill":
            self.window.teller.line(logging.WARNING, "ui.notice.killed", {"level": said("ui.kill", str(result))})

    def _request_failed(self, what: str, error: StomError) -> None:
        if what == "start":
            for code in list(self.window.running):
                if error.fields.get("market", code) == code and self.window.states[code].account is None:
                    self.window.running.pop(code)
            self.window.show_running()
        if what == "watch":
            return
        self.window.teller.error(error)
