"""R1 in backtesting.py: a Strategy's `next`, market orders that trade on the close."""

import warnings

import common

warnings.filterwarnings("ignore")
from backtesting import Backtest, Strategy  # noqa: E402

ROWS, TIMES = common.load()
ARGUMENTS, COUNT = common.lists(ROWS), len(ROWS["last"])


class R1(Strategy):
    def init(self):
        self.state = [0.0] * common.STATE_SIZE

    def next(self):
        i = len(self.data) - 1
        if i >= COUNT:
            return
        if i == 1:  # the library begins on the second bar
            common.row(0, *ARGUMENTS, self.state)
        act = common.row(i, *ARGUMENTS, self.state)
        if act in (common.BUY, common.BOTH):
            self.buy(size=int(ARGUMENTS[-2] / ARGUMENTS[6][i]))
        if act == common.SELL:
            self.position.close()


def run():
    started = common.clock()
    test = Backtest(common.frame(ROWS), R1, cash=common.CASH, commission=ROWS["fee"], trade_on_close=True, finalize_trades=True)
    trades = test.run()["_trades"]
    return common.clock() - started, trades[["EntryBar", "ExitBar"]].to_numpy().tolist()


common.tell("backtesting", ROWS, TIMES, run)
