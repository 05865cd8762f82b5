"""R2 in freqtrade: its Backtesting over one pair, strategies/freqtrade_r2.py, and an exchange that is never asked."""

import logging
import tempfile
import warnings
from pathlib import Path

import common
import numpy as np
import pandas as pd
from freqtrade.enums import CandleType, RunMode
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
ROWS, TIMES = common.load()
PAIR, COUNT = "C00/USDT", len(ROWS["last"])
FIRST = pd.Timestamp("2025-01-01", tz="UTC")


def settings(folder):
    return {
        "stake_currency": "USDT", "stake_amount": ROWS["betting"], "dry_run": True, "dry_run_wallet": 1e12, "max_open_trades": 1,
        "timeframe": "1m", "fee": ROWS["fee"], "runmode": RunMode.BACKTEST, "trading_mode": "spot", "margin_mode": "",
        "candle_type_def": CandleType.SPOT, "user_data_dir": folder, "datadir": folder, "dataformat_ohlcv": "feather",
        "strategy": "CrossR2", "strategy_path": str(Path(__file__).parent / "strategies"), "tradable_balance_ratio": 0.99,
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []}, "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": {"price_side": "other", "use_order_book": False}, "exit_pricing": {"price_side": "other", "use_order_book": False},
        "export": "none", "dataformat_trades": "feather",
    }  # fmt: skip


def exchange(config):
    """Return an exchange that knows the pair and is never connected."""
    out = ExchangeResolver.load_exchange(config, validate=False)
    out._markets = {
        PAIR: {
            "id": "C00USDT", "symbol": PAIR, "base": "C00", "quote": "USDT", "active": True, "spot": True, "type": "spot", "swap": False,
            "future": False, "linear": None, "contract": False, "taker": ROWS["fee"], "maker": ROWS["fee"],
            "precision": {"amount": 1e-8, "price": 1.0}, "info": {},
            "limits": {name: {"min": None, "max": None} for name in ("amount", "price", "cost")},
        }
    }  # fmt: skip
    out.reload_markets = lambda *words, **more: None
    return out


def candles():
    """Return the candles: each opens where the one before closed, so that a fill at the open has the signal's price."""
    close = np.append(ROWS["last"], ROWS["last"][-1])
    opened = np.append(close[0], close[:-1])
    date = FIRST + pd.to_timedelta(np.arange(COUNT + 1), unit="min")
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    return pd.DataFrame({"date": date, **columns, "volume": np.ones(COUNT + 1)})


def run():
    with tempfile.TemporaryDirectory() as folder:
        config = settings(Path(folder))
        test = Backtesting(config, exchange(config))
        test._set_strategy(test.strategylist[0])
        table = candles()
        started = common.clock()
        processed = test.strategy.advise_all_indicators({PAIR: table})
        done = test.backtest(processed=processed, start_date=table["date"].iloc[0], end_date=table["date"].iloc[-1])
        seconds = common.clock() - started
    trades = done["results"]
    rows = [((trades[name] - FIRST) // pd.Timedelta(minutes=1)).to_numpy() - 1 for name in ("open_date", "close_date")]
    return seconds, np.stack(rows, axis=1).tolist()


common.tell("freqtrade", ROWS, TIMES, run)
