"""R1 in hftbacktest: a compiled loop that elapses second by second over a book of one level, orders at the best price, no latency."""

import common
import numpy as np
from hftbacktest import BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.order import IOC, LIMIT
from hftbacktest.types import event_dtype
from numba import njit

ROWS, TIMES = common.load()
ARGUMENTS = common.arrays(ROWS)
ROW = njit(common.row)
BUY, SELL, BOTH = common.BUY, common.SELL, common.BOTH
SECOND = 1_000_000_000


def events():
    """Return four events a row: the level that goes and the level that comes, on both sides."""
    count = len(ROWS["last"])
    out = np.zeros(4 * count, event_dtype)
    stamp = (np.arange(count) + 1) * SECOND
    both = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT
    for k, (side, flag) in enumerate((("ask", SELL_EVENT), ("bid", BUY_EVENT))):
        gone, come = out[2 * k :: 4], out[2 * k + 1 :: 4]
        gone["px"], come["px"] = np.append(ROWS[side][0], ROWS[side][:-1]), ROWS[side]
        gone["qty"], come["qty"] = 0.0, 1e9
        for part in (gone, come):
            part["ev"], part["exch_ts"], part["local_ts"] = both | flag, stamp, stamp
    return out


@njit
def trade_r1(hbt, rows, start, end, change, strength, bought, value, last, ask, bid, seconds, v, betting, fee, state, trips):
    count, order = 0, 1
    # To half a second past the first row's stamp; every row is met half a second after it came.
    hbt.elapse(SECOND // 2)
    for i in range(rows):
        act = ROW(i, start, end, change, strength, bought, value, last, ask, bid, seconds, v, betting, fee, state)
        if act in (BUY, BOTH):
            hbt.submit_buy_order(0, order, hbt.depth(0).best_ask, np.floor(betting / last[i] * 1e4) / 1e4, IOC, LIMIT, True)
            order += 1
            if hbt.position(0) > 0.0:
                trips[count, 0] = i
        if act in (SELL, BOTH):
            hbt.submit_sell_order(0, order, hbt.depth(0).best_bid, hbt.position(0), IOC, LIMIT, True)
            order += 1
            if abs(hbt.position(0)) < 1e-9:
                trips[count, 1] = i
                count += 1
        hbt.clear_inactive_orders(0)
        if hbt.elapse(SECOND) != 0 and i + 1 < rows:
            break
    return count


def run():
    asset = (
        BacktestAsset()
        .data([EVENTS])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(ROWS["fee"], ROWS["fee"])
        .tick_size(1.0)
        .lot_size(0.0001)
    )
    hbt = HashMapMarketDepthBacktest([asset])
    trips = np.zeros((len(ROWS["last"]), 2), np.int64)
    started = common.clock()
    count = trade_r1(hbt, len(ROWS["last"]), *ARGUMENTS, np.zeros(common.STATE_SIZE), trips)
    seconds = common.clock() - started
    hbt.close()
    return seconds, trips[:count].tolist()


EVENTS = events()
run()  # compiles
common.tell("hftbacktest", ROWS, TIMES, run)
