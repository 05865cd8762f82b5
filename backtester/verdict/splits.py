"""Which days a rule is chosen on and which it is judged by: pure functions over days, nothing is run here.

A day is a whole number YYYYMMDD; days are given in ascending order. Lengths are calendar days, so that a week is seven
whether its market rests on Sunday or not.

*Purge* drops training days whose trades could still be open on a judged day; *embargo* drops further days
after a judged part, whose prices still remember it (López de Prado, *Advances in Financial Machine Learning*, 2018,
chapter 7). Positions here end with their day, so a purge of 0 is exact; a number above it is for
rules that keep more than a day in mind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

WEEK = 7
SPLITS_MAX = 20_000
"""Combinations past which nobody waits."""


@dataclass(frozen=True)
class Fold:
    """Days to choose on and days to judge by."""

    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class Division:
    """How a study's days are divided (workstation 9.4).

    Parameters
    ----------
    folds : tuple of Fold
        Train and validation days, the most recent fold first; one without validation days for a plain study.
    test : tuple of int
        Days no part of the search sees.
    """

    folds: tuple[Fold, ...]
    test: tuple[int, ...]

    @property
    def search(self) -> tuple[int, ...]:
        """Every day the search may look at."""
        return tuple(sorted({day for fold in self.folds for day in (*fold.train, *fold.test)}))


def ordinal(day: int) -> int:
    """Return a day as a running number."""
    return dt.date(day // 10_000, day // 100 % 100, day % 100).toordinal()


def _between(days: Sequence[int], after: int, upto: int) -> tuple[int, ...]:
    return tuple(day for day in days if after < ordinal(day) <= upto)


def divide(days: Sequence[int], kind: str, train: int = 0, valid: int = 0, test: int = 0) -> Division:
    """Divide days into train, validation and test parts, counted back from the last one (workstation 9.4).

    Parameters
    ----------
    days : sequence of int
    kind : {"none", "v", "vc"}
        Plain, one validation part, or cross-validation with train/valid + 1 folds.
    train, valid, test : int
        Lengths in calendar days; train 0 means all days there are.

    Raises
    ------
    InputError
        ``split.kind``, ``split.length``, ``split.empty`` with the part that got no day.
    """
    if kind not in ("none", "v", "vc"):
        raise InputError("split.kind", kind=kind)
    if not days:
        raise InputError("split.empty", part="train")
    if min(train, valid, test) < 0 or (kind != "none" and valid < 1):
        raise InputError("split.length", train=train, valid=valid, test=test)
    first, last = ordinal(days[0]), ordinal(days[-1])
    end = last - test
    unseen = _between(days, end, last)
    if test and not unseen:
        raise InputError("split.empty", part="test")
    whole = end - first + 1
    if kind == "none":
        return Division((Fold(_filled(_between(days, end - (train or whole), end), "train"), ()),), unseen)
    length = train or whole - valid
    if kind == "v":
        fold = Fold(_between(days, end - length - valid, end - valid), _between(days, end - valid, end))
        return Division((Fold(_filled(fold.train, "train"), _filled(fold.test, "validation")),), unseen)
    folds = []
    count = max(length, 0) // valid + 1
    span = _between(days, end - count * valid, end)
    for k in range(count):
        judged = _filled(_between(days, end - (k + 1) * valid, end - k * valid), "validation")
        folds.append(Fold(_filled(tuple(day for day in span if day not in judged), "train"), judged))
    return Division(tuple(folds), unseen)


def _filled(days: tuple[int, ...], part: str) -> tuple[int, ...]:
    if not days:
        raise InputError("split.empty", part=part)
    return days


def fold_weights(count: int, weighted: bool) -> NDArray[np.float64]:
    """Return the weight of each fold, the most recent first: 1, or 2(n − i)/n with 교차검증가중치 (workstation 9.4)."""
    if not weighted:
        return np.ones(count)
    return 2.0 * (count - np.arange(count)) / count


# --- purged folds ------------------------------------------------------------------------------------


def groups_of(count: int, groups: int) -> list[NDArray[np.int64]]:
    """Return positions 0 … count − 1 in `groups` neighbouring parts whose sizes differ by at most one.

    Raises
    ------
    InputError
        ``split.few_days`` when a part would be empty.
    """
    if groups < 2 or count < groups:
        raise InputError("split.few_days", days=count, groups=groups)
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(np.arange(count, dtype=np.int64), groups)]


def training(count: int, judged: NDArray[np.int64], purge: int, embargo: int) -> NDArray[np.int64]:
    """Return the positions that may be trained on when `judged` are judged.

    Parameters
    ----------
    count : int
    judged : ndarray of int64
        Ascending positions; they may lie in several runs.
    purge : int
        Positions left out before and after each run of judged ones: a trade lasts up to so many days more.
    embargo : int
        Further positions left out after each run.
    """
    allowed = np.ones(count, dtype=bool)
    for low, high in _runs(judged):
        allowed[max(low - purge, 0) : min(high + purge + embargo + 1, count)] = False
    return np.flatnonzero(allowed).astype(np.int64)


def _runs(positions: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return first and last of each stretch without a hole."""
    if not len(positions):
        return []
    breaks = np.flatnonzero(np.diff(positions) > 1)
    lows = positions[np.concatenate([[0], breaks + 1])]
    highs = positions[np.concatenate([breaks, [len(positions) - 1]])]
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def purged_folds(count: int, folds: int, purge: int = 0, embargo: int = 0) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return (training, judged) positions of purged k-fold cross-validation."""
    return [(training(count, judged, purge, embargo), judged) for judged in groups_of(count, folds)]


@dataclass(frozen=True)
class Combinatorial:
    """Combinatorial purged cross-validation (López de Prado 2018, chapter 12).

    Parameters
    ----------
    groups : list of ndarray
        Positions of each group.
    chosen : ndarray of int64, shape (splits, tested)
        Groups judged in each split.
    train : list of ndarray
        Training positions of each split, purged and embargoed.
    paths : ndarray of int64, shape (paths, groups)
        Split that gives each path its part in each group; a path has every group exactly once.
    """

    groups: list[NDArray[np.int64]]
    chosen: NDArray[np.int64]
    train: list[NDArray[np.int64]]
    paths: NDArray[np.int64]


def combinatorial(count: int, groups: int, tested: int, purge: int = 0, embargo: int = 0) -> Combinatorial:
    """Return every choice of `tested` groups out of `groups`, and the paths they make.

    There are C(groups, tested) splits and tested/groups of that many paths.

    Raises
    ------
    InputError
        ``split.few_days``; ``split.groups`` when nothing would be left to train on, or too many combinations.
    """
    if not 1 <= tested < groups or comb(groups, tested) > SPLITS_MAX:
        raise InputError("split.groups", groups=groups, tested=tested)
    parts = groups_of(count, groups)
    chosen = np.array(list(combinations(range(groups), tested)), dtype=np.int64)
    train = [training(count, np.concatenate([parts[g] for g in row]), purge, embargo) for row in chosen.tolist()]
    paths = np.empty((comb(groups, tested) * tested // groups, groups), dtype=np.int64)
    for group in range(groups):
        paths[:, group] = np.flatnonzero((chosen == group).any(axis=1))
    return Combinatorial(parts, chosen, train, paths)


# --- walk-forward ------------------------------------------------------------------------------------


def walk_forward(
    days: Sequence[int], train: int, test: int, anchored: bool = False, valid: int = 0, purge: int = 0, embargo: int = 1
) -> list[Division]:
    """Return windows that move forward by `test` until the last day (workstation 11, services 7.5).

    Parameters
    ----------
    days : sequence of int
    train, test, valid : int
        Calendar days; `valid` of them stand between train and test and help to choose.
    anchored : bool
        Every window begins on the first day instead of moving its beginning, too.
    purge, embargo : int
        Calendar days left out between what is chosen on and what is judged.

    Raises
    ------
    InputError
        ``split.length``; ``split.no_window`` when the days are too few for one.
    """
    if train < 1 or test < 1 or min(valid, purge, embargo) < 0:
        raise InputError("split.length", train=train, valid=valid, test=test)
    first, last = ordinal(days[0]), ordinal(days[-1])
    windows, shift = [], 0
    while True:
        seen = first - 1 + shift + train + valid
        judged_after = seen + purge + embargo
        if judged_after >= last:
            break
        judged = _between(days, judged_after, judged_after + test)
        chosen = _between(days, first - 1 if anchored else first - 1 + shift, seen - valid)
        helping = _between(days, seen - valid, seen)
        if judged and chosen and (helping or not valid):
            windows.append(Division((Fold(chosen, helping),), judged))
        shift += test
    if not windows:
        raise InputError("split.no_window", train=train, valid=valid, test=test, days=last - first + 1)
    return windows
