"""R1 in vectorbt: `Portfolio.from_order_func` with the rule in the compiled order function, which can express the time stop."""

import common
import numpy as np
import pandas as pd
import vectorbt as vbt
from numba import njit
from vectorbt.portfolio import nb

ROWS, TIMES = common.load()
ARGUMENTS = common.arrays(ROWS)
ROW = njit(common.row)
BUY, SELL, BOTH = common.BUY, common.SELL, common.BOTH


@njit
def order_r1(c, start, end, change, strength, bought, value, last, ask, bid, seconds, v, betting, fee, state):
    act = ROW(c.i, start, end, change, strength, bought, value, last, ask, bid, seconds, v, betting, fee, state)
    if act in (BUY, BOTH):
        return nb.order_nb(size=betting / last[c.i], price=ask[c.i], fees=fee)
    if act == SELL:
        return nb.order_nb(size=-c.position_now, price=bid[c.i], fees=fee)
    return nb.order_nothing_nb()


def run():
    close = pd.Series(ROWS["last"], index=pd.date_range("2026-01-05", periods=len(ROWS["last"]), freq="s"))
    started = common.clock()
    done = vbt.Portfolio.from_order_func(close, order_r1, *ARGUMENTS, np.zeros(common.STATE_SIZE), init_cash=common.CASH)
    seconds = common.clock() - started
    trades = done.trades.records
    closed = trades[trades["status"] == 1]
    return seconds, closed[["entry_idx", "exit_idx"]].to_numpy().tolist()


run()  # compiles
common.tell("vectorbt", ROWS, TIMES, run)
