"""What a live run did: counted by each process, joined by the conservation equation, trades from the ledger."""

from __future__ import annotations

import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np

from domain.messages import AccountState, CommandResult, FeedState, FillUpdate, IntentAck, Message, Ready, RoundTripState, Rows
from domain.records import ROUND_TRIP_DTYPE
from storage.ledger_read import positions
from trading.market_run import MarketRun
from trading.supervisor import Supervisor
from trading.trades import trades_sha256
from trading.venues import market as find_market
from utility.paths import DataDir

ANSWER_S = 1.0
FILLS_KEPT = 5
SETTLE_S = 0.25
"""Between asking a sender and asking its receiver, so that what is under way has arrived."""


class Collector:
    """Keeps what is told while a run lasts, and asks for the rest at its end."""

    def __init__(self, supervisor: Supervisor, data: DataDir) -> None:
        self._supervisor = supervisor
        self._data = data
        self._began_ns = time.time_ns()
        self.feeds: dict[str, FeedState] = {}
        self.accounts: dict[str, AccountState] = {}
        self.rows: Counter[str] = Counter()
        self.trips: Counter[str] = Counter()
        self.fills: dict[str, deque[FillUpdate]] = {}  # the newest few
        self.refused: dict[str, Counter[str]] = {}
        self.marks: dict[str, dict[str, Any]] = {}
        self.ledgers: dict[str, str] = {}
        self.is_quick = False  # a person is waiting for the end
        self._answers: dict[int, dict[str, Any]] = {}

    def add(self, code: str, message: Message) -> None:
        """Take one message."""
        if isinstance(message, Rows):
            self.rows[code] += message.count
        elif isinstance(message, FeedState):
            self.feeds[code] = message
        elif isinstance(message, AccountState):
            self.accounts[code] = message
        elif isinstance(message, RoundTripState):
            self.trips[code] += 1
        elif isinstance(message, FillUpdate):
            self.fills.setdefault(code, deque(maxlen=FILLS_KEPT)).append(message)
        elif isinstance(message, Ready) and "ledger_path" in message.detail:
            self.marks.setdefault(code, dict(message.detail))
            self.ledgers[code] = str(message.detail["ledger_path"])
        elif isinstance(message, CommandResult) and message.ok:
            self._answers[message.id] = message.fields
        elif isinstance(message, IntentAck) and not message.accepted:
            self.refused.setdefault(code, Counter())[message.rule] += 1

    # --- at the end ----------------------------------------------------------------------------------------

    def report(self, seconds: float) -> dict[str, Any]:
        """Ask every process what it counted and return the JSON object of command-line.md."""
        parts = {code: self._market(code, self.is_quick) for code in list(self._supervisor.markets)}
        self._supervisor.measure()
        processes = [
            {
                "name": child.name,
                "rss_mb": round(child.rss_mb, 1),
                "cpu_s": round(child.cpu_s, 2),
                "restarts": child.restarts,
            }
            for child in self._supervisor.children()
        ]
        first = next(iter(parts.values()))
        out: dict[str, Any] = {name: sum(part[name] for part in parts.values()) for name in _SUMMED}
        money = _by_currency(list(parts.values()))
        # Won and dollars have no sum: several currencies are told by currency alone.
        out |= {name: next(iter(sums.values())) if len(sums) == 1 else None for name, sums in money.items()}
        out |= {f"{name}_by_currency": sums for name, sums in money.items()}
        out["positions"] = [one for part in parts.values() for one in part["positions"]]
        out["latency_us"] = first["latency_us"]
        out["commit_us"] = first["commit_us"]
        out["refusals"] = dict(sum((Counter(part["refusals"]) for part in parts.values()), Counter()))
        out["refusals_of"] = "intents"
        out["processes"] = processes
        out["ledger_path"] = first["ledger_path"]
        out["source"] = first["source"]
        out["trades_sha256"] = first["trades_sha256"]
        out["run"] = self._supervisor.run
        out["seconds"] = round(seconds, 2)
        if len(parts) > 1:
            out["trades_sha256"] = self._joint_hash(parts)
        out["markets"] = {code: {k: v for k, v in part.items() if k != "_trades"} for code, part in parts.items()}
        return out

    def _market(self, code: str, is_quick: bool) -> dict[str, Any]:
        run = self._supervisor.markets[code]
        exchange = self._ask(code, "exchange", is_quick) if run.options.is_paper else {}
        self._wait(0.0 if is_quick else SETTLE_S)
        receiver = self._ask(code, "receiver", is_quick)
        self._wait(0.0 if is_quick else SETTLE_S)
        strategy = self._ask(code, "strategy", is_quick) if run.options.strategy is not None else {}
        trader = self._ask(code, "trader", is_quick)
        codes, trades = self._trades(code)
        latency = trader.get("latency_us", {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0})
        unexplained = self.unexplained(exchange, receiver, strategy)
        last = self.accounts.get(code)
        realised, unrealised = float(trades["pnl"].sum()), float(trader.get("unrealised", 0.0 if last is None else last.unrealised))
        return {
            "ticks": int(receiver.get("events", 0)),
            "frames": int(receiver.get("frames", 0)),
            "rows": int(receiver.get("rows", 0)),
            "signals": int(strategy.get("signals", 0)),
            "intents": int(strategy.get("intents", 0)),
            "orders": self._count(code, "orders", "created_ns"),
            "fills": self._count(code, "fills", ""),
            "gaps": int(receiver.get("gaps", 0)),
            "unexplained": sum(unexplained.values()),
            "unexplained_parts": unexplained,
            "currency": find_market(code).currency,
            "pnl": realised + unrealised,
            "realised": realised,
            "unrealised": unrealised,
            "positions": self._positions(code),
            "trades": len(trades),
            "trades_sha256": trades_sha256(codes, trades),
            "past_levels": int(trades["past_levels"].sum()),
            "latency_us": latency,
            "commit_us": trader.get("commit_us", {}),
            "intent_us": trader.get("intent_us", {}),
            "hops_us": {
                **receiver.get("hops_us", {}),
                **strategy.get("hops_us", {}),
                **{name: trader[f"{name}_us"] for name in ("intent", "decide", "commit", "send") if f"{name}_us" in trader},
            },
            "refusals": self._refusals(code, trader.get("refusals", {})),
            # Of these the recording has no book: orders were filled at the last price, and so is a back-test of their rows.
            "filled_at_last_price": [code for code in self._tape(run) if code],
            "unfit": int(strategy.get("unfit", 0)),
            "compiled": bool(strategy.get("compiled", False)),
            "in_doubt": int(trader.get("in_doubt", 0)),
            "ledger_path": self.ledgers.get(code, str(self._data.ledger(run.account))),
            "source": run.source,
            "account": run.account,
            "steps": int(receiver.get("steps", 0)),
            "_trades": (codes, trades),
        }

    @staticmethod
    def _tape(run: MarketRun) -> list[str]:
        exchange = run.children.get("exchange")
        return str(exchange.detail.get("tape", "")).split(",") if exchange is not None else []

    @staticmethod
    def unexplained(exchange: dict[str, Any], receiver: dict[str, Any], strategy: dict[str, Any]) -> dict[str, int]:
        """Return what the conservation equation cannot account for, by stretch (reliability 6.5).

        frames: sent by the paper exchange and not read here. events, rows: taken in and neither stored nor
        waiting. delivered: published on the bus and neither handled by the strategy nor told as missing.
        """
        out = {"frames": 0, "events": 0, "rows": 0, "delivered": 0}
        sent = sum(int(one["sent"]) for one in exchange.get("connections", ()) if not one.get("private"))
        if exchange and receiver:
            out["frames"] = max(0, sent - int(receiver.get("frames", 0)))
        recorded = receiver.get("recorded") or {}
        if recorded:
            for what in ("events", "rows"):  # what a full disk cost was told and counted
                out[what] = abs(int(receiver[what]) - sum(int(recorded[name]) for name in (what, f"waiting_{what}", f"lost_{what}")))
        if strategy and receiver:
            out["delivered"] = max(0, int(receiver.get("published", 0)) - int(strategy.get("last_seq", 0))) + int(strategy.get("missed", 0))
        return out

    def ask(self, code: str, slot: str, **args: Any) -> dict[str, Any]:
        """Return what a process counted, {} when it did not answer in time; `reset=True` makes it forget its times."""
        return self._ask(code, slot, self.is_quick, **args)

    def _ask(self, code: str, slot: str, is_quick: bool, **args: Any) -> dict[str, Any]:
        from domain.errors import StomError

        try:
            number = self._supervisor.command(code, slot, "stats", **args)
        except StomError:
            return {}
        deadline = time.monotonic() + (0.1 if is_quick else ANSWER_S)
        while number not in self._answers and time.monotonic() < deadline:
            for market, message in self._supervisor.poll(10):
                self.add(market, message)
        return self._answers.pop(number, {})

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for market, message in self._supervisor.poll(20):
                self.add(market, message)

    # --- from the ledger -----------------------------------------------------------------------------------

    def _ledger(self, code: str) -> Path | None:
        path = self.ledgers.get(code)
        return Path(path) if path and Path(path).exists() else None

    def _count(self, code: str, table: str, clock: str) -> int:
        from storage.ledger_verify import reading

        path = self._ledger(code)
        if path is None:
            return 0
        where, value = (f"{clock} >= ?", self._began_ns) if clock else ("seq > ?", int(self.marks.get(code, {}).get("fills", 0)))
        with reading(path) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", (value,)).fetchone()[0])

    def _refusals(self, code: str, told: dict[str, int]) -> dict[str, int]:
        """Return the refused intents of the run by rule: a trader that was started again remembers those of its own life alone.

        The ledger has those of every life, but of a flood only the first of each second.
        """
        from storage.ledger_verify import reading

        path = self._ledger(code)
        if path is None:
            return told
        question = "SELECT rule, count(*) FROM intents WHERE rule != '' AND utc_ns >= ? GROUP BY rule"
        with reading(path) as connection:
            kept = {str(rule): int(count) for rule, count in connection.execute(question, (self._began_ns,))}
        return {rule: max(kept.get(rule, 0), told.get(rule, 0)) for rule in sorted({*kept, *told})}

    def _positions(self, code: str) -> list[dict[str, Any]]:
        """Return what is still held, as the ledger has it."""
        path = self._ledger(code)
        return [] if path is None else positions(path.parent)

    def _trades(self, code: str) -> tuple[list[str], np.ndarray]:
        from storage.ledger_verify import reading

        path = self._ledger(code)
        if path is None:
            return [], np.zeros(0, ROUND_TRIP_DTYPE)
        first = int(self.marks.get(code, {}).get("trips", 0))
        with reading(path) as connection:
            rows = [dict(row) for row in connection.execute("SELECT * FROM round_trips WHERE seq > ? ORDER BY seq", (first,))]
        codes: dict[str, int] = {}
        trades = np.zeros(len(rows), ROUND_TRIP_DTYPE)
        for k, row in enumerate(rows):
            bare = str(row["instrument_id"]).split(":", 1)[-1]
            trades[k]["symbol"] = codes.setdefault(bare, len(codes))
            for name in ROUND_TRIP_DTYPE.names or ():
                if name != "symbol":
                    trades[k][name] = row[name]
        return list(codes), trades

    @staticmethod
    def _joint_hash(parts: dict[str, dict[str, Any]]) -> str:
        codes: list[str] = []
        found = []
        for part in parts.values():
            own, trades = part["_trades"]
            trades = trades.copy()
            trades["symbol"] += len(codes)
            codes += own
            found.append(trades)
        return trades_sha256(codes, np.concatenate(found))


_SUMMED = ("ticks", "rows", "signals", "intents", "orders", "fills", "gaps", "unexplained", "trades", "past_levels")


def _by_currency(parts: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return profit, its closed and its open part, each by currency."""
    out: dict[str, dict[str, float]] = {name: {} for name in ("pnl", "realised", "unrealised")}
    for part in parts:
        for name, sums in out.items():
            sums[part["currency"]] = round(sums.get(part["currency"], 0.0) + part[name], 4)
    return out
