"""A window's door to a run that another main process owns: it looks and commands; closing it leaves the run alone.

It offers what the window asks of a `Supervisor`, so the bridge need not know which of the two it has. It
finds main by the run file, reads rows and orders from the processes themselves, and asks main for the rest.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.errors import RefusedError
from domain.instruments import Market
from domain.messages import Command, CommandResult, ControlMessage, Message, Relayed
from domain.orders import Intent
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from trading import run_file
from trading.market_run import MarketRun
from trading.market_view import MarketView
from trading.venues import market as find_market
from trading.viewer_desk import run_facts
from utility.bus import Bus, Dealer, Keys
from utility.paths import DataDir
from utility.sequence import ROWS, VIEW

STATUS_S = 0.5
JOIN_S = 5.0
LOST_S = 4.0
"""Main has answered nothing for so long: it is gone, or no longer main."""
_decode = msgspec.msgpack.Decoder(ControlMessage)
Heard = list[tuple[str, Message]]


@dataclass
class SeenChild:
    """A process of the run as main sees it."""

    name: str
    role: str
    is_ready: bool
    is_alive: bool
    failure: str
    restarts: int
    rss_mb: float
    age_s: float
    counters: dict[str, float]
    seen_s: float = field(default_factory=time.monotonic)

    @property
    def heard_s(self) -> float:
        """When main last heard it, on this process's monotonic clock; 0 when never."""
        return self.seen_s - self.age_s if self.age_s >= 0.0 else 0.0

    def is_running(self) -> bool:
        """Tell whether it was there when main last looked."""
        return self.is_alive


@dataclass
class SeenMarket:
    """A running market as main tells of it."""

    market: Market
    strategy: str
    interval_s: int
    is_paper: bool
    is_made: bool


FACTS = ("strategy", "interval_s", "is_paper", "is_made")


def seen_market(run: MarketRun | SeenMarket) -> SeenMarket:
    """Return a running market as a window shows it, whoever owns it."""
    return run if isinstance(run, SeenMarket) else SeenMarket(run.market, **run_facts(run))


class Viewer:
    """A run that somebody else owns.

    Parameters
    ----------
    data_dir : DataDir
        Where the run file is.

    Raises
    ------
    RefusedError
        ``viewer.no_answer``: the directory is taken, but whoever has it does not answer.
    """

    is_viewer = True

    def __init__(self, data_dir: DataDir) -> None:
        self.settings: Settings | None = None  # of the window alone: main has its own
        self.markets: dict[str, SeenMarket] = {}
        self._children: list[SeenChild] = []
        self._views: dict[str, MarketView] = {}
        self._heard: Heard = []
        self._markets_of: dict[int, str] = {}  # id of a command → its market
        self._next_id = 0
        self._status_id = 0
        self._status_due_s = 0.0
        left = run_file.newest(data_dir)
        if left is None:
            raise RefusedError("viewer.no_answer", path=str(data_dir.lock))
        self.bus = Bus(Keys(left.viewer_public, left.viewer_secret))
        self._name = f"viewer#{os.getpid()}"
        self._control: Dealer[ControlMessage] = self.bus.dealer(ControlMessage, self._name, left.control, left.public_key)
        self._answered_s = -math.inf
        deadline = time.monotonic() + JOIN_S
        while self._answered_s < 0.0:
            if time.monotonic() > deadline:
                self.bus.close()
                raise RefusedError("viewer.no_answer", path=str(data_dir.lock))
            self._turn(50)

    @property
    def is_over(self) -> bool:
        """Whether main no longer answers."""
        return time.monotonic() - self._answered_s > LOST_S

    # --- commands ------------------------------------------------------------------------------------

    def start_market(self, options: LiveOptions) -> None:
        """Refuse: the run belongs to whoever began it."""
        raise RefusedError("viewer.not_owner", market=options.market)

    def stop_market(self, code: str) -> None:
        """Refuse: the run belongs to whoever began it."""
        raise RefusedError("viewer.not_owner", market=code)

    def kill(self, level: str) -> None:
        """Pull the kill switch of every account."""
        self._ask("kill", level=level)

    def command(self, code: str, slot: str, name: str, /, **args: Any) -> int:
        """Send a command to a process of a market; the CommandResult with the returned id comes from `poll`."""
        number = self._ask("relay", market=code, slot=slot, command=name, args=args)
        self._markets_of[number] = code
        return number

    def change_strategy(self, code: str, strategy: StrategyText) -> None:
        """Bring another strategy to a running paper market."""
        self._markets_of[self._ask("strategy", market=code, strategy=msgspec.to_builtins(strategy))] = code

    def submit(self, code: str, intent: Intent) -> None:
        """Send a manual intent to the market's trader until it is acknowledged."""
        self._views[code].submit(intent)

    def poll(self, timeout_ms: int) -> Heard:
        """Wait for input at most so long and return what was heard as (market, message)."""
        self._turn(timeout_ms)
        heard, self._heard = self._heard, []
        return heard

    def children(self) -> list[SeenChild]:
        """Return every process of the run."""
        return self._children

    def close(self) -> None:
        """Leave; the run goes on."""
        self.bus.close()

    # --- one turn ------------------------------------------------------------------------------------

    def _ask(self, name: str, **args: Any) -> int:
        self._next_id += 1
        self._control.send(Command(name=name, args=args, id=self._next_id))
        return self._next_id

    def _turn(self, timeout_ms: int) -> None:
        self.bus.poll(timeout_ms)
        now = time.monotonic()
        if now >= self._status_due_s:
            self._status_due_s = now + STATUS_S
            self._status_id = self._ask("status")
        for message in self._control.receive():
            if isinstance(message, Relayed):
                self._heard.append((message.market, _decode.decode(message.data)))
            elif isinstance(message, CommandResult):
                self._on_result(message, now)
        for code, view in self._views.items():
            self._heard += [(code, message) for message in view.read(now)]

    def _on_result(self, result: CommandResult, now: float) -> None:
        self._answered_s = now
        if result.id == self._status_id:
            self._on_status(result.fields)
            return
        code = self._markets_of.pop(result.id, "") or next(iter(self.markets), "")
        self._heard.append((code, result))

    def _on_status(self, told: dict[str, Any]) -> None:
        for code in [code for code in self.markets if code not in told]:
            del self.markets[code]
            self._views.pop(code).close()
        self._children = []
        for code, status in told.items():
            self._children += [SeenChild(**one) for one in status["children"]]
            self.markets[code] = SeenMarket(find_market(code), **{name: status[name] for name in FACTS})
            view = self._views.get(code)
            if view is None:
                view = self._views[code] = MarketView(self.bus, self._name, (ROWS, VIEW), "day")
            view.connect(*(tuple(place) if (place := status["places"].get(channel)) else None for channel in ("market", "orders")))
