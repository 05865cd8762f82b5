"""`--fill queue`: limit entries that wait in the queue, row by row against the plain functions; parts of one order are one entry."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from backtester import kernel
from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Instrument
from domain.order_settings import OrderSettings, plain
from tests.research import MadeRows, compiled, hand_steps, made_rows
from trading.fills import queue

SET = np.array([[5.0, -1e9, -1e9, 1e9, 20.0, 1e9, 1e9, 0.0]])
"""Enter whenever flat, leave after twenty seconds."""


def limit_entries(**more: object) -> OrderSettings:
    made = plain(UPBIT)
    return msgspec.structs.replace(made, entry=msgspec.structs.replace(made.entry, order="limit", **more))


def rows_of(seed: int, traded: float) -> MadeRows:
    rows = made_rows("upbit", seed, symbols=1, days=1, rows=400)
    rng = np.random.default_rng(seed)
    count = len(rows.row_time)
    volumes = {key: np.round(rng.lognormal(0, 1, count) * traded, 8) for key in ("buy_volume_1s", "sell_volume_1s")}
    last = np.full(count, 9000.0)
    book = {}
    for level in range(1, 6):
        for side, sign in (("ask", 1), ("bid", -1)):
            book[f"{side}{level}"] = last + sign * (level - 0.5) * 10.0
            book[f"{side}_size{level}"] = np.round(rng.lognormal(0, 0.5, count) * 500.0, 8)
    columns = rows.columns | volumes | book | {"last_price": last, "in_universe": np.ones(count)}
    one = Instrument(instrument_id="upbit:A", code=rows.codes[0], name="A", price_step=5.0)
    return replace(rows, columns=columns, instruments=(one,))


def run(rows: MadeRows, fill: str, orders: OrderSettings) -> np.ndarray:
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=9e6, fill=fill, orders=orders))
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1)).run(prepared, SET).raw


def expected(rows: MadeRows, first: int = 4) -> list[tuple[int, int, float]]:
    """Return (row of the first fill, units, price) of each trade, by the plain functions: one lane, one order at a time."""
    c, n, out = rows.columns, len(rows.row_time), []
    side = lambda i: (  # noqa: E731 - the two halves of our side of the book
        np.array([c[f"bid{k}"][i] for k in range(1, 6)]),
        np.array([c[f"bid_size{k}"][i] for k in range(1, 6)]),
    )
    clock = [int(stamp) % 1_000_000 for stamp in rows.row_time]
    seconds = [stamp // 10_000 * 3600 + stamp // 100 % 100 * 60 + stamp % 100 for stamp in clock]
    state, waits, held, begun = np.zeros(queue.STATE, dtype=np.int64), False, 0, 0
    for i in range(first, n):
        filled = queue.on_row(state, *side(i - 1), *side(i), 1, 8995.0, 9000.0, c["sell_volume_1s"][i], 1.0) if waits else 0
        was_held = held > 0
        if filled:
            if not held:
                begun = i
            held += filled
            waits = state[queue.LEFT] > 0
        if was_held and not filled and (seconds[i] - seconds[begun] >= 20) or (held and i == n - 1):
            out.append((begun, held, 8995.0))
            held, waits = 0, False
        elif not held and not waits and not was_held:
            queue.place(state, *side(i), 1, 8995.0, 1000 * 10**8)
            waits = True
    return out


@pytest.mark.parametrize(("seed", "traded"), [(1, 300.0), (2, 2_000.0)])
def test_a_limit_entry_waits_its_turn_and_comes_in_parts(seed: int, traded: float) -> None:
    rows = rows_of(seed, traded)
    raw = run(rows, "queue", limit_entries())
    got = [(int(one[kernel.OUT_ENTRY]), int(one[kernel.OUT_UNITS]), one[kernel.OUT_ENTRY_RAW] / one[kernel.OUT_UNITS] * 1e8) for one in raw]
    want = expected(rows)
    assert len(want) > 2
    assert [one[:2] for one in got] == [one[:2] for one in want]
    assert [one[2] for one in got] == pytest.approx([one[2] for one in want])
    assert not len(run(rows, "sweep", limit_entries()))  # the price is never passed: without a queue nothing fills


def test_slippage_does_not_move_the_queue_and_a_queue_needs_limit_orders() -> None:
    rows = rows_of(3, 500.0)
    plain_raw = run(rows, "queue", limit_entries())
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=9e6, fill="queue", orders=limit_entries(), slippage=1))
    moved = Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1)).run(prepared, SET).raw
    assert np.array_equal(moved[:, kernel.OUT_ENTRY], plain_raw[:, kernel.OUT_ENTRY])
    assert moved[:, kernel.OUT_EXIT_RAW].sum() < plain_raw[:, kernel.OUT_EXIT_RAW].sum()
    for orders in (None, plain(UPBIT)):
        with pytest.raises(InputError, match=r"backtest\.queue_orders"):
            Options(betting=1.0, fill="queue", orders=orders)
