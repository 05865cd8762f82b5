"""What minute rows learn from earlier days, against loops written from decision 45; no later row or day counts."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import talib

from coin.markets import UPBIT
from domain.errors import InputError
from domain.formulas import Formula
from stock.markets import KRX
from strategy.formula import parse_formula
from strategy.language import StrategyErrors, parse
from strategy.learned import NAMES, learned_key, place_of, refuse_learned, settings, settings_hash
from strategy.learning import Day, add, empty, replay, scores, train
from strategy.program import build

S = {
    **settings(UPBIT),
    **{f"{name}_samples": 3.0 for name in NAMES},
    **{f"{name}_period": 4.0 for name in NAMES},
    "volume_spike_mean": 5.0, "volume_spike_ratio": 1.5, "volatility_atr": 3.0, "volatility_step": 0.1, "price_level_nodes": 6.0,
    "price_level_width": 0.5, "price_level_tolerance": 0.3,
}  # fmt: skip


def made(seed: int, rows: int = 60) -> Day:
    rng = np.random.default_rng(seed)
    close = np.round(1_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, rows))))
    begin = np.round(np.concatenate(([1_000.0], close[:-1])) + rng.integers(-2, 3, rows))
    high = np.maximum(begin, close) + rng.integers(0, 4, rows)
    low = np.minimum(begin, close) - rng.integers(0, 4, rows)
    return Day(begin, high, low, close, np.round(np.exp(rng.normal(8.0, 0.9, rows))))


DAYS = [made(seed, 60 + seed) for seed in range(6)]
NOW = made(99)


def rise_and_fall(day: Day, i: int, name: str) -> tuple[float, float] | None:
    rows = range(i + 1, i + 1 + int(S[f"{name}_period"]))
    if rows[-1] >= len(day.close):
        return None
    price = float(day.close[i])
    return (max(float(day.high[k]) for k in rows) / price - 1) * 100, (min(float(day.low[k]) for k in rows) / price - 1) * 100


def outcome(day: Day, i: int, name: str) -> float | None:
    both = rise_and_fall(day, i, name)
    if both is None:
        return None
    move = both[0] if both[0] >= -both[1] else both[1]
    return max(-100.0, min(100.0, move / S[f"{name}_threshold"] * 100))


def mean(found: list[float], least: float) -> tuple[float, float]:
    return (sum(found) / len(found), min(1.0, len(found) / 100)) if len(found) >= least else (0.0, 0.0)


def plain_kinds(name: str, day: Day, i: int) -> int | None:
    if name == "volume_spike":
        before = [float(one) for one in day.value[max(i - 5, 0) : i]]
        if len(before) < 5 or day.value[i] / (sum(before) / 5) < 1.5:
            return None
        return min(math.floor(2 * float(day.value[i]) / (sum(before) / 5) + 0.5), 40)
    if i < 3:
        return None
    ranges = [
        max(day.high[k], day.close[k - 1]) - min(day.low[k], day.close[k - 1]) for k in range(i - 2, i + 1)
    ]  # fmt: skip
    return min(math.floor(sum(ranges) / 3 / day.close[i] * 100 / 0.1), 100)


@pytest.mark.parametrize("name", ["volume_spike", "volatility"])
def test_kinds_of_rows_against_loops(name: str) -> None:
    past: dict[int | None, list[float]] = {}
    for day in DAYS:
        for i in range(len(day.close)):
            got = outcome(day, i, name)
            if got is not None:
                past.setdefault(plain_kinds(name, day, i), []).append(got)
    past.pop(None)
    want = [mean(past.get(plain_kinds(name, NOW, i), []), 3) for i in range(60)]
    score, sure = scores(name, train(name, DAYS, S), NOW, S)
    np.testing.assert_allclose(np.array([score, sure]).T, want, atol=1e-9)
    assert len(set(score.tolist())) > 3


def test_patterns_against_loops() -> None:
    def shown(day: Day) -> list[set[tuple[str, bool]]]:
        out: list[set[tuple[str, bool]]] = [set() for _ in day.close]
        for name in talib.get_function_groups()["Pattern Recognition"]:
            for i, value in enumerate(getattr(talib, name)(day.open, day.high, day.low, day.close)):
                if value:
                    out[i].add((name, bool(value > 0)))
        return out

    past: dict[tuple[str, bool], list[float]] = {}
    for day in DAYS:
        for i, found in enumerate(shown(day)):
            got = outcome(day, i, "pattern")
            for one in found if got is not None else ():
                past.setdefault(one, []).append(got or 0.0)
    now, want = shown(NOW), []
    for i in range(60):
        seen = set().union(*now[max(i - 4, 0) : i + 1])
        want.append(mean([got for one in seen for got in past.get(one, []) if len(past[one]) >= 3], 1))
    score, sure = scores("pattern", train("pattern", DAYS, S), NOW, S)
    np.testing.assert_allclose(np.array([score, sure]).T, want, atol=1e-9)
    assert np.count_nonzero(sure) > 20


def test_prices_against_loops() -> None:
    def place(price: float) -> int:
        return math.floor(math.log(price) / math.log(1.005))

    volume: dict[int, float] = {}
    visits: dict[int, list[tuple[float, float]]] = {}
    for day in DAYS:
        for i in range(len(day.close)):
            middle = float(day.high[i] + day.low[i] + day.close[i]) / 3
            volume[place(middle)] = volume.get(place(middle), 0.0) + float(day.value[i]) / middle
            both = rise_and_fall(day, i, "price_level")
            if both is not None and (i == 0 or place(day.close[i]) != place(day.close[i - 1])):
                most = S["price_level_threshold"]
                visits.setdefault(place(day.close[i]), []).append((min(max(both[0] / most, 0), 1), min(max(-both[1] / most, 0), 1)))
    nodes = sorted(volume, key=lambda one: (-volume[one], one))[:6]
    want = []
    for price in NOW.close.tolist():
        far, node = min((abs(price / 1.005 ** (one + 0.5) - 1) * 100, one) for one in nodes)
        came = visits.get(node, [])
        is_known = far <= 0.3 and len(came) >= 3
        score = sum(up - down for up, down in came) / len(came) * 100 if is_known else 0.0
        want.append((score, min(1.0, len(came) / 100) if is_known else 0.0))
    score, sure = scores("price_level", train("price_level", DAYS, S), NOW, S)
    np.testing.assert_allclose(np.array([score, sure]).T, want, atol=1e-9)
    assert 5 < np.count_nonzero(sure) < 60


@pytest.mark.parametrize("name", list(NAMES))
def test_day_by_day_is_all_at_once_and_rows_so_far_are_the_whole_day(name: str) -> None:
    whole = train(name, DAYS, S)
    record = empty(name)
    for day in DAYS[:3]:
        record = add(name, record, day, S)
    for day in DAYS[3:]:
        record = add(name, record, day, S)
    for one in fields(whole):
        np.testing.assert_array_equal(getattr(whole, one.name), getattr(record, one.name))
    score, sure = scores(name, whole, NOW, S)
    assert np.abs(score).max() <= 100.0
    assert 0.0 < sure.max() <= 1.0
    for rows in range(1, 61):
        part = Day(*(getattr(NOW, one.name)[:rows] for one in fields(Day)))
        got = scores(name, whole, part, S)
        assert (got[0][-1], got[1][-1]) == (score[rows - 1], sure[rows - 1])


@pytest.mark.parametrize("name", list(NAMES))
def test_later_rows_and_days_change_nothing(name: str) -> None:
    """Rows 30 … of a day and every day after it are replaced: what was there up to row 29 stays, and what follows does not."""
    was = list(replay(name, [*DAYS, NOW], S))
    other = made(1234, len(DAYS[4].close))
    mixed = Day(*(np.concatenate((getattr(DAYS[4], f.name)[:30], getattr(other, f.name)[30:])) for f in fields(Day)))
    now = list(replay(name, [*DAYS[:4], mixed, made(77), made(78)], S))
    for k in range(4):
        np.testing.assert_array_equal(was[k], now[k])
    np.testing.assert_array_equal(np.array(was[4])[:, :30], np.array(now[4])[:, :30])
    assert not np.array_equal(np.array(was[4])[:, 30:], np.array(now[4])[:, 30:])
    assert not np.any(was[0])  # nothing was learned before the first day


@pytest.mark.parametrize("name", list(NAMES))
def test_a_day_with_a_hole_teaches_nothing_and_has_no_scores(name: str) -> None:
    holed = Day(*(np.where(np.arange(60) == 7, np.nan, getattr(NOW, f.name)) for f in fields(Day)))
    got = list(replay(name, [*DAYS, holed, NOW], S))
    np.testing.assert_array_equal(got[-1], scores(name, train(name, DAYS, S), NOW, S))
    assert not np.any(got[-2])
    short = Day(*(getattr(NOW, f.name)[:2] for f in fields(Day)))
    assert [len(one) for one in scores(name, add(name, train(name, DAYS, S), short, S), short, S)] == [2, 2]


def test_names_in_both_languages_and_where_they_are_refused() -> None:
    for analyser, both in NAMES.items():
        for k, (ko, en) in enumerate(both):
            programs = [build(f"매수 = {one} > 10\n", "", UPBIT, 60) for one in (ko, en)]
            assert programs[0].digest == programs[1].digest
            key = learned_key(en, UPBIT)
            assert key in programs[0].columns
            assert place_of(key) == (analyser, k)
            for interval_s in (1, 300):
                with pytest.raises(StrategyErrors) as refused:
                    parse(f"매수 = {ko} > 10\n", "buy", UPBIT, interval_s)
                assert refused.value.errors[0].code == "strategy.wrong_interval"
            with pytest.raises(InputError) as live:
                refuse_learned(("매수 = True\n", f"if {en} > 3:\n    매도 = True\n"))
            assert (live.value.code, live.value.fields["names"]) == ("live.learned", en)
            with pytest.raises(StrategyErrors, match="strategy.formula_reads"):
                parse_formula(Formula(name="a", market="upbit", interval_s=60, display="line", text=f"self.line = {ko}\n"), UPBIT)
    refuse_learned(("# 패턴점수\n매수 = 현재가 > 1\n",))
    assert settings_hash(KRX) != settings_hash(UPBIT)
