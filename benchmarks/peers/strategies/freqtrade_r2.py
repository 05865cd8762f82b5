"""R2 as a freqtrade strategy: signals as columns, the trailing stop through the highest profit in `custom_exit`.

A signal of a candle trades at the next one's open. Days stand alone, as in the engine that it is compared with: indicators begin
anew, and the last candle of a day leaves.
"""

import numpy as np
import talib
from freqtrade.strategy import IStrategy

WARM_UP = 31


class CrossR2(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {}
    stoploss = -0.99
    use_exit_signal = True
    process_only_new_candles = True
    startup_candle_count = 0
    fee, betting, rsi_most, trail = 0.0005, 1e7, 70.0, 2.0

    def populate_indicators(self, dataframe, metadata):
        day = dataframe["date"].dt.normalize().to_numpy()
        cuts = np.flatnonzero(np.append(True, day[1:] != day[:-1]))
        close = dataframe["close"].to_numpy()
        for name, of in (("sma10", lambda x: talib.SMA(x, 10)), ("sma30", lambda x: talib.SMA(x, 30)), ("rsi", lambda x: talib.RSI(x, 14))):
            dataframe[name] = np.concatenate([of(part) for part in np.split(close, cuts[1:])])
        dataframe["row"] = np.arange(len(close)) - np.repeat(cuts, np.diff(np.append(cuts, len(close))))
        dataframe["final"] = np.append(day[1:] != day[:-1], True)
        # Whole prices: means that are equal in numbers may differ in the last bit.
        dataframe["gap"] = (dataframe["sma10"] - dataframe["sma30"]).round(8)
        self.best = {}
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        crossed = (dataframe["gap"] > 0) & ~(dataframe["gap"].shift(1) > 0)
        ready = (dataframe["row"] + 1 >= WARM_UP) & ~dataframe["final"]
        dataframe.loc[crossed & ready & (dataframe["rsi"] < self.rsi_most), "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe.loc[(dataframe["gap"] < 0) | dataframe["final"], "exit_long"] = 1
        return dataframe

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **words):
        if current_time <= trade.open_date_utc:
            return None
        paid, qty = trade.open_rate * self.qty(trade), self.qty(trade)
        paid = round(paid, 4)
        mark = round(current_rate * qty, 4)
        gain = round(round(mark - paid - paid * self.fee - mark * self.fee, 4) / paid * 100.0, 2)
        self.best[trade.id] = max(self.best.get(trade.id, gain), gain)
        return "trail" if self.best[trade.id] - gain >= self.trail else None

    def qty(self, trade):
        """Return the quantity that the rule reckons with: the amount to eight places."""
        return np.floor(self.betting / trade.open_rate * 1e8) / 1e8
