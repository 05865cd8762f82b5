"""Probability of back-test over-fitting by combinatorially symmetric cross-validation, and the paths of combinatorial purged one.

Source: Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting", Journal of Computational Finance
20(4), 2017. The days are cut into S blocks; each half of the blocks chooses the set with the best Sharpe ratio, the other
half ranks it. PBO is the share of choices that land in the lower half of the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from backtester.verdict.sharpe import sharpe_of
from backtester.verdict.splits import Combinatorial

BLOCKS = 16
"""S of the paper's own examples: C(16, 8) = 12,870 ways."""
BLOCKS_LEAST = 4
PART = 2_000_000
"""Numbers of a table that is handled at a time (16 MB)."""


@dataclass(frozen=True)
class Overfitting:
    """What CSCV says.

    Parameters
    ----------
    pbo : float
        Share of combinations whose choice ranks in the lower half out of sample.
    logits : ndarray of float64, shape (combinations,)
        ln(ω/(1 − ω)) of the choice's relative rank ω.
    slope : float
        Of the straight line of out-of-sample over in-sample Sharpe ratio: below 0, the better it looks the worse it does.
    loss : float
        Share of combinations whose choice has a Sharpe ratio below 0 out of sample.
    blocks : int
        S.
    """

    pbo: float
    logits: NDArray[np.float64]
    slope: float
    loss: float
    blocks: int


def blocks_for(days: int, most: int = BLOCKS) -> int:
    """Return the even number of blocks for so many days, at least two days a block; 0 when they are too few."""
    blocks = min(most, days // 2) // 2 * 2
    return blocks if blocks >= BLOCKS_LEAST else 0


def cscv(daily: NDArray[np.float64], blocks: int) -> Overfitting:
    """Return the probability of back-test over-fitting.

    Parameters
    ----------
    daily : ndarray of float64, shape (sets, days)
        Profit of each set on each day.
    blocks : int
        Even; days that do not fill the blocks are left out at the beginning.

    Raises
    ------
    ValueError
        Fewer than two sets, or days that do not fill the blocks.
    """
    sets, days = daily.shape
    length = days // blocks
    if sets < 2 or blocks < 2 or blocks % 2 or length < 1 or length * blocks // 2 < 2:
        raise ValueError("CSCV wants two sets, an even number of blocks and two days in each half")
    # One scale for all: sums of squares of money are otherwise large beside their differences.
    scale = float(np.abs(daily).max()) or 1.0
    cut = (daily[:, days - length * blocks :] / scale).reshape(sets, blocks, length)
    sums, squares = cut.sum(axis=2).T, (cut * cut).sum(axis=2).T
    half = length * blocks // 2
    count = comb(blocks, blocks // 2)
    inside = np.zeros((count, blocks))
    for row, chosen in enumerate(combinations(range(blocks), blocks // 2)):
        inside[row, chosen] = 1.0
    chosen_in, chosen_out, ranks = np.empty(count), np.empty(count), np.empty(count)
    step = max(PART // sets, 1)
    for low in range(0, count, step):
        part = inside[low : low + step]
        seen, unseen = _sharpe(part, sums, squares, half), _sharpe(1.0 - part, sums, squares, half)
        best = seen.argmax(axis=1)
        rows = np.arange(len(part))
        own = unseen[rows, best][:, None]
        chosen_in[low : low + step], chosen_out[low : low + step] = seen[rows, best], own[:, 0]
        # Mid-rank on ties, 1 … sets.
        ranks[low : low + step] = (unseen < own).sum(axis=1) + ((unseen == own).sum(axis=1) + 1.0) / 2.0
    share = ranks / (sets + 1.0)
    logits = np.log(share / (1.0 - share))
    spread = chosen_in - chosen_in.mean()
    slope = float(spread @ chosen_out / (spread @ spread)) if spread @ spread > 0.0 else 0.0
    return Overfitting(float((logits <= 0.0).mean()), logits, slope, float((chosen_out < 0.0).mean()), blocks)


def _sharpe(part: NDArray[np.float64], sums: NDArray[np.float64], squares: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return the Sharpe ratio of every set on every choice of blocks, from the blocks' sums; 0 where nothing moved."""
    mean = part @ sums / half
    variance = part @ squares / half - mean * mean
    moved = variance > 1e-14 * (mean * mean + 1e-300)
    return np.asarray(np.divide(mean, np.sqrt(np.where(moved, variance, 1.0)), out=np.zeros_like(mean), where=moved))


def relative_rank(values: NDArray[np.float64], own: int) -> float:
    """Return the relative rank ω of one set among all, mid-rank on ties (2017, definition 2.2)."""
    return float(rankdata(values)[own] / (len(values) + 1.0))


@dataclass(frozen=True)
class Paths:
    """Out-of-sample histories that combinatorial purged cross-validation puts together.

    Parameters
    ----------
    daily : ndarray of float64, shape (paths, days)
    sharpe : ndarray of float64, shape (paths,)
        Per day.
    chosen : ndarray of int64, shape (splits,)
        Set chosen on the training days of each split.
    """

    daily: NDArray[np.float64]
    sharpe: NDArray[np.float64]
    chosen: NDArray[np.int64]


def paths(daily: NDArray[np.float64], splits: Combinatorial) -> Paths:
    """Choose the best set on each split's training days by Sharpe ratio, and join what it did on the judged ones.

    Parameters
    ----------
    daily : ndarray of float64, shape (sets, days)
    splits : Combinatorial
        Over the same days.
    """
    chosen = np.array([int(sharpe_of(daily[:, train]).argmax()) for train in splits.train], dtype=np.int64)
    out = np.empty((len(splits.paths), daily.shape[1]))
    for row, path in enumerate(splits.paths.tolist()):
        for group, split in enumerate(path):
            days = splits.groups[group]
            out[row, days] = daily[chosen[split], days]
    return Paths(out, sharpe_of(out), chosen)
