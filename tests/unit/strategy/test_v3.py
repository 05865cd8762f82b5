"""The V3 functions against windows that are searched in plain Python, written from strategy-language 14.2."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.errors import StrategyError
from domain.instruments import Market
from domain.records import POSITION_INDEX
from stock.markets import KRX
from strategy.catalogue import completions
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.program import build
from strategy.v3 import COMPOSITES, EXITS, FUNCTIONS
from strategy.v3_maker import Function
from tests.unit.strategy.steps import Both, held_since

ROWS, LO = 90, 30
MARKETS = [(UPBIT, 1), (UPBIT, 60), (KRX, 1)]


def made(market: Market, interval_s: int) -> dict[str, np.ndarray]:
    """Rows that jump and rest, so that every function is sometimes true."""
    rng = np.random.default_rng(5)
    tag = "1s" if interval_s == 1 else "1m"
    steps = np.where(rng.random(ROWS) < 0.4, 0, rng.integers(-3, 4, ROWS) * np.where(rng.random(ROWS) < 0.15, 8, 1))
    price = 10_000.0 + 10.0 * np.cumsum(steps)
    price[40:52] = price[40]
    height = rng.integers(0, 5, (2, ROWS)) * 10.0
    return {
        "last_price": price,
        "day_open": np.where(np.arange(ROWS) < LO, price[0], price[LO]),
        "bar_high": price + height[0],
        "bar_low": price - height[1],
        "trade_strength": np.round(rng.uniform(60, 160, ROWS), 2),
        f"value_{tag}": np.where(rng.random(ROWS) < 0.2, 9.0, 1.0) * rng.integers(1, 50, ROWS),
        f"buy_volume_{tag}": np.where(rng.random(ROWS) < 0.2, 9.0, 1.0) * rng.integers(0, 20, ROWS),
        f"sell_volume_{tag}": np.where(rng.random(ROWS) < 0.2, 9.0, 1.0) * rng.integers(0, 20, ROWS),
        "ask_total_size": rng.integers(1, 90, ROWS).astype(float),
        "bid_total_size": rng.integers(1, 90, ROWS).astype(float),
        "ask1": price + rng.integers(1, 6, ROWS) * 10.0,
        "bid1": price,
        "row_time": 20260105090000.0 + np.arange(ROWS) if interval_s == 1 else 202601050900.0 + np.arange(ROWS) % 60,
    }


class Plain:
    """One row of a day; `v` are the day's columns up to it."""

    def __init__(self, columns: dict[str, np.ndarray], interval_s: int, i: int, market: Market, position: np.ndarray) -> None:
        self.day = {key.replace("_1s", "").replace("_1m", ""): column[LO : i + 1].tolist() for key, column in columns.items()}
        self.count = i + 1 - LO
        self.interval_s = interval_s
        self.position = position
        self.market = market
        self.tick = 10.0 if market.kind == "stock" else 5.0

    def __getitem__(self, key: str) -> float:
        return float(self.day[key][-1])

    def back(self, pre: int) -> int:
        """Rows ago; the entry row for −1."""
        held = self.position[POSITION_INDEX["position_qty"]] != 0
        if pre == -1:
            return self.count - 1 - int(self.position[POSITION_INDEX["entry_row"]]) if held else 10**6
        return pre if pre >= 0 else 10**6

    def window(self, key: str, n: int, pre: int = 0) -> list[float]:
        end = self.count - self.back(pre)
        return self.day[key][end - n : end] if n >= 1 and end - n >= 0 and end <= self.count else []

    def at(self, key: str, pre: int) -> float:
        return (self.window(key, 1, pre) or [0.0])[-1]

    def mean(self, key: str, n: int, pre: int = 0) -> float:
        rows = self.window(key, n, pre)
        return sum(rows) / n if rows else 0.0

    def vol(self, n: int, pre: int = 0) -> float:
        if self.interval_s == 1:
            rows = self.window("last_price", n, pre)
        else:
            rows = [h - low for h, low in zip(self.window("bar_high", n, pre), self.window("bar_low", n, pre), strict=True)]
        return float(np.std(rows) / np.mean(rows) * 100) if rows and np.mean(rows) else 0.0

    @property
    def earned(self) -> float:
        return float(self.position[POSITION_INDEX["return_pct"]])

    @property
    def held(self) -> float:
        return float(self.position[POSITION_INDEX["holding_seconds"]])


def ratio(x: float, y: float) -> float:
    return x / y if y else 0.0


def volumes(key: str) -> Callable[..., float]:
    return lambda p, n, pre=0: ratio(sum(p.window(key, n, pre)), sum(p.window(key, n, p.back(pre) + n)) if p.window(key, n, pre) else 0.0)


def rise(p: Plain, n: int) -> float:
    rows = p.window("last_price", n)
    return (p["last_price"] / min(rows) - 1) * 100 if rows else 0.0


def fall(p: Plain, n: int) -> float:
    rows = p.window("last_price", n)
    return (p["last_price"] / max(rows) - 1) * 100 if rows else 0.0


def share(p: Plain, n: int, pre: int = 0) -> float:
    bid, ask = sum(p.window("bid_total_size", n, pre)), sum(p.window("ask_total_size", n, pre))
    return ratio(bid, bid + ask)


def ages(p: Plain, best: Callable[[list[float]], float]) -> tuple[float, int]:
    prices = p.day["last_price"]
    return best(prices), p.count - 1 - prices.index(best(prices))


def angle(p: Plain, best: Callable[[list[float]], float], cf: float) -> float:
    extreme, age = ages(p, best)
    return round(math.degrees(math.atan2((p["last_price"] / extreme - 1) * 100 * cf, age)), 2)


def support(p: Plain, n1: int, n2: int = 30, per: float = 0.5, cnt: float = 10) -> bool:
    if p.count < n1 + n2 - 1:
        return False
    prices = p.day["last_price"]
    near = 0
    for end in range(p.count - n2, p.count):
        average = sum(prices[end - n1 + 1 : end + 1]) / n1
        near += abs(prices[end] - average) <= average * per / 100
    return near >= cnt


def open_support(p: Plain, n: int, per: float = 0.5, cnt: float = 10) -> bool:
    rows = p.window("last_price", n)
    return bool(rows) and sum(abs(one - p["day_open"]) <= p["day_open"] * per / 100 for one in rows) >= cnt


def sideways(p: Plain, n: int, per: float = 0.5, pre: int = 0) -> bool:
    return bool(p.window("last_price", n, pre)) and p.vol(n, pre) <= per


def run(p: Plain, n: int, sign: int) -> bool:
    rows = p.window("last_price", n + 1)
    return bool(rows) and all((b - a) * sign >= 0 for a, b in zip(rows[:-1], rows[1:], strict=True))


def surge(p: Plain, n: int, at_least: float) -> bool:
    return p.vol(n, n) > 0 and p.vol(n) / p.vol(n, n) >= at_least


def line(p: Plain, n: int, per: float, level: float, up: bool) -> bool:
    rows = p.window("last_price", n)
    if not rows:
        return False
    return (
        min(rows) < level and p["last_price"] >= level * (1 + per / 100)
        if up
        else max(rows) > level and p["last_price"] <= level * (1 - per / 100)
    )


def volume_test(key: str, default: float, more: bool) -> Callable[..., bool]:
    def test(p: Plain, n: int, r: float = default) -> bool:
        value = volumes(key)(p, n)
        return bool(sum(p.window(key, n, n))) and (value >= r if more else value <= r)

    return test


def mean_test(key: str, default: float, more: bool) -> Callable[..., bool]:
    def test(p: Plain, n: int, r: float = default) -> bool:
        mean = p.mean(key, n)
        return mean > 0 and (p[key] / mean >= r if more else p[key] / mean <= r)

    return test


def swing_exit(p: Plain, n: int, r1: float = 3, r2: float = 1.5) -> bool:
    known = bool(p.window("last_price", n))
    return known and ((p.earned > 0 and p.earned >= p.vol(n) * r1) or (p.earned < 0 and p.earned <= -p.vol(n) * r2))


def below(p: Plain, n: int, per: float) -> bool:
    return bool(p.window("last_price", n)) and p["last_price"] <= p.mean("last_price", n) * (1 - per / 100)


REFERENCE: dict[str, Callable[..., float]] = {
    "변동성": Plain.vol,
    "구간저가대비현재가등락율": rise,
    "구간고가대비현재가등락율": fall,
    "거래대금평균대비비율": lambda p, n, pre=0: ratio(p.at("value", pre), p.mean("value", n, pre)),
    "체결강도평균대비비율": lambda p, n, pre=0: ratio(p.at("trade_strength", pre), p.mean("trade_strength", n, pre)),
    "구간호가총잔량비율": share,
    "매수수량변동성": volumes("buy_volume"),
    "매도수량변동성": volumes("sell_volume"),
    "고가미갱신지속틱수": lambda p: ages(p, max)[1],
    "저가미갱신지속틱수": lambda p: ages(p, min)[1],
    "고점기준등락율각도": lambda p, cf: angle(p, max, cf),
    "저점기준등락율각도": lambda p, cf: angle(p, min, cf),
    "이평지지": support,
    "시가지지": open_support,
    "횡보감지": sideways,
    "호가갭발생": lambda p, gap, pre=0: bool(p.window("ask1", 1, pre)) and (p.at("ask1", pre) - p.at("bid1", pre)) / p.tick >= gap,
    "연속상승": lambda p, n: n > 0 and run(p, n, 1),
    "연속하락": lambda p, n: n > 0 and run(p, n, -1),
    "변동성급증": lambda p, n, r=2.0: surge(p, n, r),
    "변동성급감": lambda p, n, r=0.5: p.vol(n, n) > 0 and p.vol(n) / p.vol(n, n) <= r,
    "가격급등": lambda p, n, per=1.0: bool(p.window("last_price", n)) and rise(p, n) >= per,
    "가격급락": lambda p, n, per=1.0: bool(p.window("last_price", n)) and fall(p, n) <= -per,
    "거래대금급증": mean_test("value", 3, True),
    "거래대금급감": mean_test("value", 0.5, False),
    "체결강도급등": mean_test("trade_strength", 1.1, True),
    "체결강도급락": mean_test("trade_strength", 0.9, False),
    "호가상승압력": lambda p, n, r=0.7: bool(p.window("ask1", n)) and share(p, n) >= r,
    "호가하락압력": lambda p, n, r=0.3: bool(p.window("ask1", n)) and share(p, n) <= r,
    "매수수량급증": volume_test("buy_volume", 3, True),
    "매수수량급감": volume_test("buy_volume", 0.5, False),
    "매도수량급증": volume_test("sell_volume", 3, True),
    "매도수량급감": volume_test("sell_volume", 0.5, False),
    "이평돌파": lambda p, n, per=1.0: line(p, n, per, p.mean("last_price", n), True),
    "이평이탈": lambda p, n, per=1.0: line(p, n, per, p.mean("last_price", n), False),
    "시가돌파": lambda p, n, per=1.0: line(p, n, per, p["day_open"], True),
    "시가이탈": lambda p, n, per=1.0: line(p, n, per, p["day_open"], False),
    "횡보": sideways,
    "시가근접황보": lambda p, n, per=0.5, cnt=10: sideways(p, n, per) and open_support(p, n, per, cnt),
    "구간최고가갱신": lambda p, n: bool(p.window("last_price", n, 1)) and p["last_price"] > max(p.window("last_price", n, 1)),
    "구간최저가갱신": lambda p, n: bool(p.window("last_price", n, 1)) and p["last_price"] < min(p.window("last_price", n, 1)),
    "고가갱신": lambda p, n: p.count >= n > ages(p, max)[1],
    "저가갱신": lambda p, n: p.count >= n > ages(p, min)[1],
    "횡보상태장기보유": lambda p, n, per=0.5, sec=600: sideways(p, n, per) and p.held >= sec,
    "변동성급증_역추세매도": lambda p, n, r=3, rev=2: surge(p, n, r) and fall(p, n) <= -rev,
    "장기보유종목_동적익절청산": lambda p, n, sec=600, least=0.3, k=1: (
        bool(p.window("last_price", n)) and p.earned > max(least, p.vol(n) * k) and p.held > max(sec, p.vol(n) * sec * k)
    ),
    "거래대금비율기반_동적청산": lambda p, n, r1=0.3, r2=3: (
        p.mean("value", n) > 0
        and ((p.earned > 0 and p["value"] / p.mean("value", n) <= r1) or (p.earned < 0 and p["value"] / p.mean("value", n) >= r2))
    ),
    "호가압력기반_동적청산": lambda p, n, up=0.8, down=0.2: (
        bool(p.window("ask1", n)) and ((p.earned > 0 and share(p, n) <= down) or (p.earned < 0 and share(p, n) >= up))
    ),
    "이평기반_동적청산": lambda p, short, long=60, d1=0.5, d2=1: (
        (p.earned > 0 and below(p, short, d1)) or (p.earned < 0 and below(p, long, d2))
    ),
    "변동성기반_동적청산": swing_exit,
    "변동성급증기반_동적청산": lambda p, n, m=2, r1=3, r2=1.5: p.vol(n, n) > 0 and p.vol(n) > p.vol(n, n) * m and swing_exit(p, n, r1, r2),
}


def composite(ko: str) -> tuple[str, str]:
    """The two parts of a composite, found by their names."""
    for first in REFERENCE:
        for word in ("후", "및"):
            if ko.startswith(first + word) and ko[len(first + word) :] in REFERENCE:
                return first, ko[len(first + word) :]
    raise KeyError(ko)


def calls(ko: str) -> list[tuple[object, ...]]:
    """Arguments to try; looser than the defaults where made data would never reach those."""
    if ko in ("고가미갱신지속틱수", "저가미갱신지속틱수"):
        return [()]
    if ko in ("고점기준등락율각도", "저점기준등락율각도"):
        return [(10,), (-2.5,)]
    if ko == "호가갭발생":
        return [(3,), (2, 4), (1, -1)]
    if ko == "이평지지":
        return [(5, 6, 0.5, 3), (1, 1, 0.0, 1), (40, 30)]
    if ko == "이평기반_동적청산":
        return [(5, 20, 0.1, 0.2), (3,)]
    if ko in ("변동성", "거래대금평균대비비율", "체결강도평균대비비율", "구간호가총잔량비율", "매수수량변동성", "매도수량변동성"):
        return [(1,), (5,), (5, 3), (5, -1), (17, -1), (60,), (61,), (0,), (4, -2)]
    return [(1,), (5,), (12,), (0,), (61,), (5, 0.3 if "급감" not in ko and "급락" not in ko else 0.9)]


def position(i: int, earned: float) -> np.ndarray:
    held = held_since(7)
    held[POSITION_INDEX["return_pct"]] = earned
    held[POSITION_INDEX["holding_seconds"]] = 700.0
    return held if i >= LO + 7 else np.zeros_like(held)


CASES = [(one, given) for one in FUNCTIONS if one not in COMPOSITES for given in calls(one.ko) if len(given) <= len(one.arguments)]


def written(cases: list[tuple[Function, tuple[object, ...]]]) -> str:
    """Return a text of calls, Korean and English in turn."""

    def word(value: object) -> str:
        return "데이터길이 * 0 - 2" if value == -2 else str(value)  # a literal is refused: test_rows_ahead.py

    return "\n".join(f"self.a{j} = {(one.ko, one.en)[j % 2]}({', '.join(map(word, given))})" for j, (one, given) in enumerate(cases))


@pytest.mark.parametrize(("market", "interval_s"), MARKETS, ids=["upbit-1s", "upbit-1m", "krx-1s"])
def test_every_function_is_what_its_words_say(market: Market, interval_s: int) -> None:
    columns = made(market, interval_s)
    true: set[str] = set()
    for k in range(0, len(CASES), 60):  # some texts: one would be past the compiler's limit
        program = build("", written(CASES[k : k + 60]), market, interval_s)
        inputs = tuple(columns[key] for key in program.columns)
        interpreter, features = Interpreter(program), PlainFeatures(program, program.windows([]))
        features.fill(inputs, 0, 0, LO)
        features.fill(inputs, LO, LO, ROWS)
        for i in (LO, LO + 4, LO + 5, LO + 11, LO + 17, LO + 24, *range(LO + 34, ROWS, 5), ROWS - 1):
            held, state = position(i, 1.2 if i % 2 else -1.2), program.day_state("A")
            interpreter.sell(inputs, features.sums, features.extremes, i, LO, [], held, state)
            row = Plain(columns, interval_s, i, market, held)
            row.tick = 10.0 if market.kind == "stock" else market.step_at(row["last_price"], dt.date(2026, 1, 5))
            for j, (one, given) in enumerate(CASES[k : k + 60]):
                ours = float(state[program.attribute_slot(f"a{j}")])
                assert ours == pytest.approx(float(REFERENCE[one.ko](row, *given)), rel=1e-9, abs=1e-9), (one.ko, given, i)
                if ours:
                    true.add(one.ko)
    silent = {one.ko for one, _ in CASES} - true
    assert len(silent) <= 4, silent


@pytest.mark.parametrize("interval_s", [1, 60])
def test_compiled_is_interpreted(interval_s: int, tmp_path: Path) -> None:
    cases = list({one.ko: (one, given) for one, given in CASES if given[:1] in ((), (5,), (10,), (3,))}.values())
    both = Both(tmp_path, UPBIT, interval_s, "", written(cases))
    both.feed(made(UPBIT, interval_s), [], (0, LO))
    for i in range(LO, ROWS, 4):
        both.run("sell", i, LO, position(i, 1.2 if i % 8 else -1.2))  # insists on one answer


def test_composites_are_both_of_their_parts(tmp_path: Path) -> None:
    columns = made(UPBIT, 1)
    lines = []
    for k, one in enumerate(COMPOSITES):
        loose = [0.3 if name.startswith(("ratio", "per")) else 2 for name, _ in one.arguments[1:]]
        lines.append(f"self.a{k} = {one.ko}(4, {', '.join(map(str, loose))})" if loose else f"self.a{k} = {one.en}(4)")
    both = Both(tmp_path, UPBIT, 1, "\n".join(lines))
    both.feed(columns, [], (0, LO))
    true = 0
    for i in range(LO, ROWS, 3):
        _, state, _ = both.run("buy", i, LO)
        row = Plain(columns, 1, i, UPBIT, np.zeros(17))
        for k, one in enumerate(COMPOSITES):
            first, second = composite(one.ko)
            own = {name: 0.3 if name.startswith(("ratio", "per")) else 2 for name, _ in one.arguments[1:]}
            counts = {"이평지지": 3, "시가근접황보": 2, "구간최고가갱신": 0, "고가갱신": 0, "저가갱신": 0, "연속상승": 0, "연속하락": 0}
            counts |= {"구간최저가갱신": 0}
            cut = counts.get(first, 1)
            given = list(own.values())
            wanted = bool(REFERENCE[first](row, 4, *given[:cut])) and bool(REFERENCE[second](row, 4, *given[cut:]))
            assert both.attribute(state, f"a{k}") == float(wanted), (one.ko, i)
            true += wanted
    assert true > 30


def test_a_deviation_is_good_after_a_long_drift_and_zero_when_still(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    price = np.concatenate([np.linspace(1e8, 1.3e8, 4000).round(-3), 1.3e8 + rng.integers(-1, 2, 60) * 1000.0, np.full(40, 1.3e8)])
    both = Both(tmp_path, UPBIT, 1, "self.a = 변동성(30)\nself.b = 변동성(데이터길이 - 4000)")
    both.feed({"last_price": price}, [])
    _, state, _ = both.run("buy", 4050)
    for name, window in (("a", price[4021:4051]), ("b", price[4000:4051])):
        assert both.attribute(state, name) == pytest.approx(np.std(window) / np.mean(window) * 100, rel=1e-12)
    assert both.attribute(both.run("buy", 4099)[1], "a") == 0.0


def test_names_places_and_words() -> None:
    assert build("매수 = 가격급등(30, per=2)", "", UPBIT, 1).digest == build("buy = price_surge(30, 2)", "", UPBIT, 1).digest
    with pytest.raises(StrategyError, match="strategy.wrong_side"):
        build("매수 = 변동성기반_동적청산(30)", "", UPBIT, 1)
    with pytest.raises(StrategyError, match="strategy.fixed_argument"):
        build("매수 = 이평지지(데이터길이)", "", UPBIT, 1)
    build("매수 = 이평지지(self.vars[0], 데이터길이 - 1)", "", UPBIT, 1)
    with pytest.raises(StrategyError, match="strategy.arity"):
        build("매수 = 호가갭발생()", "", UPBIT, 1)
    build("x = 변동성(30, 1, calc=True)", "", UPBIT, 1)
    offered = {one.name: one.insert for one in completions("sell", KRX, 60)}
    assert offered["이평지지"] == "이평지지(60, 30, 0.5, 10)"
    for one in FUNCTIONS:
        for name in (one.ko, one.en):
            assert offered[name].startswith(name + "(")
    assert {one.ko for one in EXITS}.isdisjoint({one.name for one in completions("buy", KRX, 60)})
