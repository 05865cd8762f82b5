"""Every name of the strategy language's specification as data: what a text may say, where, on which side.

tests/data/specification.txt was written from strategy-language §3–§9 and §14, not from the program's catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKETS = ("krx", "upbit", "binance", "binance-futures")
SPOT, FUTURES = MARKETS[:3], MARKETS[3:]
FILE = Path(__file__).parents[2] / "data" / "specification.txt"


@dataclass(frozen=True)
class Use:
    """An expression that must be accepted, with the section of the specification and the places it belongs to."""

    text: str
    section: str
    markets: tuple[str, ...] = MARKETS
    intervals: tuple[int, ...] = (1, 60)
    sides: tuple[str, ...] = ("buy", "sell")


def listed(name: str) -> list[str]:
    """Return the lines of a part of the file."""
    part = FILE.read_text("utf-8").split(f"[{name}]\n", 1)[1]
    return part.split("[", 1)[0].split("\n")[:-1]


def pairs(name: str, per: str = "") -> list[tuple[str, str]]:
    """Return the (Korean, English) pairs of a part."""
    return [(line.rsplit(" ", 1)[0].replace("{}", per), line.rsplit(" ", 1)[1]) for line in listed(name)]


def _plain(found: list[tuple[str, str]], section: str, form: str = "{} > 0", **where: Any) -> Iterator[Use]:
    for pair in found:
        yield from (Use(form.format(name), section, **where) for name in pair)


def _with_lags(found: list[tuple[str, str]], section: str, **where: Any) -> Iterator[Use]:
    yield from _plain(found, section, **where)
    for pre in ("0", "1", "-1", "self.vars[1]"):
        yield from _plain([(f"{ko}N", f"{en}_ago") for ko, en in found], "5.2", f"{{}}({pre}) > 0", **where)


def _factors() -> Iterator[Use]:
    yield from (Use(f"{name} == 'KRW-BTC'", "3.1") for name in ("종목코드", "code", "종목명", "name"))
    yield from _plain(pairs("numbers"), "3.1")
    yield from _with_lags(pairs("recorded"), "3.2")
    sides = (("매도호가", "ask"), ("매수호가", "bid"), ("매도잔량", "ask_size"), ("매수잔량", "bid_size"))
    yield from _with_lags([(f"{ko}{level}", f"{en}{level}") for ko, en in sides for level in range(1, 6)], "3.4")
    for interval, per, tag in ((1, "초당", "1s"), (60, "분당", "1m")):
        yield from _with_lags([(per + ko, f"{en}_{tag}") for ko, en in pairs("flow")], "3.3", intervals=(interval,))
        for given in ("30", "30, 1", "n=5, pre=-1"):
            yield from _plain(pairs("flow windows", per), "5.3", f"{{}}({given}) > 0", intervals=(interval,))
    yield from _plain([(en, f"{en}_ago(1)") for _, en in pairs("flow")], "5.6")
    yield from _with_lags(pairs("bars"), "3.3", intervals=(60,))
    yield from _with_lags(pairs("krx"), "3.5", markets=("krx",))
    times = [("VI해제시간", "vi_release_time"), ("VI해제시간N(1)", "vi_release_time_ago(1)")]
    yield from _plain(times, "3.5", "now() > timedelta_sec(180, {})", markets=("krx",))
    yield from _plain([("VI아래5호가", "vi_minus_5_ticks")], "3.5", "현재가 < {}", markets=("krx",))


def _position() -> Iterator[Use]:
    yield from _plain(pairs("position"), "3.6")
    yield from _plain([("매수시간", "entry_time")], "3.6", "now() > timedelta_sec(60, {})")
    for test in ("{} == 'LONG'", "{} == 'SHORT'", "{} is None"):
        yield from _plain([("포지션", "position_side")], "3.6", test, markets=FUTURES)
    yield from _plain([("레버리지", "leverage")], "3.6", markets=FUTURES)
    yield from _plain([("강제청산", "force_exit")], "3.6", "not {}", sides=("sell",))


def _functions() -> Iterator[Use]:
    for given in ("30", "30, 1", "30, -1", "n=5, pre=1", "30, calc=True"):
        yield from _plain(pairs("windows"), "5.3", f"{{}}({given}) > 0")
    yield from _plain(pairs("bar windows"), "5.3", "{}(30, 1) > 0", intervals=(60,))
    yield from _plain([("전일비각도", "volume_ratio_angle")], "5.3", "{}(30, 1) > 0", markets=("krx",))
    yield from _plain(pairs("indicators"), "6.3", intervals=(60,))
    yield from _plain([(f"{ko}_N(1)", f"{en}_ago(1)") for ko, en in pairs("indicators")], "6.3", intervals=(60,))
    yield from _plain(pairs("second scores"), "14.1", intervals=(1,))
    yield from _plain(pairs("minute scores"), "14.1", intervals=(60,))
    for name, sides in (("v3", ("buy", "sell")), ("exits", ("sell",))):
        for ko, en in pairs(name):
            arguments = ko[ko.index("(") :]
            more = arguments[:-1] + (", " if len(arguments) > 2 else "") + "calc=True)"
            yield from (Use(f"({one})", "14.2", sides=sides) for one in (ko, en + arguments, en + more))


def _helpers() -> Iterator[Use]:
    texts = "abs(-1) min(1,2) max(1,2,3) round(1.234,2) int(1.5) float(1) sum([1,2]) len([1,2]) math.sqrt(2) math.log(2) math.pi"
    texts += " np.sqrt(2) np.abs(-1) np.maximum(1,2) self.vars[1] self.mine ready(30) 경과틱수('조건') rows_since('조건')"
    yield from (Use(f"({one}) > 0", "2.4") for one in texts.split())
    yield Use("timedelta_sec(10) > now() or now_utc() > timedelta_sec(1, now_utc())", "2.4")


def uses() -> Iterator[Use]:
    """Yield every name, in both languages, in an expression."""
    for part in (_factors, _position, _functions, _helpers):
        yield from part()


_KRX_BUY = "self.Buy(종목코드, 종목명, 매수수량, 현재가, 매도호가1, 매수호가1, 데이터길이)"
_COIN_BUY = "self.Buy(종목코드, 현재가, 매도호가1, 매수호가1, 매수수량, 데이터길이)"
_KRX_SELL = "self.Sell(종목코드, 종목명, 매도수량, 현재가, 매도호가1, 매수호가1, 강제청산)"
_COIN_SELL = "self.Sell(종목코드, 현재가, 매도호가1, 매수호가1, 매도수량, 강제청산)"
_REJECT = "if 등락율 > 25:\n    매수 = False\nif 매수:\n    "
_TRIGGER = "if 수익률 >= 3:\n    매도 = True\nelif 수익률 < -2:\n    매도 = True\n    강제청산 = True\nif 매도:\n    "
_LONG_SHORT = (
    "if 등락율 > 25:\n    BUY_LONG = False\nelif 등락율 < -25:\n    SELL_SHORT = False\nif BUY_LONG or SELL_SHORT:\n    self.Buy(BUY_LONG)"
)
_CLOSE = (
    "if 수익률 > 3:\n    SELL_LONG = True\n    BUY_SHORT = True\n"
    "if (포지션 == 'LONG' and SELL_LONG) or (포지션 == 'SHORT' and BUY_SHORT):\n"
)
WHOLE = (
    ("buy", ("krx",), _REJECT + _KRX_BUY),
    ("buy", ("upbit", "binance"), _REJECT + _COIN_BUY),
    ("buy", SPOT, "매수 = False\nif 등락율 > 5 and 체결강도 > 100:\n    매수 = True\nif 매수:\n    self.Buy()"),
    ("sell", ("krx",), _TRIGGER + _KRX_SELL),
    ("sell", ("upbit", "binance"), _TRIGGER + _COIN_SELL),
    ("sell", SPOT, _TRIGGER + "self.Sell()"),
    ("buy", FUTURES, _LONG_SHORT),
    ("sell", FUTURES, _CLOSE + "    self.Sell()"),
)
"""Whole texts of §2: side, markets, text with the tail it had."""
