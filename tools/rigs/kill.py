"""Kill receiver, strategy host and trader at random moments of live paper trading with faults on.

python -m tools.rigs.kill [--market upbit|binance] [--kills 30] [--seed 1] [--keep DIR] [--json]

Each role is killed with SIGKILL `--kills` times, in a random order. The trader's kills wait for a moment
with an order at work on the venue's book and another in doubt: the first is a limit order that the rig
keeps resting far from the touch, the second comes of answers that are lost, late or refused while the
exchange accepts. After each kill the time until the process is READY again is taken, with the stages of
that way as the process itself stamped them. At the end the faults are lifted, the strategy is held,
everything in doubt has to settle, and the trader's ledger is compared with the exchange's own record.

It prints a table by role and a line for each bar that was missed; exit status 1 when one was.
"""

from __future__ import annotations

import argparse
import datetime as dt
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
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from domain.errors import StomError
from domain.instruments import Instrument
from domain.messages import CommandResult, Failed, InstrumentTable, Message, OrderUpdate, Rows
from domain.orders import TERMINAL, Action, Intent, OrderKind, OrderStatus, make_intent_id, price_decimal
from domain.process_config import LiveOptions, StrategyText
from domain.records import row_schema
from domain.settings import Processes, Risk, Settings
from paper.truth import read_truth, summarise
from paper.truth_check import compare, lives
from storage.ledger_verify import reading
from tools.rigs.kill_bars import ROLES, Bars, Kill, lines, missed, table
from trading.ladder import DOWN, round_price
from trading.ledger_check import verify_account
from trading.sizing import quantity
from trading.supervisor import Supervisor
from trading.venues import market as find_market
from utility.paths import DataDir

BUY = """if 초당거래대금 <= 0 or 종목코드 == '{quiet}':
    매수 = False
"""
SELL = """if 보유시간 >= 2:
    매도 = True
"""
FAULTS: tuple[dict[str, Any], ...] = (
    {"where": "request", "action": "delay", "match": {"method": "POST"}, "params": {"ms": 250}, "probability": 0.3, "seed": 11},
    {"where": "request", "action": "late_accept", "match": {"method": "POST"}, "params": {"ms": 2500}, "probability": 0.3, "seed": 18},
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
MOMENT_LIMIT_S = 30.0
"""How long a kill of the trader waits for an order at work and one in doubt."""
RESTING = 2
"""Limit orders that the rig keeps on the book."""
FAR = 0.03
"""How far below the last price they rest."""
AT_WORK = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_CANCEL)


def _texts(statuses: Any) -> str:
    return ",".join(f"'{status.value}'" for status in sorted(statuses))


LIVE_SQL = (
    f"SELECT count(*), coalesce(sum(in_doubt = 0 AND state IN ({_texts(AT_WORK)})), 0), coalesce(sum(in_doubt), 0), "
    f"coalesce(sum(action = 'manual'), 0) FROM orders WHERE state NOT IN ({_texts(TERMINAL)})"
)


def settings() -> Settings:
    """Return settings whose limits do not end the rig: the crash-loop halt has a test of its own."""
    risk = Risk(
        orders_per_s=1000, orders_per_min=60000, intents_per_s=1000, intents_per_min=60000, entries_per_day=1_000_000,
        rejects_per_min=10000, day_loss_reduce_pct=100, day_loss_halt_pct=100, max_depth_pct=100, max_open_orders=200,
    )  # fmt: skip
    return Settings(risk=risk, processes=Processes(restarts_per_10min=100_000))


@dataclass(frozen=True)
class Live:
    """Orders of the ledger that have not ended."""

    count: int
    at_work: int
    in_doubt: int
    resting: int


@dataclass
class Rig:
    """One run of one market with kills."""

    market: str
    data_dir: Path
    seed: int = 1
    faults: tuple[dict[str, Any], ...] = FAULTS
    kills: list[Kill] = field(default_factory=list)
    alarms: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    last_order_s: float = 0.0

    def __post_init__(self) -> None:
        self.data = DataDir(self.data_dir)
        self.random = random.Random(self.seed)
        self.rules = find_market(self.market)
        self.quiet = self.rules.made_codes[settings().paper.symbols - 1]
        self._schema = row_schema(self.rules.kind, 1)
        self._table: tuple[Instrument, ...] = ()
        self._price = 0.0
        self._rest_due_s = 0.0
        self.supervisor = Supervisor(self.data, settings(), view=False, log_level="info")
        strategy = StrategyText(name="kill", version="1", buy=BUY.format(quiet=self.quiet), sell=SELL, variables=(2.0,), betting=0.0)
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
            elif isinstance(message, InstrumentTable):
                self._table = message.instruments
            elif isinstance(message, Rows):
                self._note_price(message)
        return heard

    def _note_price(self, message: Rows) -> None:
        rows = np.frombuffer(message.data, dtype=self._schema.dtype())
        for index, values in zip(rows["instrument"].tolist(), rows["values"], strict=True):
            if index < len(self._table) and self._table[index].code == self.quiet:
                self._price = float(values[self._schema.index("last_price")])

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

    def turn(self, seconds: float) -> None:
        """Turn the supervisor for a while, and keep the resting orders on the book."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.poll()
            self.rest()

    def rest(self) -> None:
        """Put limit orders on the book of the instrument that the strategy leaves alone, as many as are missing."""
        instrument = next((one for one in self._table if one.code == self.quiet), None)
        if instrument is None or not self._price or time.monotonic() < self._rest_due_s:
            return
        self._rest_due_s = time.monotonic() + 0.5
        for _ in range(RESTING - self.live_orders().resting):
            self.supervisor.submit(self.market, self._manual(instrument))

    def _manual(self, instrument: Instrument) -> Intent:
        now = time.time_ns()
        price = round_price(self.rules, instrument, self._price * (1.0 - FAR), dt.datetime.now(dt.UTC).date(), DOWN)
        betting = 1_000_000.0 if self.rules.currency == "KRW" else 500.0
        return Intent(
            intent_id=make_intent_id(self.run.account, "rig", "", instrument.instrument_id, now, Action.MANUAL.value, 1),
            account=self.run.account,
            strategy="rig",
            version="",
            instrument_id=instrument.instrument_id,
            action=Action.MANUAL,
            side=1,
            qty=quantity(betting, price, instrument.qty_decimals),
            reference_price=self._price,
            row_time=0,
            kind=OrderKind.LIMIT,
            price=price_decimal(price),
        )

    def kill(self, role: str) -> Kill:
        """Kill a process of a role and wait until it is ready again."""
        slot = self.run.active_slot if role == "strategy" else role
        child = self.run.children[slot]
        if role == "trader":
            self._wait_for_moment()
        os.kill(child.pid, signal.SIGKILL)
        kill = Kill(role, time.monotonic())
        live = self.live_orders()
        kill.at_work, kill.in_doubt = live.at_work, live.in_doubt
        self.kills.append(kill)
        child.is_ready = False  # until it says so again; the supervisor finds the death by itself
        while time.monotonic() - kill.killed_s < READY_LIMIT_S:
            self.poll()
            now = self.run.children.get(slot)
            if now is not None and now.is_ready and now.started_s > kill.killed_s:
                kill.back(now.died_s, now.started_s, now.ready_s, now.detail.get("stamps", ()))
                break
        return kill

    def _wait_for_moment(self) -> None:
        """Wait until an order is at work on the book and another is in doubt."""
        deadline = time.monotonic() + MOMENT_LIMIT_S
        while time.monotonic() < deadline:
            self.poll(5)
            self.rest()
            live = self.live_orders()
            if live.at_work and live.in_doubt:
                return

    def live_orders(self) -> Live:
        """Return how many orders of the ledger have not ended, by kind."""
        with sqlite3.connect(f"file:{self.data.ledger(self.run.account)}?mode=ro", uri=True, timeout=2.0) as connection:
            return Live(*(int(number) for number in connection.execute(LIVE_SQL).fetchone()))

    def ask(self, slot: str, name: str, **args: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = self.supervisor.command(self.market, slot, name, **args)
        deadline = time.monotonic() + 3.0
        while number not in self.results and time.monotonic() < deadline:
            self.poll()
        answer = self.results.get(number)
        return {} if answer is None else answer.fields

    def settle(self) -> bool:
        """Lift the faults, hold the strategy, take the resting orders back, wait until nothing is open or in doubt."""
        for rule in self.ask("exchange", "fault").get("faults", []):
            name = f"{rule.get('where', '')} {rule.get('action', '')}"
            self.fired[name] += int(rule.get("fired", 0))
        self.ask("exchange", "fault", clear=0)
        self.ask("strategy", "halt", reason="rig")
        deadline = time.monotonic() + QUIET_LIMIT_S
        quiet_since = cancel_due_s = 0.0
        while time.monotonic() < deadline:
            self.poll(50)
            live = self.live_orders()
            if live.resting and time.monotonic() >= cancel_due_s:
                cancel_due_s = time.monotonic() + 2.0
                self.cancel_resting()
            if live.count:
                quiet_since = 0.0
            elif not quiet_since:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > SETTLE_S + 2.0:
                return True
        return False

    def cancel_resting(self) -> None:
        """Cancel the limit orders that the rig keeps."""
        with reading(self.data.ledger(self.run.account)) as connection:
            found = connection.execute(
                f"SELECT client_order_id FROM orders WHERE action = 'manual' AND state NOT IN ({_texts(TERMINAL)})"
            ).fetchall()
        for (name,) in found:
            self.supervisor.command(self.market, "trader", "cancel", client_order_id=name)

    # --- judging -------------------------------------------------------------------------------------------

    def compare(self) -> dict[str, Any]:
        """Compare the ledger with the exchange's record, and with itself."""
        truth = summarise(read_truth(self.data.truth(self.run.venue.code, self.run.run)))
        per_intent = Counter(str(order["client_id"]).rsplit("-", 1)[0] for order in truth["orders"])
        folder = self.data.account(self.run.account)
        problems, lives_compared = compare(folder, lives(self.data.exchange))
        problems += verify_account(folder, self.rules)
        if lives_compared != 1:
            problems.append({"code": "rig.lives", "count": lives_compared})
        return {
            "venue_orders": len(truth["orders"]),
            "venue_fills": len(truth["fills"]),
            "orders_per_intent_max": max(per_intent.values(), default=0),
            "problems": [" ".join(f"{key}={value}" for key, value in problem.items()) for problem in problems],
        }

    def close(self) -> None:
        """Stop everything."""
        self.supervisor.close()


def run(market: str, kills: int, seed: int, data_dir: Path, bars: Bars | None = None) -> dict[str, Any]:
    """Run the rig and return what it found; `missed` names every bar that was not reached."""
    bars = bars or Bars()
    rig = Rig(market, data_dir, seed)
    load = [os.getloadavg()[0]] if hasattr(os, "getloadavg") else [0.0]
    settled, found = False, {"venue_orders": 0, "venue_fills": 0, "orders_per_intent_max": 0, "problems": ["never ready"]}
    try:
        if rig.wait_ready():
            deadline = time.monotonic() + 8.0
            while time.monotonic() < deadline and not rig.last_order_s:
                rig.turn(0.1)
            roles = [role for role in ROLES for _ in range(kills)]
            rig.random.shuffle(roles)
            for role in roles:
                rig.turn(rig.random.uniform(0.3, 2.0))
                rig.kill(role)
                load += [os.getloadavg()[0]] if hasattr(os, "getloadavg") else []
            settled = rig.settle()
            found = rig.compare()
    except StomError as error:
        found["problems"].append(f"{error.code} {error.fields}")
    finally:
        rig.close()
    found |= {
        "market": market,
        "seed": seed,
        "load": {"mean": round(sum(load) / len(load), 2), "max": round(max(load), 2)},
        "settled": settled,
        "faults_fired": dict(rig.fired),
        "alarms": dict(rig.alarms),
    }
    found["table"] = table(rig.kills)
    found["missed"] = missed(rig.kills, kills, found, bars)
    found["ok"] = not found["missed"]
    return found


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--market", choices=("upbit", "binance"), default="upbit")
    parser.add_argument("--kills", type=int, default=30, help="of each role")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default=None, metavar="DIR", help="keep the data directory here")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.keep:
        found = run(args.market, args.kills, args.seed, Path(args.keep))
    else:
        with tempfile.TemporaryDirectory(prefix="stom-kill-") as folder:
            found = run(args.market, args.kills, args.seed, Path(folder))
    if args.json:
        print(json.dumps(msgspec.to_builtins(found), indent=1))
    else:
        print("\n".join(lines(found)))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
