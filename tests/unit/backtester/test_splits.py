"""No day is both chosen on and judged by, purge and embargo hold, and every path is whole."""

from __future__ import annotations

import datetime as dt
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.verdict.splits import (
    combinatorial,
    divide,
    fold_weights,
    groups_of,
    ordinal,
    purged_folds,
    walk_forward,
)
from domain.errors import InputError


def weekdays(count: int) -> list[int]:
    """Return trading days from Monday 2024-01-01, without weekends."""
    out, day = [], dt.date(2024, 1, 1)
    while len(out) < count:
        if day.weekday() < 5:
            out.append(int(day.strftime("%Y%m%d")))
        day += dt.timedelta(days=1)
    return out


def test_plain_split_counts_weeks_back_from_the_last_day() -> None:
    days = weekdays(50)  # ten weeks
    got = divide(days, "none", train=4 * 7, test=2 * 7)
    assert got.test == tuple(days[-10:])
    assert got.folds[0].train == tuple(days[-30:-10])
    assert got.folds[0].test == ()
    assert divide(days, "none").folds[0].train == tuple(days)


def test_validation_stands_between_train_and_test() -> None:
    days = weekdays(50)
    got = divide(days, "v", train=21, valid=7, test=7)
    assert (got.folds[0].train, got.folds[0].test, got.test) == (tuple(days[-25:-10]), tuple(days[-10:-5]), tuple(days[-5:]))


def test_cross_validation_has_a_fold_more_than_train_holds_validations() -> None:
    days = weekdays(50)
    got = divide(days, "vc", train=21, valid=7, test=7)
    assert len(got.folds) == 4
    assert got.folds[0].test == tuple(days[-10:-5])  # the most recent first
    assert got.folds[3].test == tuple(days[-25:-20])
    for fold in got.folds:
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) == 15
        assert set(fold.train) | set(fold.test) == set(got.search)
    assert not set(got.search) & set(got.test)


def test_weights_fall_from_the_most_recent_fold() -> None:
    assert fold_weights(4, weighted=True).tolist() == [2.0, 1.5, 1.0, 0.5]
    assert fold_weights(3, weighted=False).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "train", "valid", "test", "code"),
    [
        ("x", 0, 0, 0, "kind"), ("v", 7, 0, 0, "length"), ("none", 0, 0, 100, "empty"), ("v", 7, 100, 0, "empty"),
        ("none", -1, 0, 0, "length"),
    ],
)  # fmt: skip
def test_a_split_without_days_is_refused(kind: str, train: int, valid: int, test: int, code: str) -> None:
    with pytest.raises(InputError, match=rf"split\.{code}"):
        divide(weekdays(10), kind, train, valid, test)


@settings(max_examples=80, deadline=None)
@given(count=st.integers(8, 90), folds=st.integers(2, 8), purge=st.integers(0, 4), embargo=st.integers(0, 5))
def test_purge_and_embargo_hold_around_every_fold(count: int, folds: int, purge: int, embargo: int) -> None:
    judged_once = []
    for train, judged in purged_folds(count, folds, purge, embargo):
        judged_once += judged.tolist()
        low, high = judged[0], judged[-1]
        before, after = train[train < low], train[train > high]
        assert len(before) + len(after) == len(train)
        # Exactly so many are left out: none too near, none for nothing.
        assert before.tolist() == list(range(max(low - purge, 0)))
        assert after.tolist() == list(range(high + purge + embargo + 1, count))
    assert judged_once == list(range(count))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), groups=st.integers(2, 7), purge=st.integers(0, 2), embargo=st.integers(0, 2))
def test_every_combinatorial_path_is_whole_and_nothing_leaks(data: st.DataObject, groups: int, purge: int, embargo: int) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    count = data.draw(st.integers(groups * 2, 60))
    got = combinatorial(count, groups, tested, purge, embargo)
    assert len(got.chosen) == len(got.train) == comb(groups, tested)
    assert len(got.paths) == comb(groups - 1, tested - 1)
    for row, train in zip(got.chosen.tolist(), got.train, strict=True):
        judged = np.concatenate([got.groups[g] for g in row])
        for day in judged.tolist():
            near = (train >= day - purge) & (train <= day + purge + embargo)
            assert not near.any()
    used = set()
    for path in got.paths.tolist():
        assert len(path) == groups
        for group, split in enumerate(path):
            assert group in got.chosen[split]
            assert (group, split) not in used  # no part of a history is told twice
            used.add((group, split))
    assert len(used) == comb(groups, tested) * tested


def test_six_groups_by_two_make_fifteen_splits_and_five_paths() -> None:
    """López de Prado 2018, section 12.4: N = 6, k = 2."""
    got = combinatorial(60, 6, 2)
    assert (len(got.chosen), len(got.paths)) == (15, 5)


def test_too_few_days_are_refused() -> None:
    with pytest.raises(InputError, match=r"split\.few_days"):
        groups_of(3, 4)
    with pytest.raises(InputError, match=r"split\.groups"):
        combinatorial(100, 4, 4)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("valid", [0, 7])
def test_windows_move_forward_and_judge_every_day_once(anchored: bool, valid: int) -> None:
    days = weekdays(60)
    windows = walk_forward(days, train=21, test=7, anchored=anchored, valid=valid, purge=2, embargo=1)
    judged = [day for window in windows for day in window.test]
    assert judged == sorted(set(judged))
    assert judged[-1] == days[-1]
    assert judged == [day for day in days if day >= judged[0]]
    for window in windows:
        fold = window.folds[0]
        seen = (*fold.train, *fold.test)
        assert ordinal(window.test[0]) - ordinal(seen[-1]) > 3  # purge and embargo
        assert bool(fold.test) == bool(valid)
        assert not fold.test or fold.train[-1] < fold.test[0]
        assert not anchored or fold.train[0] == days[0]
        assert anchored or ordinal(fold.train[-1]) - ordinal(fold.train[0]) < 21


def test_no_window_is_said() -> None:
    with pytest.raises(InputError, match=r"split\.no_window"):
        walk_forward(weekdays(10), train=28, test=7)
