"""The names of strategy-language §3, §5.3, §5.6 and §14.1, typed in from the specification."""

from __future__ import annotations

# Korean name -> English alias of values that are a recorded column. `{s}` and `{k}` stand for 1s, 초 and 1m, 분.
COLUMNS = {
    "현재가": "last_price",
    "시가": "day_open",
    "고가": "day_high",
    "저가": "day_low",
    "등락율": "change_pct",
    "고저평균대비등락율": "mid_range_change_pct",
    "당일거래대금": "day_value",
    "체결강도": "trade_strength",
    "매도총잔량": "ask_total_size",
    "매수총잔량": "bid_total_size",
    "매도수5호가잔량합": "book5_size",
    "관심종목": "in_universe",
    "저가대비고가등락율": "range_pct",
    "당일매수금액": "day_buy_value",
    "당일매도금액": "day_sell_value",
    "최고매수금액": "peak_buy_value",
    "최고매도금액": "peak_sell_value",
    "최고매수가격": "peak_buy_price",
    "최고매도가격": "peak_sell_price",
    "순매수금액": "net_buy_value",
}
for _level in range(1, 6):
    COLUMNS |= {f"매도호가{_level}": f"ask{_level}", f"매수호가{_level}": f"bid{_level}"}
    COLUMNS |= {f"매도잔량{_level}": f"ask_size{_level}", f"매수잔량{_level}": f"bid_size{_level}"}

KRX_COLUMNS = {
    "거래대금증감": "value_change_prev_day",
    "전일비": "volume_ratio_prev_day",
    "회전율": "turnover_rate",
    "전일동시간비": "volume_ratio_same_time",
    "시가총액": "market_cap",
    "라운드피겨위5호가이내": "near_round_figure",
    "VI가격": "vi_price",
    "VI호가단위": "vi_tick_size",
}
MINUTE_COLUMNS = {"분봉시가": "bar_open", "분봉고가": "bar_high", "분봉저가": "bar_low"}
# Korean tail -> neutral alias; the Korean name begins with 초당 or 분당, the column ends in _1s or _1m.
FLOWS = {"매수수량": "buy_volume", "매도수량": "sell_volume", "거래대금": "value", "매수금액": "buy_value", "매도금액": "sell_value"}

# English name of a window function -> (what it does, neutral name of the column it does it to).
WINDOWS = {
    "sma": ("mean", "last_price"),
    "highest_price": ("max", "last_price"),
    "lowest_price": ("min", "last_price"),
    "highest_bar_high": ("max", "bar_high"),
    "lowest_bar_low": ("min", "bar_low"),
    "avg_trade_strength": ("mean", "trade_strength"),
    "max_trade_strength": ("max", "trade_strength"),
    "min_trade_strength": ("min", "trade_strength"),
    "max_buy_volume": ("max", "buy_volume"),
    "max_sell_volume": ("max", "sell_volume"),
    "sum_buy_volume": ("sum", "buy_volume"),
    "sum_sell_volume": ("sum", "sell_volume"),
    "avg_value": ("whole", "value"),
    "change_pct_angle": ("angle", "change_pct"),
    "day_value_angle": ("angle", "day_value"),
    "volume_ratio_angle": ("angle", "volume_ratio_prev_day"),
}
WINDOWS_KO = {
    "이동평균": "sma",
    "최고현재가": "highest_price",
    "최저현재가": "lowest_price",
    "최고분봉고가": "highest_bar_high",
    "최저분봉저가": "lowest_bar_low",
    "체결강도평균": "avg_trade_strength",
    "최고체결강도": "max_trade_strength",
    "최저체결강도": "min_trade_strength",
    "최고{k}매수수량": "max_buy_volume",
    "최고{k}매도수량": "max_sell_volume",
    "누적{k}매수수량": "sum_buy_volume",
    "누적{k}매도수량": "sum_sell_volume",
    "{k}거래대금평균": "avg_value",
    "등락율각도": "change_pct_angle",
    "당일거래대금각도": "day_value_angle",
    "전일비각도": "volume_ratio_angle",
}

# Korean name -> alias of the position variables (§3.6).
POSITION = {
    "수익률": "return_pct",
    "수익금": "pnl",
    "최고수익률": "max_return_pct",
    "최저수익률": "min_return_pct",
    "보유시간": "holding_time",
    "매수틱번호": "entry_row",
    "매입가": "entry_price",
    "매수가": "entry_price",
    "매입금액": "entry_cost",
    "보유수량": "position_qty",
    "매수시간": "entry_time",
    "분할매수횟수": "scale_in_count",
    "분할매도횟수": "scale_out_count",
    "포지션": "position_side",
    "레버리지": "leverage",
}
FLAGS = {
    "매수": "buy",
    "매도": "sell",
    "BUY_LONG": "open_long",
    "SELL_SHORT": "open_short",
    "SELL_LONG": "close_long",
    "BUY_SHORT": "close_short",
    "강제청산": "force_exit",
}
SELL_FLAGS = ("sell", "close_long", "close_short")


def columns(krx: bool, interval_s: int) -> dict[str, str]:
    """Return {name in a text, Korean or English or neutral: recorded column} of one market and interval."""
    korean = COLUMNS | (KRX_COLUMNS if krx else {}) | (MINUTE_COLUMNS if interval_s == 60 else {})
    suffix, prefix = ("_1s", "초당") if interval_s == 1 else ("_1m", "분당")
    names = korean | {alias: alias for alias in korean.values()}
    for tail, neutral in FLOWS.items():
        names |= dict.fromkeys((prefix + tail, neutral, neutral + suffix), neutral + suffix)
    return names


def windows(krx: bool, interval_s: int) -> dict[str, tuple[str, str]]:
    """Return {name in a text: (what it does, recorded column)} of the window functions."""
    prefix = "초당" if interval_s == 1 else "분당"
    recorded = columns(krx, interval_s)
    english = {name: (kind, recorded[column]) for name, (kind, column) in WINDOWS.items() if column in recorded}
    korean = {name.format(k=prefix): english[alias] for name, alias in WINDOWS_KO.items() if alias in english}
    return english | korean
