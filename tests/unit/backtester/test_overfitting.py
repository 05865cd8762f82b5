"""PBO by CSCV: the paper's exact case, the definition written out slowly, and noise against merit."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from backtester.verdict.overfitting import BLOCKS, blocks_for, cscv, paths, relative_rank
from backtester.verdict.sharpe import sharpe_of
from backtester.verdict.splits import combinatorial


def test_rules_that_even_out_over_the_sample_are_wholly_overfit() -> None:
    """Bailey et al. 2017, Monte-Carlo accuracy test, SR_Case = 0: every mean is 0 over the sample, and PBO is 1.000."""
    for sets, days in ((50, 500), (100, 1000)):
        daily = np.random.default_rng(sets).normal(size=(sets, days))
        daily -= daily.mean(axis=1, keepdims=True)
        daily /= daily.std(axis=1, keepdims=True)
        got = cscv(daily[:, days % BLOCKS :] - daily[:, days % BLOCKS :].mean(axis=1, keepdims=True), BLOCKS)
        assert len(got.logits) == comb(16, 8) == 12_870
        assert got.pbo == 1.0
        assert got.loss == 1.0
        assert got.slope < 0.0


def slowly(daily: np.ndarray, blocks: int) -> list[float]:
    """The definition, one combination after the other."""
    length = daily.shape[1] // blocks
    cut = [daily[:, k * length : (k + 1) * length] for k in range(blocks)]
    out = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([cut[k] for k in chosen], axis=1)
        outside = np.concatenate([cut[k] for k in range(blocks) if k not in chosen], axis=1)
        best = int(np.argmax(inside.mean(axis=1) / inside.std(axis=1)))
        share = relative_rank(outside.mean(axis=1) / outside.std(axis=1), best)
        out.append(np.log(share / (1 - share)))
    return out


def test_logits_are_the_definitions() -> None:
    daily = np.random.default_rng(7).normal(0.1, 1.0, size=(9, 60)) * np.arange(1, 10)[:, None]
    assert cscv(daily, 6).logits == pytest.approx(slowly(daily, 6), abs=1e-9)


def test_merit_is_told_from_noise() -> None:
    rng = np.random.default_rng(11)
    noise = [cscv(rng.normal(size=(40, 320)), 10).pbo for _ in range(12)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.15)
    daily = rng.normal(size=(40, 320))
    daily[7] += 0.5
    got = cscv(daily, 10)
    assert got.pbo < 0.01
    assert got.loss < 0.01


def test_rows_that_never_trade_rank_in_the_middle_of_nothing() -> None:
    daily = np.zeros((5, 40))
    assert np.isfinite(cscv(daily, 8).logits).all()
    daily[2] = np.random.default_rng(1).normal(1.0, 0.1, 40)
    assert cscv(daily, 8).pbo == 0.0


@pytest.mark.parametrize(("days", "blocks"), [(3, 0), (7, 0), (8, 4), (13, 6), (31, 14), (32, 16), (500, 16)])
def test_blocks_have_two_days_at_least(days: int, blocks: int) -> None:
    assert blocks_for(days) == blocks


def test_one_set_or_odd_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="CSCV"):
        cscv(np.zeros((1, 40)), 8)
    with pytest.raises(ValueError, match="CSCV"):
        cscv(np.zeros((3, 40)), 5)


def test_paths_join_what_the_chosen_did_on_days_they_were_not_chosen_on() -> None:
    daily = np.random.default_rng(2).normal(size=(6, 42))
    splits = combinatorial(42, 6, 2, purge=1, embargo=2)
    got = paths(daily, splits)
    assert got.daily.shape == (5, 42)
    for split, train in enumerate(splits.train):
        assert got.chosen[split] == sharpe_of(daily[:, train]).argmax()
    for path, row in zip(splits.paths.tolist(), got.daily, strict=True):
        for group, split in enumerate(path):
            days = splits.groups[group]
            assert not set(days.tolist()) & set(splits.train[split].tolist())
            assert np.array_equal(row[days], daily[got.chosen[split], days])
