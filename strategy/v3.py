"""The functions of STOM V3 (strategy-language 14.2), written in the language's own nodes.

A call becomes a tree of look-backs, series and comparisons, so the interpreter, the compiler and every
plan of a search know these functions without knowing their names. Without enough history each is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from strategy.nodes import Call, Derived, Expr, Kind
from strategy.v3_maker import Arguments, Build, Function, Maker

# --- measures ------------------------------------------------------------------------------------------


def _from_window(operation: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        return m.percent(m.price, m.window(operation, "last_price", a["n"]))

    return build


def _to_mean(name: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        return m.over(m.column(name, a["pre"]), m.window("mean", name, a["n"], a["pre"]))

    return build


def _book_sides(m: Maker, a: Arguments) -> tuple[Expr, Expr]:
    bids, asks = (m.window("sum", name, a["n"], a.get("pre")) for name in ("bid_total_size", "ask_total_size"))
    return bids, m.add(bids, asks)


def _bid_share(m: Maker, a: Arguments) -> Expr:
    return m.over(*_book_sides(m, a))


def _volume_ratio(name: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        back = m.back(a["pre"])
        return m.over(m.window("sum", name, a["n"], back), m.window("sum", name, a["n"], m.add(back, a["n"])))

    return build


def _angle(extreme: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        rise = m.times(m.percent(m.price, m.series(extreme)), a["cf"])
        angle = Call(name="atan2", args=(rise, m.series(f"{extreme}_age")), **m.where)
        degrees = Call(name="degrees", args=(angle,), **m.where)
        return Call(name="round", args=(degrees, m.number(2.0)), **m.where)

    return build


_N: tuple[str, None] = ("n", None)
_PRE = ("pre", 0.0)
MEASURES = (
    Function("변동성", "volatility", (_N, _PRE), lambda m, a: m.volatility(a["n"], a["pre"])),
    Function("구간저가대비현재가등락율", "rise_from_low", (_N,), _from_window("min")),
    Function("구간고가대비현재가등락율", "fall_from_high", (_N,), _from_window("max")),
    Function("거래대금평균대비비율", "value_ratio", (_N, _PRE), _to_mean("value")),
    Function("체결강도평균대비비율", "trade_strength_ratio", (_N, _PRE), _to_mean("trade_strength")),
    Function("구간호가총잔량비율", "bid_share", (_N, _PRE), _bid_share),
    Function("매수수량변동성", "buy_volume_ratio", (_N, _PRE), _volume_ratio("buy_volume")),
    Function("매도수량변동성", "sell_volume_ratio", (_N, _PRE), _volume_ratio("sell_volume")),
    Function("고가미갱신지속틱수", "rows_since_high", (), lambda m, a: m.series("seen_high_age")),
    Function("저가미갱신지속틱수", "rows_since_low", (), lambda m, a: m.series("seen_low_age")),
    Function("고점기준등락율각도", "angle_from_high", (("cf", None),), _angle("seen_high")),
    Function("저점기준등락율각도", "angle_from_low", (("cf", None),), _angle("seen_low")),
)


# --- tests ---------------------------------------------------------------------------------------------


def _is_sideways(m: Maker, a: Arguments) -> Expr:
    return m.every(m.has(a["n"], a.get("pre")), m.test(m.volatility(a["n"], a.get("pre")), "<=", a["per"]))


def _sma_support(m: Maker, a: Arguments) -> Expr:
    newer, older = (m.series("near_average", ago, a["n1"], a["per"]) for ago in (m.number(0.0), a["n2"]))
    return m.every(m.has(m.less(m.add(a["n1"], a["n2"]), m.number(1.0))), m.test(m.less(newer, older), ">=", a["cnt"]))


def _open_support(m: Maker, a: Arguments) -> Expr:
    newer, older = (m.series("near_open", ago, a["per"]) for ago in (m.number(0.0), a["n"]))
    return m.every(m.has(a["n"]), m.test(m.less(newer, older), ">=", a["cnt"]))


def _spread_gap(m: Maker, a: Arguments) -> Expr:
    ask, bid = m.column("ask1", a["pre"]), m.column("bid1", a["pre"])
    ticks = m.over(m.less(ask, bid), Derived(key="tick_size", ago=a["pre"], **m.where))
    return m.every(m.positive(ask), m.positive(bid), m.test(ticks, ">=", a["gap"]))


def _volatility_against(operator: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        before = m.volatility(a["n"], a["n"])
        return m.every(m.positive(before), m.test(m.over(m.volatility(a["n"]), before), operator, a["ratio"]))

    return build


def _price_against(operation: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        moved = _from_window(operation)(m, a)
        test = m.test(moved, ">=", a["per"]) if operation == "min" else m.test(moved, "<=", m.minus(a["per"]))
        return m.every(m.has(a["n"]), test)

    return build


def _mean_against(name: str, operator: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        mean = m.window("mean", name, a["n"])
        return m.every(m.positive(mean), m.test(m.over(m.column(name), mean), operator, a["ratio"]))

    return build


def _book_against(operator: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        bids, both = _book_sides(m, a)
        return m.every(m.positive(both), m.test(m.over(bids, both), operator, a["ratio"]))

    return build


def _volume_against(name: str, operator: str) -> Build:
    def build(m: Maker, a: Arguments) -> Expr:
        before = m.window("sum", name, a["n"], a["n"])
        return m.every(m.positive(before), m.test(m.over(m.window("sum", name, a["n"]), before), operator, a["ratio"]))

    return build


def _through(line: Callable[[Maker, Arguments], Expr], up: bool) -> Build:
    """Return the test that the window came from the other side of a line and the price is past it by a share."""

    def build(m: Maker, a: Arguments) -> Expr:
        level = line(m, a)
        came = m.window("min" if up else "max", "last_price", a["n"])
        past = m.test(m.price, ">=" if up else "<=", m.above(level, a["per"], 1.0 if up else -1.0))
        return m.every(m.has(a["n"]), m.test(came, "<" if up else ">", level), past)

    return build


def _sma(m: Maker, a: Arguments) -> Expr:
    return m.average(a["n"])


def _day_open(m: Maker, a: Arguments) -> Expr:
    return m.column("day_open")


def _new_extreme(operation: str) -> Build:
    """Return the test that the price is beyond the `n` rows before it."""

    def build(m: Maker, a: Arguments) -> Expr:
        before = m.window(operation, "last_price", a["n"], m.number(1.0))
        return m.every(m.positive(before), m.test(m.price, ">" if operation == "max" else "<", before))

    return build


def _renewed(extreme: str) -> Build:
    """Return the test that the day's extreme was renewed within the last `n` rows."""

    def build(m: Maker, a: Arguments) -> Expr:
        return m.every(m.has(a["n"]), m.test(m.series(f"{extreme}_age"), "<", a["n"]))

    return build


def _sideways_near_open(m: Maker, a: Arguments) -> Expr:
    return m.every(_is_sideways(m, a), _open_support(m, a))


def _test(ko: str, en: str, arguments: tuple[tuple[str, float | None], ...], build: Build) -> Function:
    return Function(ko, en, arguments, build, Kind.BOOL)


def _ratio(default: float) -> tuple[tuple[str, float | None], ...]:
    return (_N, ("ratio", default))


_PER: tuple[tuple[str, float | None], ...] = (_N, ("per", 1.0))
_NEAR: tuple[tuple[str, float | None], ...] = (("per", 0.5), ("cnt", 10.0))
TESTS = (
    _test("이평지지", "sma_support", (("n1", None), ("n2", 30.0), *_NEAR), _sma_support),
    _test("시가지지", "open_support", (_N, *_NEAR), _open_support),
    _test("횡보감지", "is_sideways", (_N, ("per", 0.5), _PRE), _is_sideways),
    _test("호가갭발생", "spread_gap", (("gap", None), _PRE), _spread_gap),
    _test("연속상승", "rising_run", (_N,), lambda m, a: m.every(m.positive(a["n"]), m.test(m.series("rising_rows"), ">=", a["n"]))),
    _test("연속하락", "falling_run", (_N,), lambda m, a: m.every(m.positive(a["n"]), m.test(m.series("falling_rows"), ">=", a["n"]))),
    _test("변동성급증", "volatility_surge", _ratio(2.0), _volatility_against(">=")),
    _test("변동성급감", "volatility_drop", _ratio(0.5), _volatility_against("<=")),
    _test("가격급등", "price_surge", _PER, _price_against("min")),
    _test("가격급락", "price_plunge", _PER, _price_against("max")),
    _test("거래대금급증", "value_surge", _ratio(3.0), _mean_against("value", ">=")),
    _test("거래대금급감", "value_drop", _ratio(0.5), _mean_against("value", "<=")),
    _test("체결강도급등", "trade_strength_surge", _ratio(1.1), _mean_against("trade_strength", ">=")),
    _test("체결강도급락", "trade_strength_plunge", _ratio(0.9), _mean_against("trade_strength", "<=")),
    _test("호가상승압력", "bid_pressure", _ratio(0.7), _book_against(">=")),
    _test("호가하락압력", "ask_pressure", _ratio(0.3), _book_against("<=")),
    _test("매수수량급증", "buy_volume_surge", _ratio(3.0), _volume_against("buy_volume", ">=")),
    _test("매수수량급감", "buy_volume_drop", _ratio(0.5), _volume_against("buy_volume", "<=")),
    _test("매도수량급증", "sell_volume_surge", _ratio(3.0), _volume_against("sell_volume", ">=")),
    _test("매도수량급감", "sell_volume_drop", _ratio(0.5), _volume_against("sell_volume", "<=")),
    _test("이평돌파", "sma_breakout", _PER, _through(_sma, True)),
    _test("이평이탈", "sma_breakdown", _PER, _through(_sma, False)),
    _test("시가돌파", "open_breakout", _PER, _through(_day_open, True)),
    _test("시가이탈", "open_breakdown", _PER, _through(_day_open, False)),
)
PARTS = (
    _test("횡보", "sideways", (_N, ("per", 0.5)), _is_sideways),
    _test("시가근접황보", "sideways_near_open", (_N, *_NEAR), _sideways_near_open),
    _test("구간최고가갱신", "new_high", (_N,), _new_extreme("max")),
    _test("구간최저가갱신", "new_low", (_N,), _new_extreme("min")),
    _test("고가갱신", "new_high", (_N,), _renewed("seen_high")),
    _test("저가갱신", "new_low", (_N,), _renewed("seen_low")),
)
"""What stands in composites and is no function by itself."""

_COMPOSITES = """
이평지지 후 이평돌파, 이평지지 후 이평이탈, 횡보 후 가격급등, 횡보 후 가격급락, 횡보 후 연속상승, 횡보 후 연속하락,
연속상승 및 가격급등, 연속하락 및 가격급락, 거래대금급증 및 연속상승, 거래대금급감 및 연속하락,
호가상승압력 및 매수수량급증, 호가하락압력 및 매도수량급증, 매수수량급증 및 가격급등, 매도수량급증 후 가격급락,
변동성급증 및 구간최고가갱신, 변동성급감 및 구간최저가갱신, 거래대금급증 및 구간최고가갱신, 거래대금급감 후 구간최저가갱신,
거래대금급증 및 가격급등, 거래대금급감 및 가격급락, 체결강도급등 및 호가상승압력, 체결강도급락 및 호가하락압력,
시가근접황보 후 시가돌파, 시가근접황보 후 시가이탈, 저가갱신 후 가격급등, 고가갱신 후 가격급락
"""


def _composite(text: str) -> Function:
    """Return the and of two tests: the first argument of both is one window, the others follow, a name that is taken gets a 2."""
    first, word, second = text.split()
    parts = {one.ko: one for one in (*TESTS, *PARTS)}
    a, b = parts[first], parts[second]
    own = [(name, default) for name, default in a.arguments[1:] if name != "pre"]
    renamed = {name: name + "2" if name in dict(own) else name for name, _ in b.arguments[1:]}
    more = [(renamed[name], default) for name, default in b.arguments[1:]]

    def build(m: Maker, given: Arguments) -> Expr:
        of_a = {a.arguments[0][0]: given["n"], **{name: given[name] for name, _ in own}}
        of_b = {b.arguments[0][0]: given["n"], **{name: given[renamed[name]] for name, _ in b.arguments[1:]}}
        return m.every(a.build(m, of_a), b.build(m, of_b))

    joint = "_then_" if word == "후" else "_and_"
    return _test(first + word + second, a.en + joint + b.en, (_N, *own, *more), build)


COMPOSITES = tuple(_composite(one.strip()) for one in _COMPOSITES.replace("\n", " ").split(",") if one.strip())


# --- exits ---------------------------------------------------------------------------------------------


def _sideways_too_long(m: Maker, a: Arguments) -> Expr:
    return m.every(_is_sideways(m, a), m.test(m.position("holding_seconds"), ">=", a["sec"]))


def _surge_reversal(m: Maker, a: Arguments) -> Expr:
    return m.every(_volatility_against(">=")(m, a), m.test(_from_window("max")(m, a), "<=", m.minus(a["rev"])))


def _long_hold_profit(m: Maker, a: Arguments) -> Expr:
    swing = m.times(m.volatility(a["n"]), a["k"])

    def larger(x: Expr, y: Expr) -> Expr:
        return Call(name="max", args=(x, y), **m.where)

    earned = m.test(m.position("return_pct"), ">", larger(a["minper"], swing))
    held = m.test(m.position("holding_seconds"), ">", larger(a["sec"], m.times(swing, a["sec"])))
    return m.every(m.has(a["n"]), earned, held)


def _value_ratio_exit(m: Maker, a: Arguments) -> Expr:
    mean = m.window("mean", "value", a["n"])
    ratio = m.over(m.column("value"), mean)
    won, lost = m.every(m.winning, m.test(ratio, "<=", a["r1"])), m.every(m.losing, m.test(ratio, ">=", a["r2"]))
    return m.every(m.positive(mean), m.either(won, lost))


def _book_pressure_exit(m: Maker, a: Arguments) -> Expr:
    bids, both = _book_sides(m, a)
    share = m.over(bids, both)
    won, lost = m.every(m.winning, m.test(share, "<=", a["down"])), m.every(m.losing, m.test(share, ">=", a["up"]))
    return m.every(m.positive(both), m.either(won, lost))


def _sma_exit(m: Maker, a: Arguments) -> Expr:
    def below(n: Expr, per: Expr) -> Expr:
        return m.every(m.has(n), m.test(m.price, "<=", m.above(m.average(n), per, -1.0)))

    return m.either(m.every(m.winning, below(a["short"], a["d1"])), m.every(m.losing, below(a["long"], a["d2"])))


def _volatility_exit(m: Maker, a: Arguments) -> Expr:
    swing, earned = m.volatility(a["n"]), m.position("return_pct")
    won = m.every(m.winning, m.test(earned, ">=", m.times(swing, a["r1"])))
    lost = m.every(m.losing, m.test(earned, "<=", m.times(m.minus(swing), a["r2"])))
    return m.every(m.has(a["n"]), m.either(won, lost))


def _volatility_surge_exit(m: Maker, a: Arguments) -> Expr:
    before = m.volatility(a["n"], a["n"])
    surged = m.test(m.volatility(a["n"]), ">", m.times(before, a["m"]))
    return m.every(m.positive(before), surged, _volatility_exit(m, a))


def _exit(ko: str, en: str, arguments: tuple[tuple[str, float | None], ...], build: Build) -> Function:
    return Function(ko, en, arguments, build, Kind.BOOL, "sell")


_SWING: tuple[tuple[str, float | None], ...] = (("r1", 3.0), ("r2", 1.5))
EXITS = (
    _exit("횡보상태장기보유", "sideways_too_long", (_N, ("per", 0.5), ("sec", 600.0)), _sideways_too_long),
    _exit("변동성급증_역추세매도", "volatility_surge_reversal_exit", (_N, ("ratio", 3.0), ("rev", 2.0)), _surge_reversal),
    _exit("장기보유종목_동적익절청산", "long_hold_profit_exit", (_N, ("sec", 600.0), ("minper", 0.3), ("k", 1.0)), _long_hold_profit),
    _exit("거래대금비율기반_동적청산", "value_ratio_exit", (_N, ("r1", 0.3), ("r2", 3.0)), _value_ratio_exit),
    _exit("호가압력기반_동적청산", "book_pressure_exit", (_N, ("up", 0.8), ("down", 0.2)), _book_pressure_exit),
    _exit("이평기반_동적청산", "sma_exit", (("short", None), ("long", 60.0), ("d1", 0.5), ("d2", 1.0)), _sma_exit),
    _exit("변동성기반_동적청산", "volatility_exit", (_N, *_SWING), _volatility_exit),
    _exit("변동성급증기반_동적청산", "volatility_surge_exit", (_N, ("m", 2.0), *_SWING), _volatility_surge_exit),
)

FUNCTIONS = (*MEASURES, *TESTS, *COMPOSITES, *EXITS)


@cache
def function(en: str) -> Function:
    """Return a V3 function by its English name."""
    return {one.en: one for one in FUNCTIONS}[en]
