"""The limiter never lets more through than the venue allows in any stretch of its period."""

import random

import pytest

from utility.rate_limit import Limit, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limiter(count: float = 10, period_s: float = 1.0) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter({"order": Limit(count, period_s)}, clock), clock


def test_entries_leave_three_tenths_for_exits() -> None:
    limits, _ = limiter()
    assert sum(limits.take("order") == 0.0 for _ in range(20)) == 7
    assert sum(limits.take("order", is_urgent=True) == 0.0 for _ in range(20)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_no_stretch_of_a_period_holds_more_than_the_limit(seed: int) -> None:
    limits, clock = limiter(12, 1.0)
    rng = random.Random(seed)
    sent: list[float] = []
    while clock.now < 110.0:
        if limits.take("order", is_urgent=rng.random() < 0.5) == 0.0:
            sent.append(clock.now)
        clock.now += rng.expovariate(60.0)
    assert len(sent) > 80
    assert all(sent[i + 12] - sent[i] >= 1.0 for i in range(len(sent) - 12))


def test_the_wait_it_names_is_enough_and_not_much_more() -> None:
    limits, clock = limiter()
    for _ in range(10):
        limits.take("order", is_urgent=True)
        clock.now += 0.02
    wait = limits.take("order", is_urgent=True)
    clock.now += wait - 0.001
    assert limits.take("order", is_urgent=True) > 0.0
    clock.now += 0.002
    assert limits.take("order", is_urgent=True) == 0.0


def test_a_group_smaller_than_its_reserve_still_lets_one_out() -> None:
    limits, _ = limiter(1, 2.0)
    assert limits.take("order") == 0.0
    assert 1.9 < limits.take("order") <= 2.0


def test_cost_larger_than_the_limit_goes_out_alone() -> None:
    limits, clock = limiter(10, 1.0)
    assert limits.take("order", 80.0, is_urgent=True) == 0.0
    assert limits.take("order", 1.0, is_urgent=True) > 0.0
    clock.now += 1.01
    assert limits.take("order", 1.0, is_urgent=True) == 0.0


def test_others_of_the_same_key_are_counted_when_the_venue_says_less_is_left() -> None:
    limits, _ = limiter()
    limits.take("order")
    limits.left("order", 2)
    assert sum(limits.take("order", is_urgent=True) == 0.0 for _ in range(5)) == 2


def test_a_wider_limit_is_learnt_from_the_answer() -> None:
    limits, _ = limiter(12)
    limits.take("order")
    limits.left("order", 999)
    found = limits.limit("order")
    assert found is not None
    assert found.count == 1000


def test_ban_holds_every_group_and_silence_only_its_own() -> None:
    limits, clock = limiter()
    limits.silence(5.0, "order")
    assert limits.take("order", is_urgent=True) == pytest.approx(5.0)
    assert limits.take("other") == 0.0
    limits.silence(30.0)
    assert limits.take("other", is_urgent=True) == pytest.approx(30.0)
    clock.now += 30.1
    assert limits.take("order") == 0.0


def test_what_was_not_sent_is_given_back() -> None:
    limits, _ = limiter(2)
    assert limits.take("order", is_urgent=True) == 0.0
    assert limits.take("order", is_urgent=True) == 0.0
    limits.give_back("order")
    assert limits.take("order", is_urgent=True) == 0.0
    assert limits.take("order", is_urgent=True) > 0.0
