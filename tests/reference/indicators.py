"""The indicators of strategy-language §6.1 by TA-Lib, and the settings that switch them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import talib


@dataclass(frozen=True)
class Indicator:
    """Its outputs by name, its settings in a buy text, how TA-Lib counts it from close, high, low, volume."""

    names: tuple[str, ...]
    keys: tuple[tuple[str, float], ...]
    count: Callable[..., Any]


INDICATORS = {
    "RSI": Indicator(("RSI",), (("RSI_timeperiod", 9),), lambda c, h, low, v: talib.RSI(c, 9)),
    "MOM": Indicator(("MOM",), (("MOM_timeperiod", 7),), lambda c, h, low, v: talib.MOM(c, 7)),
    "ROC": Indicator(("ROC",), (("ROC_timeperiod", 5),), lambda c, h, low, v: talib.ROC(c, 5)),
    "ATR": Indicator(("ATR",), (("ATR_timeperiod", 8),), lambda c, h, low, v: talib.ATR(h, low, c, 8)),
    "CCI": Indicator(("CCI",), (("CCI_timeperiod", 10),), lambda c, h, low, v: talib.CCI(h, low, c, 10)),
    "WILLR": Indicator(("WILLR",), (("WILLR_timeperiod", 10),), lambda c, h, low, v: talib.WILLR(h, low, c, 10)),
    "MFI": Indicator(("MFI",), (("MFI_timeperiod", 8),), lambda c, h, low, v: talib.MFI(h, low, c, v, 8)),
    "OBV": Indicator(("OBV",), (), lambda c, h, low, v: talib.OBV(c, v)),
    "AD": Indicator(("AD",), (), lambda c, h, low, v: talib.AD(h, low, c, v)),
    "DI": Indicator(
        ("DIM", "DIP"),
        (("DI_timeperiod", 7),),
        lambda c, h, low, v: (talib.MINUS_DI(h, low, c, 7), talib.PLUS_DI(h, low, c, 7)),
    ),
    "AROON": Indicator(("AROOND", "AROONU"), (("AROON_timeperiod", 9),), lambda c, h, low, v: talib.AROON(h, low, 9)),
    "MACD": Indicator(
        ("MACD", "MACDS", "MACDH"),
        (("MACD_fastperiod", 6), ("MACD_slowperiod", 13), ("MACD_signalperiod", 5)),
        lambda c, h, low, v: talib.MACD(c, 6, 13, 5),
    ),
    "BBANDS": Indicator(
        ("BBU", "BBM", "BBL"),
        (("BBANDS_timeperiod", 10), ("BBANDS_nbdevup", 2), ("BBANDS_nbdevdn", 2), ("BBANDS_matype", 0)),
        lambda c, h, low, v: talib.BBANDS(c, 10, 2, 2, 0),
    ),
    "SAR": Indicator(("SAR",), (("SAR_acceleration", 0.02), ("SAR_maximum", 0.2)), lambda c, h, low, v: talib.SAR(h, low, 0.02, 0.2)),
}
GROUP_OF = {name: group for group, indicator in INDICATORS.items() for name in indicator.names}


def series(day: Any, name: str, on: bool) -> list[float]:
    """Return an indicator on every row of the day: NaN while it has no value yet, 0 throughout where a text has it off."""
    group = GROUP_OF[name]
    if not on and INDICATORS[group].keys:
        return [0.0] * len(day.times)
    if group not in day.kept:
        inputs = [np.array(day.columns[key]) for key in ("last_price", "bar_high", "bar_low", "value_1m")]
        found = INDICATORS[group].count(*inputs)
        found = found if isinstance(found, tuple) else (found,)
        day.kept[group] = [[float(value) for value in values] for values in found]
    return day.kept[group][INDICATORS[group].names.index(name)]
