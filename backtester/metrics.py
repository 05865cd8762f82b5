"""What a run is worth: metrics, objectives and limits (workstation 9.1–9.3 [decided]).

One compiled function gives the metrics of a set of trades; a backtest calls it for one set, a
search for a whole population on threads. Timelines are never laid out: the values of a timeline
with their lengths give the same order statistics from the trades alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from backtester import kernel
from backtester.engine import Prepared
from backtester.executors import LocalExecutor
from backtester.figures import METRIC_KEYS, NO_TRADES, OBJECTIVES, OUT_OF_LIMITS
from backtester.formula import Formula
from domain.errors import InputError
from trading.numbers import day_seconds, round_to

KOREAN = {
    "tc": "거래횟수",
    "atc": "일평균거래횟수",
    "pc": "익절",
    "mc": "손절",
    "wr": "승률",
    "ah": "평균보유기간",
    "ap": "평균수익률",
    "tg": "수익금합계",
    "mh": "최대보유종목수",
    "seed": "필요자금",
    "tp": "수익률합계",
    "cagr": "연간예상수익률",
    "tpi": "매매성능지수",
    "mdd": "최대낙폭률",
    "mdd_amount": "최대낙폭금액",
}
TC, ATC, PC, MC, WR, AH, AP, TG, MH, SEED, TP, CAGR, TPI, MDD, MDD_AMOUNT = range(len(METRIC_KEYS))

_METRIC = {key: key for key in METRIC_KEYS} | {name.lower(): key for key, name in KOREAN.items()}
_NAMES = set(_METRIC) | {code.lower() for code in OBJECTIVES}
"""What a user's objective may name: metrics in both languages, and the objectives."""

LIMIT_KEYS = {"mdd": MDD, "mh": MH, "wr": WR, "ap": AP, "atc": ATC, "cagr": CAGR, "tpi": TPI}
LIMIT_BOUNDS = {
    "mdd": (0.0, 1000.0),
    "mh": (0.0, 100.0),
    "wr": (0.0, 100.0),
    "ap": (-10.0, 10.0),
    "atc": (0.0, 100.0),
    "cagr": (-10_000.0, 10_000.0),
    "tpi": (0.0, 10.0),
}
"""The seven pairs of workstation 9.3 with the bounds of their fields."""

HOLD_BITS, RANK_BITS = 17, 13
"""A sort key holds exit place, distance from entry and code rank: 2^17 rows a day, 2^13 codes."""


@njit(cache=True, nogil=True, error_model="numpy")
def are_equal(one, other):  # type: ignore[no-untyped-def]
    """Tell whether two arrays of whole numbers are the same, several numbers at a time."""
    if len(one) != len(other):
        return False
    differ = 0
    for i in range(len(one)):
        differ |= one[i] ^ other[i]
    return differ == 0


@njit(cache=True, nogil=True, error_model="numpy")
def timeline_of(row_time, blocks, days, first_day_row, interval_s):  # type: ignore[no-untyped-def]
    """Return every distinct row time of the blocks, ascending; `days` are the blocks' days in ascending order of day."""
    out = np.empty(len(days) * (86_400 // interval_s), dtype=np.int64)
    seen = np.zeros(86_400 // interval_s, dtype=np.int64)
    count = 0
    for d in range(len(days)):
        seen[:] = -1
        for k in range(first_day_row[d], first_day_row[d + 1]):
            times = row_time[blocks[k, 0] : blocks[k, 1]]
            if k > first_day_row[d] and are_equal(times, row_time[blocks[k - 1, 0] : blocks[k - 1, 1]]):
                continue  # symbols mostly have the same times
            for i in range(len(times)):
                seen[day_seconds(times[i], interval_s) // interval_s] = times[i]
        for s in range(len(seen)):
            if seen[s] >= 0:
                out[count] = seen[s]
                count += 1
    return out[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def order_statistic(values, lengths, count, place):  # type: ignore[no-untyped-def]
    """Return the `place`-th largest (0-based) of values that each stand `lengths` times; 0 past the end."""
    order = np.argsort(-values[:count])
    passed = 0
    for k in range(count):
        passed += lengths[order[k]]
        if passed > place:
            return values[order[k]]
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def drawdown(pnl, order):  # type: ignore[no-untyped-def]
    """Return (final equity, largest fall, the peak before it) of the running sum, rounded to 4 places each step."""
    equity, peak, fall, fall_peak = 0.0, 0.0, 0.0, 0.0
    for k in order:
        equity = round_to(equity + pnl[k], 4)
        peak = max(peak, equity)
        if peak - equity > fall:
            fall = peak - equity
            fall_peak = peak
    return equity, fall, fall_peak


@njit(cache=True, nogil=True, error_model="numpy")
def holdings(starts, ends, amounts, place):  # type: ignore[no-untyped-def]
    """Return the `place`-th largest number of positions and sum of amounts over the timeline.

    A trade is held from place ``starts[k]`` to ``ends[k]``, both included; amounts are integers, so that
    sums do not depend on their order.
    """
    n = len(starts)
    by_start, by_end = np.argsort(starts), np.argsort(ends)
    counts, sums = np.empty(2 * n, dtype=np.int64), np.empty(2 * n, dtype=np.int64)
    lengths = np.empty(2 * n, dtype=np.int64)
    a, b, now, held, amount, m = 0, 0, 0, 0, 0, 0
    while b < n:
        at = ends[by_end[b]] + 1
        if a < n and starts[by_start[a]] < at:
            at = starts[by_start[a]]
        if at > now and held > 0:
            counts[m], sums[m], lengths[m] = held, amount, at - now
            m += 1
        now = at
        while a < n and starts[by_start[a]] == at:
            held += 1
            amount += amounts[by_start[a]]
            a += 1
        while b < n and ends[by_end[b]] + 1 == at:
            held -= 1
            amount -= amounts[by_end[b]]
            b += 1
    return order_statistic(counts, lengths, m, place), order_statistic(sums, lengths, m, place)


@njit(cache=True, nogil=True, error_model="numpy")
def set_metrics(raw, row_time, times, rank, betting, days, year_days, amount_decimals, interval_s, out):  # type: ignore[no-untyped-def]
    """Fill `out` (METRIC_KEYS order) from the raw trades of one set (kernel.OUT_* fields)."""
    out[:] = 0.0
    out[SEED] = betting
    n = len(raw)
    if n == 0:
        return
    starts, ends = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    amounts, keys = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for k in range(n):
        starts[k] = np.searchsorted(times, row_time[int(raw[k, kernel.OUT_ENTRY])])
        ends[k] = np.searchsorted(times, row_time[int(raw[k, kernel.OUT_EXIT])])
        amounts[k] = np.int64(np.rint(round_to(raw[k, kernel.OUT_ENTRY_RAW], amount_decimals) * 1e4))
        # Ascending: sell time, buy time (a later one is nearer), code.
        near = (1 << HOLD_BITS) - 1 - (ends[k] - starts[k])
        keys[k] = (ends[k] << (HOLD_BITS + RANK_BITS)) | (near << RANK_BITS) | rank[int(raw[k, kernel.OUT_BLOCK])]
    order = np.argsort(keys)
    wins, held, returns, win_sum, loss_sum = 0, 0.0, 0.0, 0.0, 0.0
    unit = 1 if interval_s == 1 else 60
    for k in order:
        held += (
            day_seconds(row_time[int(raw[k, kernel.OUT_EXIT])], interval_s)
            - day_seconds(row_time[int(raw[k, kernel.OUT_ENTRY])], interval_s)
        ) // unit
        value = raw[k, kernel.OUT_RETURN]
        returns += value
        if raw[k, kernel.OUT_PNL] >= 0.0:
            wins += 1
            win_sum += value
        else:
            loss_sum += value
    total, fall, peak = drawdown(raw[:, kernel.OUT_PNL], order)
    most, capital = holdings(starts, ends, amounts, len(times) // 100)
    losses = n - wins
    out[TC], out[PC], out[MC] = n, wins, losses
    out[ATC] = round_to(n / days, 1)
    out[WR] = wins / n * 100.0
    out[AH] = held / n
    out[AP] = returns / n
    out[TG] = total
    out[MH] = max(most, 1)
    out[SEED] = max(capital / 1e4, betting)
    out[TP] = total / out[SEED] * 100.0
    out[CAGR] = out[TP] / days * year_days
    mean_loss = loss_sum / losses if losses > 0 else 0.0
    mean_win = win_sum / wins if wins > 0 else 0.0
    out[TPI] = 1.0 if mean_loss == 0.0 else out[WR] / 100.0 * (1.0 + mean_win / abs(mean_loss))
    out[MDD] = fall / (peak + out[SEED]) * 100.0
    out[MDD_AMOUNT] = fall


class Metrics:
    """Metrics of any number of sets over the same prepared rows.

    Parameters
    ----------
    prepared : Prepared
    executor : LocalExecutor

    Raises
    ------
    InputError
        ``metrics.too_many_codes`` past 8,192 symbols.
    """

    def __init__(self, prepared: Prepared, executor: LocalExecutor) -> None:
        if len(set(prepared.codes)) > 1 << RANK_BITS:
            raise InputError("metrics.too_many_codes", count=len(set(prepared.codes)), limit=1 << RANK_BITS)
        self.prepared = prepared
        self.executor = executor
        self.rank = prepared.rank()
        if prepared.holds_days:
            rows = np.concatenate([np.arange(lo, hi) for lo, hi, *_ in prepared.blocks.tolist()])
            self.times: NDArray[np.int64] = np.unique(prepared.row_time[rows])
            return
        day_rows = prepared.block_days
        by_day = np.argsort(day_rows, kind="stable")
        edges = np.searchsorted(day_rows[by_day], np.arange(prepared.days + 1))
        self.times = timeline_of(prepared.row_time, prepared.blocks[by_day], np.arange(prepared.days), edges, prepared.interval_s)

    def of(self, raw: NDArray[np.float64], sets: int) -> NDArray[np.float64]:
        """Return the metrics of every set.

        Parameters
        ----------
        raw : ndarray of float64, shape (trades, kernel.OUT_FIELDS)
            As `Engine.run` returns it: sets in ascending order.
        sets : int

        Returns
        -------
        ndarray of float64, shape (sets, len(METRIC_KEYS))
        """
        edges = np.searchsorted(raw[:, kernel.OUT_SET], np.arange(sets + 1))
        out = np.zeros((sets, len(METRIC_KEYS)))
        prepared = self.prepared
        pieces = max(1, min(sets, self.executor.workers))
        spans = [(sets * k // pieces, sets * (k + 1) // pieces) for k in range(pieces)]

        def call(span: tuple[int, int]) -> None:
            many_metrics(
                raw,
                edges[span[0] : span[1] + 1],
                prepared.row_time,
                self.times,
                self.rank,
                prepared.options.betting,
                prepared.days,
                prepared.market.year_days,
                prepared.market.amount_decimals,
                prepared.interval_s,
                out[span[0] : span[1]],
            )

        self.executor.map(call, spans)
        return out


@njit(cache=True, nogil=True, error_model="numpy")
def many_metrics(raw, edges, row_time, times, rank, betting, days, year_days, amount_decimals, interval_s, out):  # type: ignore[no-untyped-def]
    """Fill one row of `out` for each set between `edges`."""
    for s in range(len(out)):
        set_metrics(raw[edges[s] : edges[s + 1]], row_time, times, rank, betting, days, year_days, amount_decimals, interval_s, out[s])


def named(values: NDArray[np.float64]) -> dict[str, float]:
    """Return one row of metrics under its English and Korean names; counts are whole numbers."""
    whole = {"tc", "pc", "mc", "mh"}
    out: dict[str, float] = {}
    for key, value in zip(METRIC_KEYS, values.tolist(), strict=True):
        out[key] = int(value) if key in whole else value + 0.0
    return out | {KOREAN[key]: out[key] for key in METRIC_KEYS}


def keep_sign(*factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the product of the factors, negative when any of them is (workstation 9.2 [fix]).

    Two losses never multiply to a gain.
    """
    product = np.ones_like(factors[0])
    negative = np.zeros(len(product), dtype=bool)
    for factor in factors:
        product = product * np.abs(factor)
        negative |= factor < 0
    return np.where(negative, -product, product)


def objective(name: str, metrics: NDArray[np.float64], betting: float) -> NDArray[np.float64]:
    """Return the score of each row of `metrics` (workstation 9.2).

    Divisors: MDD falls back to abs(TP), mdd_ to abs(TG), and both to 1 where those are 0 too. What is no code is a
    formula of the user's (formula.py); a set for which it has no value is given OUT_OF_LIMITS.

    Raises
    ------
    InputError
        ``optimise.objective`` for an unknown name; what `formula.Formula` raises.
    """
    column = metrics.T
    tg, tp, ap, wr, tpi, cagr = (column[k] for k in (TG, TP, AP, WR, TPI, CAGR))
    amount = np.where(column[MDD_AMOUNT] > 0, column[MDD_AMOUNT], np.abs(tg))
    percent = np.where(column[MDD] > 0, column[MDD], np.abs(tp))
    amount, percent = np.where(amount > 0, amount, 1.0), np.where(percent > 0, percent, 1.0)
    table = {
        "TG": lambda: tg,
        "TP": lambda: tp,
        "TPI": lambda: tpi,
        "CAGR": lambda: cagr,
        "GM": lambda: tg / amount,
        "PM": lambda: tp / percent,
        "G2M": lambda: keep_sign(tg, tg) / amount / betting,
        "P2M": lambda: keep_sign(tp, tp) / percent / 100.0,
        "GAM": lambda: keep_sign(tg, ap) / amount,
        "PAM": lambda: keep_sign(tp, ap) / percent,
        "GWM": lambda: keep_sign(tg, wr) / amount / 100.0,
        "PWM": lambda: keep_sign(tp, wr) / percent / 100.0,
        "GTM": lambda: keep_sign(tg, ap, wr, tpi, cagr) / amount / 10_000.0,
        "PTM": lambda: keep_sign(tp, ap, wr, tpi, cagr) / percent / 10_000.0,
    }
    if name.upper() in table:
        return np.asarray(table[name.upper()](), dtype=np.float64)
    if name.isidentifier() and name.lower() not in _NAMES:
        raise InputError("optimise.objective", name=name, names=", ".join(OBJECTIVES))
    formula = Formula(name, _NAMES)
    columns = {key: column[METRIC_KEYS.index(_METRIC[key])] if key in _METRIC else table[key.upper()]() for key in formula.names}
    values = formula.values(columns, len(metrics))
    return np.where(np.isfinite(values), values, OUT_OF_LIMITS)


@dataclass(frozen=True)
class Limits:
    """Low and high bound of each limited metric; a metric that is not named is not limited."""

    pairs: Mapping[str, tuple[float, float]]

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``mdd=0:20,atc=1:50``; Korean names are understood, an empty side means the field's bound.

        Raises
        ------
        InputError
            ``optimise.limit`` with the part that is not understood.
        """
        korean = {KOREAN[key]: key for key in LIMIT_KEYS}
        pairs = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, bounds = part.partition("=")
            key = korean.get(name.strip(), name.strip().lower())
            low, colon, high = bounds.partition(":")
            if key not in LIMIT_KEYS or not colon:
                raise InputError("optimise.limit", part=part, names=", ".join(LIMIT_KEYS))
            try:
                pair = (float(low) if low.strip() else LIMIT_BOUNDS[key][0], float(high) if high.strip() else LIMIT_BOUNDS[key][1])
            except ValueError:
                raise InputError("optimise.limit", part=part, names=", ".join(LIMIT_KEYS)) from None
            if not pair[0] <= pair[1]:
                raise InputError("optimise.limit", part=part, names=", ".join(LIMIT_KEYS))
            pairs[key] = pair
        return cls(pairs)

    def text(self) -> str:
        """Return the form that `parse` reads."""
        return ",".join(f"{key}={low!r}:{high!r}" for key, (low, high) in self.pairs.items())


def scores(name: str, metrics: NDArray[np.float64], betting: float, limits: Limits) -> NDArray[np.float64]:
    """Return the objective of each set, with the two penalties of workstation 9.3."""
    out = objective(name, metrics, betting).copy()
    for key, (low, high) in limits.pairs.items():
        values = metrics[:, LIMIT_KEYS[key]]
        out[(values < low) | (values > high)] = OUT_OF_LIMITS
    out[metrics[:, TC] == 0] = NO_TRADES
    return out


def warm() -> None:
    """Compile everything here with the types production uses."""
    row_time = np.array([20260105090000, 20260105090001], dtype=np.int64)
    row_time.flags.writeable = False
    blocks = np.array([[0, 2, 0, 0, 8]], dtype=np.int64)
    times = timeline_of(row_time, blocks, np.arange(1), np.array([0, 1]), 1)
    raw = np.zeros((1, kernel.OUT_FIELDS))
    raw[0, kernel.OUT_EXIT] = 1.0
    many_metrics(raw, np.array([0, 1]), row_time, times, np.zeros(1, dtype=np.int64), 1.0, 1, 365, 4, 1, np.zeros((1, len(METRIC_KEYS))))
