"""R1 in backtrader: a Strategy's `next`, market orders that cheat on close, trades as `notify_trade` tells them."""

import backtrader as bt
import common

ROWS, TIMES = common.load()
ARGUMENTS, COUNT = common.lists(ROWS), len(ROWS["last"])


class R1(bt.Strategy):
    def __init__(self):
        self.state = [0.0] * common.STATE_SIZE
        self.trips = []
        self.row = -1

    def next(self):
        self.row += 1
        if self.row >= COUNT:
            return
        act = common.row(self.row, *ARGUMENTS, self.state)
        if act in (common.BUY, common.BOTH):
            self.buy(size=ARGUMENTS[-2] / ARGUMENTS[6][self.row]).addinfo(row=self.row)
        if act == common.SELL:
            self.close().addinfo(row=self.row)
        elif act == common.BOTH:
            self.sell(size=ARGUMENTS[-2] / ARGUMENTS[6][self.row]).addinfo(row=self.row)

    def notify_order(self, order):
        if order.status == order.Completed:
            if order.isbuy():
                self.trips.append([order.info.row, -1])
            else:
                self.trips[-1][1] = order.info.row


def run():
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.setcash(common.CASH)
    cerebro.broker.setcommission(commission=ROWS["fee"])
    cerebro.broker.set_coc(True)
    cerebro.adddata(bt.feeds.PandasData(dataname=common.frame(ROWS), timeframe=bt.TimeFrame.Seconds))
    cerebro.addstrategy(R1)
    started = common.clock()
    (done,) = cerebro.run()
    return common.clock() - started, done.trips


common.tell("backtrader", ROWS, TIMES, run)
