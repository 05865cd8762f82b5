"""Series: numbers that go on from row to row, such as indicators, each with its names, inputs and settings.

A series is a function that continues its outputs over rows of a day (strategy/oscillators.py). Its outputs
are rows of `extremes`, filled by `fill_features` live and in research alike. What a text sees of one is a
`Series` node with the English name of an output.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from domain.errors import StrategyError
from strategy.series_sizes import AVERAGES, QUEUE, SPARE

MAX_PERIOD = 100_000
"""TA-Lib's longest period."""
ON = 2
"""Stands before a series' settings in the windows of a parameter set when it is on."""
ABREAST = 3
"""Stands there when it is on and the host fills it, several days at once (strategy/abreast.py)."""


@dataclass(frozen=True)
class Setting:
    """One number that a series is set by.

    Parameters
    ----------
    key : str
        Key of ``self.indicator``, or name of a function's argument.
    kind : {"period", "average", "number", "factor"}
        A period of at least `least` rows; a kind of average; any number; a number above 0.
    """

    key: str
    kind: Literal["period", "average", "number", "factor"] = "period"
    least: int = 1

    def is_on(self, value: float) -> bool:
        """Tell whether the series runs with this value; 0 is off, and what TA-Lib refuses is off too.

        Raises
        ------
        StrategyError
            ``strategy.indicator_average`` for a kind of average that is not built.
        """
        if not math.isfinite(value):
            return False
        if self.kind == "period":
            return self.least <= int(value) <= MAX_PERIOD
        if self.kind == "average" and int(value) not in AVERAGES:
            raise StrategyError("strategy.indicator_average", 0, 0, name=self.key, value=f"{value:g}")
        return self.kind != "factor" or value > 0.0


@dataclass(frozen=True)
class SeriesFunction:
    """A series and all there is to know of it.

    Parameters
    ----------
    key : str
        Its own name.
    fill : str
        Where its function is, below ``strategy``: ``fill(columns…, rows, base, params, lo, i0, i1)``. By name, so that
        who only reads the table does not wait for Numba.
    columns : tuple of str
        Recorded columns in the order that `fill` takes them; neutral names allowed.
    outputs : tuple of (str, str)
        Korean (STOM's) and English name of each output.
    settings : tuple of Setting
        In the order of `params`.
    kept : int
        Rows of `extremes` after the outputs that `fill` keeps for itself.
    abreast : str
        Name in strategy/abreast.py of a function that fills its one output for several days at once; none when empty.
    """

    key: str
    fill: str
    columns: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]
    settings: tuple[Setting, ...] = ()
    kept: int = 0
    abreast: str = ""

    @property
    def rows(self) -> int:
        """Rows of `extremes` it takes."""
        return len(self.outputs) + self.kept

    @property
    def place(self) -> tuple[str, str]:
        """Module and name of its function."""
        module, name = self.fill.split(".")
        return f"strategy.{module}", name

    def filler(self) -> Callable[..., Any]:
        """Return its function."""
        module, name = self.place
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found

    def output(self, name: str) -> int:
        """Return the place of an output by its English name."""
        return [en for _, en in self.outputs].index(name)

    def is_on(self, values: Sequence[float]) -> bool:
        """Tell whether it runs with these settings."""
        return all([one.is_on(value) for one, value in zip(self.settings, values, strict=True)])


_C, _CHL, _HL = ("last_price",), ("last_price", "bar_high", "bar_low"), ("bar_high", "bar_low")
_CHLV = (*_CHL, "value")


def _periods(name: str, least: int, *keys: str) -> tuple[Setting, ...]:
    return tuple(Setting(f"{name}_{key}", "period", least) for key in keys or ("timeperiod",))


def _numbers(name: str, *keys: str) -> tuple[Setting, ...]:
    return tuple(Setting(f"{name}_{key}", "number") for key in keys)


def _average(key: str) -> Setting:
    return Setting(key, "average")


INDICATORS = (
    SeriesFunction("AD", "oscillators.fill_ad", _CHLV, (("AD", "ad"),)),
    SeriesFunction("ADOSC", "oscillators.fill_adosc", _CHLV, (("ADOSC", "adosc"),), _periods("ADOSC", 2, "fastperiod", "slowperiod"), 3),
    SeriesFunction("ADXR", "oscillators.fill_adxr", _CHL, (("ADXR", "adxr"),), _periods("ADXR", 2), 5),
    SeriesFunction(
        "APO", "oscillators.fill_apo", _C, (("APO", "apo"),),
        (*_periods("APO", 2, "fastperiod", "slowperiod"), _average("APO_matype")), 2 + 2 * SPARE,
    ),
    SeriesFunction(
        "AROON", "oscillators.fill_aroon", _HL, (("AROOND", "aroon_down"), ("AROONU", "aroon_up")), _periods("AROON", 2), 2 * QUEUE
    ),
    SeriesFunction("ATR", "oscillators.fill_atr", _CHL, (("ATR", "atr"),), _periods("ATR", 1), 1),
    SeriesFunction(
        "BBANDS", "oscillators.fill_bbands", _C, (("BBU", "bb_upper"), ("BBM", "bb_middle"), ("BBL", "bb_lower")),
        (*_periods("BBANDS", 2), Setting("BBANDS_nbdevup", "number"), Setting("BBANDS_nbdevdn", "number"), _average("BBANDS_matype")),
        3 + SPARE,
    ),
    SeriesFunction("CCI", "oscillators.fill_cci", _CHL, (("CCI", "cci"),), _periods("CCI", 2), 2),
    SeriesFunction("DI", "oscillators.fill_di", _CHL, (("DIM", "di_minus"), ("DIP", "di_plus")), _periods("DI", 1), 3),
    SeriesFunction(
        "MACD", "oscillators.fill_macd", _C, (("MACD", "macd"), ("MACDS", "macd_signal"), ("MACDH", "macd_hist")),
        (*_periods("MACD", 2, "fastperiod", "slowperiod"), *_periods("MACD", 1, "signalperiod")), 3,
    ),
    SeriesFunction("MFI", "oscillators.fill_mfi", _CHLV, (("MFI", "mfi"),), _periods("MFI", 2), 3),
    SeriesFunction("MOM", "oscillators.fill_mom", _C, (("MOM", "mom"),), _periods("MOM", 1)),
    SeriesFunction("OBV", "oscillators.fill_obv", ("last_price", "value"), (("OBV", "obv"),)),
    SeriesFunction(
        "PPO", "oscillators.fill_ppo", _C, (("PPO", "ppo"),),
        (*_periods("PPO", 2, "fastperiod", "slowperiod"), _average("PPO_matype")), 2 + 2 * SPARE,
    ),
    SeriesFunction("ROC", "oscillators.fill_roc", _C, (("ROC", "roc"),), _periods("ROC", 1)),
    SeriesFunction("RSI", "oscillators.fill_rsi", _C, (("RSI", "rsi"),), _periods("RSI", 2), 2, "rsi_abreast"),
    SeriesFunction(
        "SAR", "oscillators.fill_sar", _HL, (("SAR", "sar"),), (Setting("SAR_acceleration", "factor"), Setting("SAR_maximum", "factor")), 4
    ),
    SeriesFunction(
        "STOCHS", "oscillators.fill_stochs", _CHL, (("STOCHSK", "stoch_slow_k"), ("STOCHSD", "stoch_slow_d")),
        (
            *_periods("STOCHS", 1, "fastk_period", "slowk_period"), _average("STOCHS_slowk_matype"),
            *_periods("STOCHS", 1, "slowd_period"), _average("STOCHS_slowd_matype"),
        ),
        2 + 2 * QUEUE + 2 * SPARE,
    ),
    SeriesFunction(
        "STOCHF", "oscillators.fill_stochf", _CHL, (("STOCHFK", "stoch_fast_k"), ("STOCHFD", "stoch_fast_d")),
        (*_periods("STOCHF", 1, "fastk_period", "fastd_period"), _average("STOCHF_fastd_matype")), 1 + 2 * QUEUE + SPARE,
    ),
    SeriesFunction("WILLR", "oscillators.fill_willr", _CHL, (("WILLR", "willr"),), _periods("WILLR", 2), 2 * QUEUE),
)  # fmt: skip
"""The functions behind the 28 indicators (strategy-language 6.1)."""

INDICATOR_KEYS = frozenset(setting.key for one in INDICATORS for setting in one.settings)


_BOOK = tuple(f"{side}{level}" for side in ("ask", "bid", "ask_size", "bid_size") for level in range(1, 6))
ANALYSERS = (
    SeriesFunction(
        "MICROSTRUCTURE", "analysers.fill_microstructure", ("last_price", "buy_volume", "sell_volume", *_BOOK),
        (("시그널", "ms_signal"), ("신뢰도", "ms_confidence"), ("리스크", "ms_risk")),
        _numbers("MS", "threshold", "layering", "spoofing", "iceberg", "hunt", "pump", "volatility", "depth"),
    ),
    SeriesFunction(
        "RISK", "analysers.fill_risk",
        ("last_price", "day_high", "day_low", "change_pct", "value", "trade_strength", "buy_volume", "sell_volume"),
        (("리스크점수", "risk_score"),), _numbers("RISK", "volatility", "trend", "momentum", "value", "angle"),
    ),
)  # fmt: skip
"""The analysers of one-second rows (strategy-language 14.4); what a text does not set is in strategy/analyser_settings.py."""

ANALYSER_KEYS = frozenset(setting.key for one in ANALYSERS for setting in one.settings)

_SUMS = ("sum", "sum_lost", "square", "square_lost", "same")
INNER = (
    SeriesFunction(
        "extremes", "runs.fill_extremes", _C, (("", "seen_high"), ("", "seen_high_age"), ("", "seen_low"), ("", "seen_low_age"))
    ),
    SeriesFunction("runs", "runs.fill_runs", _C, (("", "rising_rows"), ("", "falling_rows"))),
    SeriesFunction("near_average", "runs.fill_near_average", _C, (("", "near_average"),), (Setting("n"), Setting("per", "number")), 1),
    SeriesFunction("near_open", "runs.fill_near_open", ("last_price", "day_open"), (("", "near_open"),), (Setting("per", "number"),)),
    SeriesFunction("spread", "runs.fill_spread", _C, tuple(("", f"price_{one}") for one in _SUMS)),
    SeriesFunction("bar_spread", "runs.fill_bar_spread", ("bar_high", "bar_low"), tuple(("", f"bar_{one}") for one in (*_SUMS, "range"))),
)
"""Series that texts do not name; the V3 functions are made of them (strategy/v3.py)."""


@cache
def by_output() -> dict[str, SeriesFunction]:
    """Return English name of an output → its function."""
    return {en: one for one in (*INDICATORS, *ANALYSERS, *INNER) for _, en in one.outputs}


def spread_of(interval_s: int) -> SeriesFunction:
    """Return the series behind 변동성: of prices at one second, of the bars' ranges at one minute."""
    return by_output()["price_sum" if interval_s == 1 else "bar_sum"]
