"""Kill receiver, strategy host and trader at random moments of live paper trading with faults on.

python -m tools.rigs.kill [--market upbit] [--kills 30] [--seed 1] [--json]

Each role is killed with SIGKILL `--kills` times, in a random order; the trader's kills wait, as far as
they can, for a moment with an order under way. After each kill the time until the process is ready
again is taken. At the end the faults are lifted, the strategy is held, everything in doubt has to
settle, and the trader's ledger is compared with the exchange's own record: at most one venue order an
intent, the same fills, the same quantities. Exit status 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from domain.messages import CommandResult, Failed, Message, OrderUpdate
from domain.orders import TERMINAL
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Processes, Risk, Settings
from paper.truth import read_truth, summarise
from trading.supervisor import Supervisor
from utility.paths import DataDir

BUY = """if 초당거래대금 <= 0:
    매수 = False
"""
SELL = """if 보유시간 >= 2:
    매도 = True
"""
FAULTS: tuple[dict[str, Any], ...] = (
    {"where": "request", "action": "delay", "match": {"method": "POST"}, "params": {"ms": 250}, "probability": 0.35, "seed": 11},
    {"where": "response", "action": "accept_then_timeout", "match": {"method": "POST"}, "probability": 0.12, "seed": 12},
    {"where": "response", "action": "accept_then_error", "match": {"method": "POST"}, "probability": 0.05, "seed": 13},
    {"where": "request", "action": "drop", "match": {"method": "POST"}, "probability": 0.04, "seed": 14},
    {"where": "private", "action": "drop", "probability": 0.05, "seed": 15},
    {"where": "private", "action": "duplicate", "probability": 0.05, "seed": 16},
    {"where": "private", "action": "delay", "params": {"ms": 400}, "probability": 0.1, "seed": 17},
)
SETTLE_S = 6.0
READY_LIMIT_S = 30.0
QUIET_LIMIT_S = 120.0
LIVE_SQL = "SELECT count(*), coalesce(sum(in_doubt), 0) FROM orders WHERE state NOT IN ({})".format(
    ",".join(f"'{status.value}'" for status in sorted(TERMINAL))
)


def settings() -> Settings:
    """Return settings whose limits do not end the rig: the crash-loop halt has a test of its own."""
    risk = Risk(
        orders_per_s=1000, orders_per_min=60000, intents_per_s=1000, intents_per_min=60000, entries_per_day=1_000_000,
        rejects_per_min=10000, day_loss_reduce_pct=100, day_loss_halt_pct=100, max_depth_pct=100, max_open_orders=200,
    )  # fmt: skip
    return Settings(risk=risk, processes=Processes(restarts_per_10min=100_000))


@dataclass
class Rig:
    """One run of one market with kills."""

    market: str
    data_dir: Path
    seed: int = 1
    faults: tuple[dict[str, Any], ...] = FAULTS
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    under_way: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    last_order_s: float = 0.0

    def __post_init__(self) -> None:
        self.data = DataDir(self.data_dir)
        self.random = random.Random(self.seed)
        self.supervisor = Supervisor(self.data, settings(), view=False, log_level="info")
        strategy = StrategyText(name="kill", version="1", buy=BUY, sell=SELL, variables=(2.0,), betting=0.0)
        options = LiveOptions(
            market=self.market, strategy=strategy, seed=self.seed, faults=self.faults, rate_factor=1000.0, settle_window_s=SETTLE_S
        )
        self.run = self.supervisor.start_market(options)
        self.results: dict[int, CommandResult] = {}

    # --- driving -------------------------------------------------------------------------------------------

    def poll(self, timeout_ms: int = 10) -> list[Message]:
        """Turn the supervisor once."""
        heard = [message for _, message in self.supervisor.poll(timeout_ms)]
        for message in heard:
            if isinstance(message, OrderUpdate) and message.order.status not in TERMINAL:
                self.last_order_s = time.monotonic()
            elif isinstance(message, CommandResult):
                self.results[message.id] = message
            elif isinstance(message, Failed):
                self.alarms[message.code] += 1
        return heard

    def wait_ready(self, limit_s: float = 120.0) -> bool:
        """Turn until every process is ready and trading has begun."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self.poll()
            children = self.run.children
            roles = {child.role for child in children.values() if child.is_ready}
            if self.run.is_started and {"exchange", "receiver", "trader", "strategy"} <= roles:
                return True
        return False

    def kill(self, role: str) -> float:
        """Kill a process of a role; return seconds until it was ready again (infinite when it never was)."""
        slot = self.run.active_slot if role == "strategy" else role
        child = self.run.children[slot]
        if role == "trader":
            self._wait_for_order()
        os.kill(child.pid, signal.SIGKILL)
        killed = time.monotonic()
        if role == "trader":
            live, doubt = self.live_orders()
            self.under_way += 1 if live or doubt else 0
        child.is_ready = False  # until it says so again; the supervisor finds the death by itself
        while time.monotonic() - killed < READY_LIMIT_S:
            self.poll()
            now = self.run.children.get(slot)
            if now is not None and now.is_ready and now.started_s > killed:
                return time.monotonic() - killed
        return float("inf")

    def _wait_for_order(self) -> None:
        deadline = time.monotonic() + 4.0
        begun = time.monotonic()
        while time.monotonic() < deadline:
            self.poll(2)
            if self.last_order_s > begun:
                return

    def live_orders(self) -> tuple[int, int]:
        """Return how many orders of the ledger are not terminal, and how many of those are in doubt."""
        with sqlite3.connect(f"file:{self.data.ledger(self.run.account)}?mode=ro", uri=True, timeout=2.0) as connection:
            live, doubt = connection.execute(LIVE_SQL).fetchone()
        return int(live), int(doubt)

    def ask(self, slot: str, name: str, **args: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = self.supervisor.command(self.market, slot, name, **args)
        deadline = time.monotonic() + 3.0
        while number not in self.results and time.monotonic() < deadline:
            self.poll()
        answer = self.results.get(number)
        return {} if answer is None else answer.fields

    def settle(self) -> bool:
        """Lift the faults, hold the strategy, wait until nothing is open or in doubt."""
        for rule in self.ask("exchange", "fault").get("faults", []):
            name = f"{rule.get('where', '')} {rule.get('action', '')}"
            self.fired[name] += int(rule.get("fired", 0))
        self.ask("exchange", "fault", clear=0)
        self.ask("strategy", "halt", reason="rig")
        deadline = time.monotonic() + QUIET_LIMIT_S
        quiet_since = 0.0
        while time.monotonic() < deadline:
            self.poll(50)
            if self.live_orders() != (0, 0):
                quiet_since = 0.0
            elif not quiet_since:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > SETTLE_S + 2.0:
                return True
        return False

    # --- judging -------------------------------------------------------------------------------------------

    def compare(self) -> dict[str, Any]:
        """Compare the ledger with the exchange's record."""
        truth = summarise(read_truth(self.data.truth(self.run.venue.code, self.run.run)))
        problems: list[str] = []
        per_intent: Counter[str] = Counter()
        venue: dict[str, tuple[Decimal, Decimal]] = {}
        for order in truth["orders"]:
            per_intent[str(order["client_id"]).rsplit("-", 1)[0]] += 1
        by_number = {order["number"]: str(order["client_id"]) for order in truth["orders"]}
        for fill in truth["fills"]:
            name = by_number[fill["order"]]
            qty, amount = venue.get(name, (Decimal(0), Decimal(0)))
            venue[name] = qty + Decimal(str(fill["qty"])), amount + Decimal(str(fill["amount"]))
        ledger: dict[str, tuple[Decimal, Decimal]] = {}
        with sqlite3.connect(f"file:{self.data.ledger(self.run.account)}?mode=ro", uri=True) as connection:
            for name, qty_text, price in connection.execute("SELECT client_order_id, qty, price FROM fills"):
                qty, amount = ledger.get(name, (Decimal(0), Decimal(0)))
                ledger[name] = qty + Decimal(qty_text), amount + Decimal(qty_text) * Decimal(price)
        problems += [f"intent {intent}: {count} venue orders" for intent, count in per_intent.items() if count > 1]
        for name in sorted(set(venue) | set(ledger)):
            there, here = venue.get(name, (Decimal(0), Decimal(0))), ledger.get(name, (Decimal(0), Decimal(0)))
            if there[0] != here[0] or abs(there[1] - here[1]) > Decimal("0.01"):
                problems.append(f"order {name}: venue {there}, ledger {here}")
        return {
            "venue_orders": len(truth["orders"]),
            "venue_fills": len(truth["fills"]),
            "orders_per_intent_max": max(per_intent.values(), default=0),
            "problems": problems,
        }

    def close(self) -> None:
        """Stop everything."""
        self.supervisor.close()


def run(market: str, kills: int, seed: int, data_dir: Path) -> dict[str, Any]:
    """Run the rig and return what it found."""
    rig = Rig(market, data_dir, seed)
    try:
        if not rig.wait_ready():
            return {"ok": False, "problems": ["never ready"], "alarms": dict(rig.alarms)}
        deadline = time.monotonic() + 8.0
        while time.monotonic() < deadline and not rig.last_order_s:
            rig.poll()
        roles = [role for role in ("receiver", "strategy", "trader") for _ in range(kills)]
        rig.random.shuffle(roles)
        for role in roles:
            until = time.monotonic() + rig.random.uniform(0.3, 2.0)
            while time.monotonic() < until:
                rig.poll()
            rig.ready_s.setdefault(role, []).append(rig.kill(role))
        settled = rig.settle()
        found = rig.compare()
    finally:
        rig.close()
    taken = sorted(value for values in rig.ready_s.values() for value in values)
    found |= {
        "market": market,
        "kills": {role: len(values) for role, values in rig.ready_s.items()},
        "trader_kills_with_orders_under_way": rig.under_way,
        "ready_s": {"p50": _at(taken, 0.5), "p99": _at(taken, 0.99), "max": taken[-1] if taken else 0.0},
        "ready_s_by_role": {role: {"p50": _at(sorted(values), 0.5), "max": max(values)} for role, values in rig.ready_s.items()},
        "settled": settled,
        "faults_fired": dict(rig.fired),
        "alarms": dict(rig.alarms),
    }
    if not settled:
        found["problems"].append("something stayed open or in doubt")
    if taken and taken[-1] == float("inf"):
        found["problems"].append("a process was never ready again")
    found["ok"] = not found["problems"]
    return found


def _at(values: list[float], share: float) -> float:
    return round(values[min(int(len(values) * share), len(values) - 1)], 3) if values else 0.0


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--market", choices=("upbit", "binance"), default="upbit")
    parser.add_argument("--kills", type=int, default=30, help="of each role")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default=None, metavar="DIR", help="keep the data directory here")
    args = parser.parse_args()
    if args.keep:
        found = run(args.market, args.kills, args.seed, Path(args.keep))
    else:
        with tempfile.TemporaryDirectory(prefix="stom-kill-") as folder:
            found = run(args.market, args.kills, args.seed, Path(folder))
    print(json.dumps(msgspec.to_builtins(found), indent=1))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.exit(main())
