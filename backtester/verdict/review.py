"""Everything that is asked of a rule, one after the other, and the answer put together for store and screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from backtester.executors import LocalExecutor
from backtester.job import Loaded
from backtester.metrics import METRIC_KEYS, SEED, TC, TG, Limits, objective, scores
from backtester.trades import round_trips
from backtester.verdict.court import SETS_LEAST, judge, outcome, spoken
from backtester.verdict.daily import day_figures, trade_figures
from backtester.verdict.montecarlo import bootstrap_days, shuffle_trades
from backtester.verdict.overfitting import blocks_for, cscv, paths
from backtester.verdict.parts import Evaluated, Part, daily_profit, evaluate, run_days
from backtester.verdict.sensitivity import influence, points_around, read_points
from backtester.verdict.sharpe import deflated_sharpe, expected_maximum, independent_trials, mean_correlation, sharpe_of
from backtester.verdict.splits import combinatorial
from backtester.verdict.stress import DELAY_ADDED_MS, FEE_FACTOR, KINDS, TICKS, stress_metrics
from domain.settings import Verdict
from strategy.rule_digest import rule_digest
from utility.text import LANGUAGES

STAGES = ("run", "trials", "neighbours", "stress", "histories")
TESTED_GROUPS = 2
WALKED = ("days", "from", "to", "trades", "profit", "metrics", "daily", "efficiency")
HISTOGRAM = 20


@dataclass(frozen=True)
class Subject:
    """Whom the court hears.

    Parameters
    ----------
    kind, name : str
        ``study`` and its name, ``run`` and its number.
    vector : ndarray of float64, shape (vars,)
        The set that would be traded.
    tried : ndarray of float64, shape (sets, vars)
        Distinct sets that it was chosen from, its own among them or not.
    trials : int
        How many sets were ever tried of this text on this market, as far as the library knows.
    ranges : mapping of int to values or None
        Variables that may be moved, with the study's values.
    search, test : sequence of int
        Days it was chosen on, days it had not seen (YYYYMMDD).
    walk : dict, optional
        What a walk-forward found (`walk.Walk.joined` and its windows): its unseen days stand for `test`.
    looks : int
        How many studies have looked at the same unseen days, this one included.
    pair : (int, int), optional
        Variables of the map; the two with the most influence where it is not given.
    rule : str
        Digest of what would be traded, where it is not the text that was searched (condition lines); else empty.
    drawn : bool
        Whether random neighbours mean something: a switch has no band.
    """

    kind: str
    name: str
    vector: NDArray[np.float64]
    tried: NDArray[np.float64]
    trials: int
    ranges: Mapping[int, Sequence[float] | None]
    search: Sequence[int]
    test: Sequence[int] = ()
    objective: str = "TG"
    limits: Limits = field(default_factory=lambda: Limits({}))
    walk: Mapping[str, Any] | None = None
    looks: int = 0
    pair: tuple[int, int] | None = None
    rule: str = ""
    drawn: bool = True


def _plain(metrics: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(METRIC_KEYS, metrics.tolist(), strict=True))


def review(
    loaded: Loaded,
    executor: LocalExecutor,
    subject: Subject,
    limits: Verdict,
    seed: int,
    told: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Hear a rule and return figures, reasons and sentences (docs/research.md names every key).

    Parameters
    ----------
    loaded : Loaded
        The whole run, all days.
    subject : Subject
    limits : Verdict
        Settings.
    seed : int
        Of everything that is drawn.
    told : callable
        Hears stage, sets done and sets in all; may raise to stop.
    """
    prepared, market = loaded.prepared, loaded.job.market
    told("run", 0, 1)
    result = loaded.engine.run(prepared, subject.vector[None, :])
    trades = round_trips(prepared, result.raw)
    days = run_days(prepared)
    daily = daily_profit(prepared, result.raw, 1)[0]
    whole = loaded.metrics.of(result.raw, 1)[0]
    search = Part(prepared, subject.search, executor)
    chosen_on = search.metrics(result.raw, 1)[0]
    seen = np.isin(days, np.asarray(subject.search))
    own_days = day_figures(daily[seen], float(chosen_on[SEED]), market.year_days)
    each = max(len(result.raw), 1)

    vectors = sample(subject.tried, subject.vector, limits.sets, seed)
    told("trials", 0, len(vectors))
    tried = evaluate(loaded.engine, search.prepared, search.whole, vectors, each, lambda done: told("trials", done, len(vectors)))
    chance = _chance(tried, subject, own_days, limits)
    told("neighbours", 0, 1)
    around = _around(loaded, search, subject, vectors, tried, each, limits, seed, told)
    told("stress", 0, len(KINDS))
    stress = stress_metrics(loaded, subject.vector, loaded.metrics)
    told("histories", 0, 1)
    capital = float(whole[SEED])
    shuffled = shuffle_trades(trades["pnl"], capital, limits.shuffles, seed, limits.ruin_pct)
    resampled = bootstrap_days(daily, capital, limits.resamples, seed, limits.ruin_pct)
    told("histories", 1, 1)

    beyond = _beyond(loaded, executor, subject, result.raw, daily, days, own_days)
    figures: dict[str, Any] = {
        "rule": subject.rule or rule_digest(loaded.program, subject.vector.tolist(), loaded.job.options.orders),
        "subject": f"{subject.kind}:{subject.name}",
        "market": market.code,
        "currency": market.currency,
        "interval_s": loaded.job.interval_s,
        "strategy": loaded.job.strategy,
        "source": loaded.rows.source,
        "vars": subject.vector.tolist(),
        "objective": subject.objective,
        "seed": seed,
        "trades": int(chosen_on[TC]),
        "days": len(subject.search),
        "profit": float(chosen_on[TG]),
        "from": int(min(subject.search)),
        "to": int(max(subject.search)),
        "metrics": _plain(chosen_on),
        "daily": own_days,
        "trade": trade_figures(trades["pnl"], trades["return_pct"]),
        "out_of_sample": beyond,
        "overfitting": chance,
        "sensitivity": around,
        "stress_added": {"fee_factor": FEE_FACTOR, "delay_ms": DELAY_ADDED_MS, "ticks": TICKS},
        "stress": {kind: _stress(metrics, subject, loaded) for kind, metrics in stress.items()},
        "monte_carlo": {"trades": shuffled, "days": resampled},
        "limits": msgspec.structs.asdict(limits),
    }
    reasons = judge(_for_court(figures, subject), limits)
    verdict = {
        "result": outcome(reasons),
        "reasons": [reason.as_dict() for reason in reasons],
        "sentence": {language: spoken(_for_court(figures, subject), reasons, language) for language in LANGUAGES},
    }
    return {"verdict": verdict, **figures}


def _for_court(figures: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """Return the figures by the names the court knows.

    The evidence of a walk-forward is its unseen days: nobody chose by them, so their Sharpe ratio needs no deflation.
    """
    chance, histories = figures["overfitting"], figures["monte_carlo"]
    ruins = [one["ruin"] for one in histories.values() if one is not None]
    out = {
        **{key: figures[key] for key in ("trades", "days", "profit", "source", "out_of_sample")},
        "best_day_share": figures["daily"]["best_day_share"],
        "trials": chance["trials"],
        "sets": chance["sets"],
        "pbo": chance["pbo"],
        "deflated_sharpe": chance["deflated_sharpe"],
        "paths_profitable": None if chance["paths"] is None else chance["paths"]["profitable"],
        "efficiency": None,
        "robustness": figures["sensitivity"]["robustness"],
        "stress": {kind: one["profit"] for kind, one in figures["stress"].items()},
        "ruin": max(ruins) if ruins else None,
    }
    if subject.walk is None:
        return out
    walked = {"trades": subject.walk["trades"], "days": subject.walk["days"], "efficiency": subject.walk["efficiency"]}
    daily = subject.walk["daily"]
    return out | walked | {"best_day_share": daily["best_day_share"], "deflated_sharpe": daily["psr"]}


def _stress(metrics: NDArray[np.float64], subject: Subject, loaded: Loaded) -> dict[str, Any]:
    score = float(objective(subject.objective, metrics[None, :], loaded.prepared.options.betting)[0])
    return {"profit": float(metrics[TG]), "score": score, "metrics": _plain(metrics)}


def sample(tried: NDArray[np.float64], own: NDArray[np.float64], most: int, seed: int) -> NDArray[np.float64]:
    """Return the sets that are evaluated by day: the own one first, then others drawn evenly, `most` in all."""
    others = tried[~(tried == own).all(axis=1)] if len(tried) else tried.reshape(0, len(own))
    if len(others) >= most:
        others = others[np.sort(np.random.default_rng(seed).choice(len(others), most - 1, replace=False))]
    return np.concatenate([own[None, :], others])


def _chance(found: Evaluated, subject: Subject, own_days: Mapping[str, Any], limits: Verdict) -> dict[str, Any]:
    """Return PBO, deflated Sharpe ratio and the combinatorial paths of the sets it was chosen from; the own one is the first."""
    traded = found.metrics[:, TC] > 0
    daily = found.daily[traded]
    count, sets = found.daily.shape[1], len(found.daily)
    trials = max(subject.trials, sets)
    blocks = blocks_for(count, limits.blocks // 2 * 2)
    out: dict[str, Any] = {"trials": trials, "sets": sets, "sets_traded": len(daily), "pbo": None, "paths": None}
    if blocks and len(daily) >= SETS_LEAST:
        answer = cscv(daily, blocks)
        counts, edges = np.histogram(answer.logits, HISTOGRAM)
        out |= {"pbo": answer.pbo, "blocks": blocks, "combinations": len(answer.logits), "slope": answer.slope, "loss": answer.loss}
        out["logits"] = {"counts": counts.tolist(), "edges": edges.tolist()}
    variance = float(np.var(sharpe_of(daily), ddof=1)) if len(daily) > 1 else 0.0
    correlation = mean_correlation(daily)
    shape = (own_days["skew"], own_days["kurtosis"])
    enough = count >= 3 and own_days["drawdown_days_amount"] + abs(own_days["best_day"]) > 0.0
    out["sharpe_variance"], out["correlation"] = variance, correlation
    out["independent_trials"] = independent_trials(trials, correlation)
    # All trials count as independent ones: the cautious end. The other end stands beside it.
    out["expected_max_sharpe"] = expected_maximum(variance, trials)
    ratio = own_days["sharpe_daily"]
    out["deflated_sharpe"] = deflated_sharpe(ratio, count, *shape, variance, trials) if enough else None
    out["deflated_sharpe_independent"] = deflated_sharpe(ratio, count, *shape, variance, out["independent_trials"]) if enough else None
    if len(daily) >= SETS_LEAST and count >= limits.groups * 2:
        walked = paths(daily, combinatorial(count, limits.groups, TESTED_GROUPS, 0, limits.embargo_days))
        profit = walked.daily.sum(axis=1)
        out["paths"] = {
            "count": len(profit),
            "groups": limits.groups,
            "embargo_days": limits.embargo_days,
            "profitable": float((profit > 0.0).mean()),
            "profit": profit.tolist(),
            "sharpe_daily": walked.sharpe.tolist(),
        }
    return out


def _around(
    loaded: Loaded,
    search: Part,
    subject: Subject,
    vectors: NDArray[np.float64],
    tried: Evaluated,
    each: float,
    limits: Verdict,
    seed: int,
    told: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Return sweeps, map and robustness; all points are evaluated together."""
    free = [index for index, values in subject.ranges.items() if values is None or len(values) > 1]
    betting = loaded.prepared.options.betting
    pair = subject.pair
    if pair is None and len(free) >= 2:
        # The two with the most influence among the sets tried; the first two where there were hardly any.
        gained = objective(subject.objective, tried.metrics, betting)
        weight = {index: influence(vectors, gained, index) if len(vectors) >= SETS_LEAST else 0.0 for index in free}
        first, second = sorted(free, key=lambda index: (-weight[index], index))[:2]
        pair = (min(first, second), max(first, second))
    points = points_around(
        subject.vector,
        {index: subject.ranges[index] for index in free},
        pair,
        limits.random_sets if subject.drawn else 0,
        limits.band_pct,
        seed,
    )
    count = len(points.vectors)
    found = evaluate(loaded.engine, search.prepared, search.whole, points.vectors, each, lambda done: told("neighbours", done, count))
    gained = scores(subject.objective, found.metrics, betting, subject.limits)
    return {"objective": subject.objective, "points": len(points.vectors), **read_points(points, gained, found.metrics)}


def _beyond(
    loaded: Loaded,
    executor: LocalExecutor,
    subject: Subject,
    raw: NDArray[np.float64],
    daily: NDArray[np.float64],
    days: NDArray[np.int64],
    own_days: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Return the figures of the days it had not seen; None when there are none."""
    if subject.walk is not None:
        return {**{key: subject.walk[key] for key in WALKED}, "looks": subject.looks}
    if not len(subject.test):
        return None
    part = Part(loaded.prepared, subject.test, executor)
    metrics = part.metrics(raw, 1)[0]
    figures = day_figures(daily[np.isin(days, np.asarray(subject.test))], float(metrics[SEED]), loaded.job.market.year_days)
    inside = own_days["annual_return_pct"]
    return {
        "days": len(subject.test),
        "from": int(min(subject.test)),
        "to": int(max(subject.test)),
        "trades": int(metrics[TC]),
        "profit": float(metrics[TG]),
        "metrics": _plain(metrics),
        "daily": figures,
        "efficiency": figures["annual_return_pct"] / inside if inside > 0.0 else None,
        "looks": subject.looks,
    }
