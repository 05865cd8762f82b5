"""Metrics against a timeline that is laid out in full (workstation 9.1), objectives and limits."""

from __future__ import annotations

import numpy as np
import pytest

from backtester import kernel
from backtester.engine import Options, prepare
from backtester.executors import LocalExecutor
from backtester.metrics import KOREAN, METRIC_KEYS, NO_TRADES, OBJECTIVES, OUT_OF_LIMITS, Limits, Metrics, named, objective, scores
from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Market
from stock.markets import KRX
from tests.research import MadeRows, made_rows


def random_raw(rows: MadeRows, rng: np.random.Generator, sets: int) -> np.ndarray:
    """Return trades that overlap across symbols, never within one."""
    out = []
    for number in range(sets):
        for block, (_, _, lo, hi) in enumerate(rows.blocks.tolist()):
            at = lo
            while number and (at := at + int(rng.integers(0, 60))) < hi - 1:
                leave = min(at + int(rng.integers(0, 40)), hi - 1)
                entry_raw = float(rng.integers(1, 10**9)) / 1e4
                pnl = float(np.rint(rng.normal(0, 1000) * 1e4) / 1e4) if rng.random() < 0.9 else 0.0
                out.append((number, block, at, leave, 1, 10**8, entry_raw, entry_raw, np.round(pnl / entry_raw * 100, 2), pnl, 1, 0))
                at = leave + 1
    return np.array(out, dtype=np.float64).reshape(-1, kernel.OUT_FIELDS)


def brute(rows: MadeRows, raw: np.ndarray, market: Market, betting: float) -> dict[str, float]:
    """The table of workstation 9.1, trade by trade and row time by row time."""
    stamp = rows.row_time.tolist()
    timeline = sorted(set(stamp))
    block_code = [rows.codes[symbol] for symbol in rows.blocks["symbol"].tolist()]
    places = market.amount_decimals

    def seconds(t: int) -> int:
        text = str(t)
        return int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:] or 0)

    trades = sorted(
        (stamp[int(r[3])], stamp[int(r[2])], block_code[int(r[1])], round(float(r[6]) * 10**places) / 10**places, float(r[8]), float(r[9]))
        for r in raw
    )
    out = dict.fromkeys(METRIC_KEYS, 0.0) | {"seed": betting}
    if not trades:
        return out
    n, days = len(trades), len(set(rows.blocks["day"].tolist()))
    wins = [t for t in trades if t[5] >= 0]
    losses = [t for t in trades if t[5] < 0]
    drop = len(timeline) // 100
    counts = sorted((sum(t[1] <= at <= t[0] for t in trades) for at in timeline), reverse=True)
    sums = sorted((round(sum(round(t[3] * 1e4) for t in trades if t[1] <= at <= t[0])) / 1e4 for at in timeline), reverse=True)
    equity, peak, fall, fall_peak = 0.0, 0.0, 0.0, 0.0
    for t in trades:
        equity = round((equity + t[5]) * 1e4) / 1e4
        peak = max(peak, equity)
        if peak - equity > fall:
            fall, fall_peak = peak - equity, peak
    seed = max(sums[drop], betting)
    out["tc"], out["atc"], out["pc"], out["mc"] = n, round(n / days * 10) / 10, len(wins), len(losses)
    out["wr"] = len(wins) / n * 100
    out["ah"] = sum((seconds(t[0]) - seconds(t[1])) // rows.interval_s for t in trades) / n
    out["ap"] = sum(t[4] for t in trades) / n
    out["tg"], out["mh"], out["seed"] = equity, max(counts[drop], 1), seed
    out["tp"] = equity / seed * 100
    out["cagr"] = out["tp"] / days * market.year_days
    loss = sum(t[4] for t in losses) / len(losses) if losses else 0.0
    win = sum(t[4] for t in wins) / len(wins) if wins else 0.0
    out["tpi"] = out["wr"] / 100 * (1 + win / abs(loss)) if loss else 1.0
    out["mdd"], out["mdd_amount"] = fall / (fall_peak + seed) * 100, fall
    return out


@pytest.mark.parametrize(("market", "interval", "seed"), [(UPBIT, 1, 1), (UPBIT, 60, 2), (KRX, 1, 3), (KRX, 60, 4)])
@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_equal_the_laid_out_timeline(market: Market, interval: int, seed: int, workers: int) -> None:
    rows = made_rows(market.code, seed, symbols=4, days=3, rows=150, interval_s=interval)
    prepared = prepare(rows, ("last_price",), market, Options(betting=20_000.0))
    raw = random_raw(rows, np.random.default_rng(seed), 4)
    executor = LocalExecutor(workers)
    got = Metrics(prepared, executor).of(raw, 5)
    executor.close()
    for number in range(5):
        want = brute(rows, raw[raw[:, 0] == number], market, 20_000.0)
        for k, key in enumerate(METRIC_KEYS):
            assert got[number, k] == pytest.approx(want[key], rel=1e-12, abs=1e-12), key


def test_no_trades_are_zeros_and_the_betting() -> None:
    rows = made_rows("upbit", 1)
    prepared = prepare(rows, ("last_price",), UPBIT, Options(betting=5.0))
    got = named(Metrics(prepared, LocalExecutor(1)).of(np.zeros((0, kernel.OUT_FIELDS)), 1)[0])
    assert got["seed"] == got["필요자금"] == 5.0
    assert all(got[key] == 0 for key in METRIC_KEYS if key != "seed")
    assert set(got) == set(METRIC_KEYS) | set(KOREAN.values())


def row(**values: float) -> np.ndarray:
    return np.array([[values.get(key, 0.0) for key in METRIC_KEYS]])


LOSING = row(tc=10, tg=-500.0, tp=-5.0, ap=-0.5, wr=30.0, tpi=0.6, cagr=-90.0, mdd=6.0, mdd_amount=600.0, seed=1e4)
WINNING = row(tc=10, tg=500.0, tp=5.0, ap=0.5, wr=60.0, tpi=1.6, cagr=90.0, mdd=2.0, mdd_amount=200.0, seed=1e4)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_losses_never_make_a_gain(name: str) -> None:
    assert objective(name, WINNING, 100.0)[0] > 0
    if name != "TPI":
        assert objective(name, LOSING, 100.0)[0] < 0


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("GM", 2.5),
        ("PM", 2.5),
        ("G2M", 12.5),
        ("P2M", 0.125),
        ("GAM", 1.25),
        ("PAM", 1.25),
        ("GWM", 1.5),
        ("PWM", 1.5),
        ("GTM", 500 * 0.5 * 60 * 1.6 * 90 / 200 / 1e4),
    ],
)
def test_objectives_as_written(name: str, want: float) -> None:
    assert objective(name, WINNING, 100.0)[0] == pytest.approx(want)


def test_divisor_falls_back_when_nothing_fell() -> None:
    assert objective("GM", row(tc=1, tg=50.0), 1.0)[0] == 1.0
    assert objective("PM", row(tc=1), 1.0)[0] == 0.0


def test_limits_and_no_trades_have_their_scores() -> None:
    three = np.concatenate([WINNING, LOSING, row()])
    got = scores("TG", three, 1.0, Limits.parse("mdd=0:5, 승률=50:"))
    assert got.tolist() == [500.0, OUT_OF_LIMITS, NO_TRADES]
    assert Limits.parse(Limits.parse("mdd=0:5").text()).pairs == {"mdd": (0.0, 5.0)}


@pytest.mark.parametrize("text", ["x=1:2", "mdd", "mdd=5:1", "mdd=a:b"])
def test_bad_limits_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"optimise\.limit"):
        Limits.parse(text)


def test_unknown_objective_is_refused() -> None:
    with pytest.raises(InputError, match=r"optimise\.objective"):
        objective("XX", WINNING, 1.0)
