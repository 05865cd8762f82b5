"""Main's side of its viewers: windows that joined a run which another process owns (architecture 3.2).

A viewer asks for the state of the run twice a second and gives commands; it is told what main hears of its
processes. It cannot start or stop a market: the run belongs to whoever began it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from domain.errors import InputError, RefusedError, StomError
from domain.messages import Command, CommandResult, Failed, Hello, LogRecord, Message, Ready, Relayed
from domain.process_config import StrategyText
from trading.market_run import MarketRun
from trading.market_view import place_of
from utility.codec import encode

GONE_S = 5.0
"""A viewer that has not asked for so long has left."""


class Main(Protocol):
    """What the desk needs of the supervisor."""

    markets: dict[str, MarketRun]

    def command(self, code: str, slot: str, name: str, /, **args: Any) -> int: ...

    def change_strategy(self, code: str, strategy: StrategyText) -> None: ...

    def kill(self, level: str, actor: str = "person", reason: str = "") -> None: ...


class ViewerDesk:
    """Answers the viewers of one run.

    Parameters
    ----------
    main : Main
    send : callable (peer, message) -> bool
        On `control`.
    """

    def __init__(self, main: Main, send: Callable[[str, Message], bool]) -> None:
        self._main = main
        self._send = send
        self._seen: dict[str, float] = {}
        self._asked: dict[int, tuple[str, int]] = {}  # our id of a relayed command → viewer, its id

    def on_message(self, peer: str, message: Message) -> None:
        """Take what a viewer says."""
        self._seen[peer] = time.monotonic()
        if not isinstance(message, Command):
            return
        try:
            fields = self._carry_out(peer, message)
        except StomError as error:
            self._answer(peer, message.id, error)
            return
        if fields is not None:
            self._send(peer, CommandResult(id=message.id, ok=True, fields=fields))

    def answers(self, result: CommandResult) -> bool:
        """Give a process's answer to the viewer that asked; False when none of them did."""
        asked = self._asked.pop(result.id, None)
        if asked is None:
            return False
        self._send(asked[0], msgspec.structs.replace(result, id=asked[1]))
        return True

    def tell(self, code: str, message: Message) -> None:
        """Repeat to every viewer what a process told main."""
        if not self._seen or not isinstance(message, Hello | Ready | Failed | LogRecord):
            return
        now = time.monotonic()
        self._seen = {peer: seen for peer, seen in self._seen.items() if now - seen < GONE_S}
        for peer in self._seen:
            self._send(peer, Relayed(market=code, data=encode(message)))

    def _answer(self, peer: str, number: int, error: StomError) -> None:
        fields = {name: str(value) for name, value in error.fields.items()}
        self._send(peer, CommandResult(id=number, ok=False, code=error.code, fields=fields))

    def _carry_out(self, peer: str, message: Command) -> dict[str, Any] | None:
        args = message.args
        if message.name == "status":
            return self._status()
        if message.name == "kill":
            self._main.kill(str(args.get("level", "freeze")), actor=peer)
            return {}
        if message.name == "relay":
            number = self._main.command(str(args["market"]), str(args["slot"]), str(args["command"]), **dict(args["args"]))
            self._asked[number] = peer, message.id
            return None  # the process answers
        if message.name == "strategy":
            self._change_strategy(str(args["market"]), args["strategy"])
            return {}
        raise InputError("process.unknown_command", name=message.name)

    def _change_strategy(self, code: str, strategy: Any) -> None:
        run = self._main.markets.get(code)
        if run is None:
            raise InputError("market.not_running", market=code)
        if not run.options.is_paper:
            # Real money moves only by the strategy that was named when it was armed.
            raise RefusedError("viewer.armed", market=code)
        self._main.change_strategy(code, msgspec.convert(strategy, StrategyText))

    def _status(self) -> dict[str, Any]:
        now = time.monotonic()
        return {code: _market_status(run, now) for code, run in self._main.markets.items()}


def _market_status(run: MarketRun, now: float) -> dict[str, Any]:
    places = {"market": place_of(run, "receiver", "market"), "orders": place_of(run, "trader", "orders")}
    return {
        **run_facts(run),
        "places": {channel: list(place) for channel, place in places.items() if place is not None},
        "children": [
            {
                "name": child.name,
                "role": child.role,
                "is_ready": child.is_ready,
                "is_alive": child.is_running(),
                "failure": child.failure,
                "restarts": child.restarts,
                "rss_mb": child.rss_mb,
                "age_s": now - child.heard_s if child.heard_s else -1.0,
                "counters": child.counters,
            }
            for child in run.children.values()
        ],
    }


def run_facts(run: MarketRun) -> dict[str, Any]:
    """Return what a window must know of a market that it did not start itself."""
    options = run.options
    return {
        "strategy": "" if options.strategy is None else options.strategy.name,
        "interval_s": options.interval_s,
        "is_paper": options.is_paper,
        "is_made": options.is_paper and options.replay is None,
    }
