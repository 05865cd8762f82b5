"""A live paper run that begins in the middle of the exchange's day, whose receiver is killed, and whose venue does not answer at first."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.messages import InstrumentTable, Rows
from domain.ports import Endpoint
from domain.process_config import LiveOptions
from domain.records import row_schema
from domain.settings import Settings
from storage.ticks import TickStore
from trading.supervisor import Supervisor
from trading.venues import venue
from utility.clock import SystemClock
from utility.paths import DataDir

SCHEMA = row_schema("coin", 1)
FIGURES = tuple(SCHEMA.index(name) for name in ("day_open", "day_high", "day_low", "day_value"))
VALUE_1S = SCHEMA.index("value_1s")
PATHS = {"upbit": "/v1/ticker", "binance": "/api/v3/ticker/tradingDay"}
CODES = {"upbit": ("KRW-BTC", "KRW-ETH"), "binance": ("BTCUSDT", "ETHUSDT")}


class Run:
    """A market that is watched and recorded, and its newest rows."""

    def __init__(self, market: str, folder: Path) -> None:
        # Four refusals: an attempt asks three times, so the first one fails and the next one is answered.
        fault = {"where": "request", "action": "status", "match": {"path": PATHS[market]}, "params": {"status": 503}, "count": 4}
        self.data, self.market = DataDir(folder), market
        self.supervisor = Supervisor(self.data, Settings(), log_level="info")
        self.run = self.supervisor.start_market(LiveOptions(market=market, codes=CODES[market], seed=5, faults=(fault,)))
        self.codes: tuple[str, ...] = ()
        self.rows: list[np.ndarray] = []

    def wait(self, is_done: Callable[[], bool], limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not is_done():
            assert time.monotonic() < deadline
            for _, message in self.supervisor.poll(20):
                if isinstance(message, InstrumentTable):
                    self.codes = tuple(one.code for one in message.instruments)
                elif isinstance(message, Rows):
                    self.rows.append(np.frombuffer(message.data, SCHEMA.dtype()))

    def more_rows(self, count: int) -> None:
        """Wait until every instrument has so many rows more."""
        self.rows.clear()
        self.wait(lambda: bool(self.rows) and np.bincount(np.concatenate(self.rows)["instrument"], minlength=2).min() >= count)

    def newest(self, code: str) -> Any:
        whole = np.concatenate(self.rows)
        return whole[whole["instrument"] == self.codes.index(code)][-1]

    def feed(self) -> Any:
        words = {key: str(value) for key, value in self.run.children["exchange"].detail.items()}
        endpoint = Endpoint(rest=words["rest"], ws_public=words["ws_public"], ws_private=words["ws_private"])
        return venue(self.market).make_feed(endpoint, SystemClock())

    def agrees(self) -> None:
        """Compare rows with what the exchange says before and after them."""
        feed = self.feed()
        try:
            early = {bar.code: bar for bar in feed.day_bars(CODES[self.market])}
            self.more_rows(3)
            late = {bar.code: bar for bar in feed.day_bars(CODES[self.market])}
        finally:
            feed.close()
        for code in CODES[self.market]:
            row = self.newest(code)["values"]
            day_open, high, low, value = (float(row[place]) for place in FIGURES)
            assert day_open == early[code].open
            assert early[code].high <= high <= late[code].high
            assert early[code].low >= low >= late[code].low
            assert early[code].value - 0.01 <= value <= late[code].value + 0.01


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("market", ["upbit", "binance"])
def test_the_rows_are_of_the_exchanges_day_also_after_a_kill(market: str, tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    run = Run(market, lend(tmp_path))
    try:
        run.wait(lambda: bool(run.rows), 120.0)
        run.agrees()
        killed = run.run.children["receiver"].pid
        os.kill(killed, signal.SIGKILL)
        run.wait(lambda: run.run.children["receiver"].pid != killed and run.run.children["receiver"].is_ready)
        run.more_rows(1)
        run.agrees()
    finally:
        run.supervisor.close()
    said = "".join(path.read_text("utf-8") for path in run.data.logs.rglob("*") if path.is_file())
    assert said.count("event=day_unknown") == 1
    assert said.count("event=day_told") >= 2
    store = TickStore(run.data.root)
    source = store.choose_source(market, None, "row1s")
    stored = np.concatenate([rows for _, rows in store.read_rows(market, source, 1)])
    assert len(stored) > 10
    for index in range(len(CODES[market])):
        values = stored[stored["instrument"] == index]["values"]
        assert len(np.unique(values[:, FIGURES[0]])) == 1  # one open from the first row to the last
        assert (np.diff(values[:, FIGURES[3]]) >= 0.0).all()
        assert values[:, VALUE_1S].max() < values[0, FIGURES[3]]  # no second holds the day that the venue told
