"""Waiting and trying again: the pace of reconnects, and which errors a read is repeated for."""

import random

import pytest

from domain.errors import OutcomeUnknown, RateLimited, Refused, Unreachable
from utility.retry import Backoff, retry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_first_retry_is_at_once_then_grows_with_jitter_to_a_minute() -> None:
    clock = Clock()
    backoff = Backoff(clock, random.Random(1))
    delays = []
    for _ in range(12):
        delays.append(backoff.next_delay())
        clock.now += delays[-1] + 0.01
    assert delays[0] == 0.0
    assert delays[1] == 1.0
    assert all(delay <= 60.0 for delay in delays)
    assert max(delays) > 30.0
    assert len(set(delays[2:])) == len(delays[2:])


@pytest.mark.parametrize("lasted_s", [0.0, 1.5])
def test_never_more_than_six_attempts_a_minute(lasted_s: float) -> None:
    clock = Clock()
    backoff = Backoff(clock, random.Random(2))
    starts = []
    for _ in range(60):
        clock.now += backoff.next_delay()
        starts.append(clock.now)
        clock.now += lasted_s
        backoff.connected(lasted_s)
    assert all(starts[i + 6] - starts[i] >= 60.0 - 1e-6 for i in range(len(starts) - 6))


def test_after_a_connection_that_held_the_first_retry_is_at_once() -> None:
    clock = Clock()
    backoff = Backoff(clock, random.Random(3))
    backoff.next_delay()
    clock.now += 600.0
    backoff.connected(600.0)
    assert backoff.next_delay() == 0.0


def test_a_read_is_repeated_when_nothing_was_reached() -> None:
    waits: list[float] = []
    answers = [Unreachable("venue.unreachable"), RateLimited("venue.http_429", 1.1), "ok"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry(call, sleep=waits.append, rng=random.Random(1)) == "ok"
    assert 0.1 <= waits[0] <= 0.2
    assert waits[1] == 1.1


@pytest.mark.parametrize("error", [OutcomeUnknown("x"), Refused("x"), RateLimited("x", 3600.0)])
def test_an_unknown_outcome_a_refusal_and_a_long_ban_are_not_repeated(error: Exception) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        retry(call, sleep=lambda _: None)
    assert len(calls) == 1
