"""R1 in vnpy_ctastrategy: a CtaTemplate's `on_tick`, limit orders through the book, trades as `on_trade` tells them.

The engine crosses an order with the tick after the one that sent it.
"""

import datetime as dt

import common
from vnpy.trader.constant import Direction, Exchange, Interval
from vnpy.trader.object import TickData
from vnpy_ctastrategy import CtaTemplate
from vnpy_ctastrategy.backtesting import BacktestingEngine, BacktestingMode

ROWS, TIMES = common.load()
ARGUMENTS, COUNT = common.lists(ROWS), len(ROWS["last"])
START = dt.datetime(2026, 1, 5)


class R1(CtaTemplate):
    def __init__(self, *words):
        super().__init__(*words)
        self.state, self.row, self.trips = [0.0] * common.STATE_SIZE, -1, []

    def on_init(self):
        """Nothing is loaded before the rows."""

    def on_tick(self, tick):
        self.row += 1
        if self.row >= COUNT:
            return
        act = common.row(self.row, *ARGUMENTS, self.state)
        volume = ARGUMENTS[-2] / tick.last_price
        if act in (common.BUY, common.BOTH):
            self.buy(tick.ask_price_1 * 1.2, volume)
        if act in (common.SELL, common.BOTH):
            self.sell(tick.bid_price_1 * 0.8, self.pos or volume)

    def on_trade(self, trade):
        second = int((trade.datetime - START).total_seconds())
        if trade.direction == Direction.LONG:
            self.trips.append([second, -1])
        else:
            self.trips[-1][1] = second


def ticks():
    last, ask, bid = ARGUMENTS[6], ARGUMENTS[7], ARGUMENTS[8]
    words = {"symbol": "C00", "exchange": Exchange.LOCAL, "gateway_name": "TEST"}
    return [
        TickData(datetime=START + dt.timedelta(seconds=i), last_price=last[k], ask_price_1=ask[k], bid_price_1=bid[k], **words)
        for i in range(COUNT + 1)
        for k in (min(i, COUNT - 1),)
    ]


def run():
    engine = BacktestingEngine()
    engine.output = lambda text: None
    engine.set_parameters(
        vt_symbol="C00.LOCAL", interval=Interval.TICK, start=START, end=START + dt.timedelta(days=30), rate=ROWS["fee"], slippage=0.0,
        size=1, pricetick=0.01, capital=int(common.CASH), mode=BacktestingMode.TICK,
    )  # fmt: skip
    engine.add_strategy(R1, {})
    engine.history_data = ticks()
    started = common.clock()
    engine.run_backtesting()
    return common.clock() - started, engine.strategy.trips


common.tell("vnpy_ctastrategy", ROWS, TIMES, run)
