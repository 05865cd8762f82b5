"""The look-backs over one column: names, operation, column, rounding (strategy-language 5.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowFunction:
    """A look-back over one column.

    Parameters
    ----------
    ko, en : str
        Names; a ``{per}`` in the Korean one is 초당 or 분당.
    operation : str
        sum, mean, mean_int, max, min or angle.
    column : str
        Column key, neutral where the interval decides.
    decimals : (int, int)
        Decimals of a mean on coin and stock markets.
    coefficient : str
        Field of Market that scales an angle; "" = 1.
    """

    ko: str
    en: str
    operation: str
    column: str
    decimals: tuple[int, int] = (0, 0)
    coefficient: str = ""


WINDOWS = (
    WindowFunction("이동평균", "sma", "mean", "last_price", (8, 3)),
    WindowFunction("최고현재가", "highest_price", "max", "last_price"),
    WindowFunction("최저현재가", "lowest_price", "min", "last_price"),
    WindowFunction("최고분봉고가", "highest_bar_high", "max", "bar_high"),
    WindowFunction("최저분봉저가", "lowest_bar_low", "min", "bar_low"),
    WindowFunction("체결강도평균", "avg_trade_strength", "mean", "trade_strength", (3, 3)),
    WindowFunction("최고체결강도", "max_trade_strength", "max", "trade_strength"),
    WindowFunction("최저체결강도", "min_trade_strength", "min", "trade_strength"),
    WindowFunction("최고{per}매수수량", "max_buy_volume", "max", "buy_volume"),
    WindowFunction("최고{per}매도수량", "max_sell_volume", "max", "sell_volume"),
    WindowFunction("누적{per}매수수량", "sum_buy_volume", "sum", "buy_volume"),
    WindowFunction("누적{per}매도수량", "sum_sell_volume", "sum", "sell_volume"),
    WindowFunction("{per}거래대금평균", "avg_value", "mean_int", "value"),
    WindowFunction("등락율각도", "change_pct_angle", "angle", "change_pct", (0, 0), "angle_change"),
    WindowFunction("당일거래대금각도", "day_value_angle", "angle", "day_value", (0, 0), "angle_value"),
    WindowFunction("전일비각도", "volume_ratio_angle", "angle", "volume_ratio_prev_day"),
)
