"""The snippet catalogue (strategy-language 12): ready branches that the editor offers by name, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from domain.instruments import Market
from strategy.catalogue import is_futures

STOCK, COIN, ALL = ("stock",), ("coin",), ("stock", "coin")


@dataclass(frozen=True)
class Snippet:
    """One branch.

    Parameters
    ----------
    side : {"buy", "sell"}
    ko, en : str
        Its name.
    kinds : tuple of str
        Kinds of market that have it.
    condition_ko, condition_en : str
        What a buy text requires, or what makes a sell text sell; "" is the signal block at the end.
    both_ways : bool
        Whether it says the same of a long and a short position; else it is about the long one.
    """

    side: str
    ko: str
    en: str
    kinds: tuple[str, ...]
    condition_ko: str
    condition_en: str
    both_ways: bool = False

    def name(self, language: str) -> str:
        """Return its name in a language."""
        return self.ko if language == "ko" else self.en

    def text(self, language: str, market: Market, interval_s: int) -> str:
        """Return the lines that are inserted."""
        korean, futures = language == "ko", is_futures(market)
        condition = (self.condition_ko if korean else self.condition_en).format(per="초당" if interval_s == 1 else "분당")
        flags = _FLAGS[self.side, futures][0 if korean else 1]
        if not condition:
            return _TAILS[self.side, futures][0 if korean else 1] + f"\n    self.{self.side.capitalize()}()\n"
        value = "False" if self.side == "buy" else "True"
        head = f"if not ({condition}):" if self.side == "buy" else f"if {condition}:"
        chosen = flags if self.both_ways else flags[:1]
        return "\n".join([head, *(f"    {flag} = {value}" for flag in chosen)]) + "\n"


_FLAGS = {
    ("buy", False): (("매수",), ("buy",)),
    ("sell", False): (("매도",), ("sell",)),
    ("buy", True): (("BUY_LONG", "SELL_SHORT"), ("open_long", "open_short")),
    ("sell", True): (("SELL_LONG", "BUY_SHORT"), ("close_long", "close_short")),
}
_TAILS = {
    ("buy", False): ("if 매수:", "if buy:"),
    ("sell", False): ("if 매도:", "if sell:"),
    ("buy", True): ("if BUY_LONG or SELL_SHORT:", "if open_long or open_short:"),
    ("sell", True): (
        "if (포지션 == 'LONG' and SELL_LONG) or (포지션 == 'SHORT' and BUY_SHORT):",
        "if (position_side == 'LONG' and close_long) or (position_side == 'SHORT' and close_short):",
    ),
}


def _buy(ko: str, en: str, kinds: tuple[str, ...], condition_ko: str, condition_en: str, both_ways: bool = False) -> Snippet:
    return Snippet("buy", ko, en, kinds, condition_ko, condition_en, both_ways)


def _sell(ko: str, en: str, kinds: tuple[str, ...], condition_ko: str, condition_en: str, both_ways: bool = False) -> Snippet:
    return Snippet("sell", ko, en, kinds, condition_ko, condition_en, both_ways)


SNIPPETS = (
    _buy("VI해제시간비교", "after_vi", STOCK, "now() > timedelta_sec(180, VI해제시간)", "now() > timedelta_sec(180, vi_release_time)"),
    _buy("VI아래5호가비교", "below_vi", STOCK, "현재가 < VI아래5호가", "last_price < vi_minus_5_ticks"),
    _buy("등락율제한", "change_limits", ALL, "3 <= 등락율 <= 25", "3 <= change_pct <= 25"),
    _buy("고저평균대비등락율하한", "above_mid_range", ALL, "고저평균대비등락율 >= 0", "mid_range_change_pct >= 0"),
    _buy("체결강도하한", "least_trade_strength", ALL, "체결강도 >= 100", "trade_strength >= 100"),
    _buy("체결강도차이", "trade_strength_gap", ALL, "체결강도 >= 체결강도평균(30) + 5", "trade_strength >= avg_trade_strength(30) + 5"),
    _buy("시가대비", "above_open", COIN, "현재가 > 시가", "last_price > day_open"),
    _buy("최고체결강도비교", "at_max_trade_strength", COIN, "체결강도 == 최고체결강도(30)", "trade_strength == max_trade_strength(30)"),
    _buy("당일거래대금하한", "least_day_value", COIN, "당일거래대금 >= 10000000000", "day_value >= 10000000000", True),
    _buy(
        "거래대금비교",
        "value_above_average",
        COIN,
        "{per}거래대금 >= {per}거래대금평균(30) + 10000000",
        "value >= avg_value(30) + 10000000",
        True,
    ),
    _buy("호가총잔량비교", "more_asks", COIN, "매도총잔량 > 매수총잔량", "ask_total_size > bid_total_size"),
    _buy("매수시그널", "buy_signal", ALL, "", ""),
    _sell("손절라인", "stop_loss", ALL, "수익률 <= -2", "return_pct <= -2", True),
    _sell("익절라인", "take_profit", ALL, "수익률 >= 3", "return_pct >= 3", True),
    _sell(
        "수익율보존",
        "keep_profit",
        ALL,
        "최고수익률 > 3 and 수익률 < 최고수익률 * 0.75",
        "max_return_pct > 3 and return_pct < max_return_pct * 0.75",
        True,
    ),
    _sell("보유시간제한", "held_long", ALL, "보유시간 > 1800", "holding_time > 1800", True),
    _sell("VI직전매도", "before_vi", STOCK, "현재가 >= VI가격 - 2 * VI호가단위", "last_price >= vi_price - 2 * vi_tick_size"),
    _sell("고저평균대비등락율상한", "below_mid_range", ALL, "고저평균대비등락율 < 0", "mid_range_change_pct < 0"),
    _sell(
        "최고체결강도비교",
        "off_max_trade_strength",
        ALL,
        "체결강도 <= 최고체결강도(30) - 5",
        "trade_strength <= max_trade_strength(30) - 5",
    ),
    _sell(
        "체결강도평균비교", "weak_trade_strength", COIN, "체결강도 < 체결강도평균(30) + 5", "trade_strength < avg_trade_strength(30) + 5"
    ),
    _sell("호가총잔량비교", "more_bids", ALL, "매도총잔량 < 매수총잔량", "ask_total_size < bid_total_size"),
    _sell("매도시그널", "sell_signal", ALL, "", ""),
)


def snippets(side: str, market: Market) -> tuple[Snippet, ...]:
    """Return the snippets of a side on a market."""
    return tuple(one for one in SNIPPETS if one.side == side and market.kind in one.kinds)
