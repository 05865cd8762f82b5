"""The queue: due times, turns that are counted once, attempts, stops."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest

from backtester.batch_runner import BACK_OFF_S, NS, Interrupted, Runner
from backtester.board import board, csv_text
from backtester.schedule import Schedule, dated, parse, read
from domain.errors import DataError, InputError
from storage.batches import DONE, FAILED, MISSED, RUNNING, WAITING, Batches, BatchJob, Turn

HOUR = 3_600 * NS


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * NS


class Killed(BaseException):
    """The end of the process, where no handler of ours runs."""


class Bench:
    """A runner over a clock of its own, with commands that do as they are told."""

    def __init__(self, path: Path, now: str = "2026-11-20T12:00:00+00:00") -> None:
        self.store = Batches(path)
        self.clock = at(now)
        self.calls: list[tuple[int, int, str]] = []
        self.deeds: list[Any] = []

    def execute(self, job: BatchJob, turn: Turn, watch: Any) -> dict[str, Any]:
        self.calls.append((job.job, turn.turn, turn.study))
        deed = self.deeds.pop(0) if self.deeds else {}
        if isinstance(deed, tuple):
            watch({"note": "run", "study": deed[0]})
            deed = deed[1]
        if isinstance(deed, BaseException):
            raise deed
        return {"run": len(self.calls), "metrics": {"tg": float(len(self.calls))}} | deed

    def run(self, only: list[int] | None = None) -> Any:
        return Runner(self.store, self.execute, threading.Event(), lambda what, fields: None, lambda: self.clock).run(only)

    def add(self, *many: str, schedule: str = "", due: int = 0) -> list[int]:
        return self.store.add("b", [[one] for one in many], ".", schedule, due, self.clock)

    def states(self) -> list[str]:
        return [one.state for one in self.store.all()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "library.db")


def test_jobs_run_in_their_order_and_once(bench: Bench) -> None:
    assert bench.add("a", "b", "c") == [1, 2, 3]
    tally = bench.run()
    assert (tally.done, bench.states(), [call[0] for call in bench.calls]) == (3, [DONE] * 3, [1, 2, 3])
    assert bench.run().done == 0
    assert [(one.job, one.turn, one.state) for one in bench.store.turns()] == [(1, 1, DONE), (2, 1, DONE), (3, 1, DONE)]


def test_a_killed_turn_is_taken_up_again_and_counted_once(bench: Bench) -> None:
    bench.add("a", "b")
    bench.deeds = [("ga-1", Killed())]
    with pytest.raises(Killed):
        bench.run()
    assert bench.states() == [RUNNING, WAITING]
    reopened = Bench(bench.store.path)
    tally = reopened.run()
    assert (tally.recovered, tally.done) == (1, 2)
    assert reopened.calls == [(1, 1, "ga-1"), (2, 1, "")]
    assert [(one.turn, one.attempts, one.state) for one in reopened.store.turns(1)] == [(1, 2, DONE)]


def test_what_kills_the_runner_every_time_is_given_up(bench: Bench) -> None:
    bench.add("a", "b")
    for _ in range(3):
        bench.deeds = [Killed()]
        with pytest.raises(Killed):
            bench.run()
    tally = bench.run()
    assert (tally.failed, tally.done, bench.states()) == (1, 1, [FAILED, DONE])
    assert bench.store.turns(1)[0].result["code"] == "batch.gave_up"


def test_a_store_that_cannot_be_reached_is_tried_again_and_bad_words_are_not(bench: Bench) -> None:
    bench.add("a", "b")
    bench.deeds = [DataError("store.no"), InputError("backtest.fees", value="x")]
    tally = bench.run()
    assert (tally.retried, tally.failed, bench.states()) == (1, 1, [WAITING, FAILED])
    assert bench.run().done == 0  # not due yet
    for wait in BACK_OFF_S:
        bench.clock += wait * NS
        bench.deeds = [DataError("store.no")]
        tally = bench.run()
    assert (tally.failed, bench.states(), len(bench.store.turns(1))) == (1, [FAILED, FAILED], 1)
    found = board(bench.store.turns(), "tg")
    assert [(one["job"], one["code"]) for one in found["failed"]] == [(1, "store.no"), (2, "backtest.fees")]


@pytest.mark.parametrize("deed", [{"state": "stopped", "study": "ga-7"}, ("ga-7", Interrupted())])
def test_a_stop_saves_and_does_not_count_as_an_attempt(bench: Bench, deed: Any) -> None:
    bench.add("a", "b")
    for _ in range(5):
        bench.deeds = [deed]
        tally = bench.run()
        assert (tally.stopped, tally.done) == (True, 0)
    assert bench.run().done == 2
    assert bench.calls[-2:] == [(1, 1, "ga-7"), (2, 1, "")]


def test_a_repeated_job_waits_for_its_next_time(bench: Bench) -> None:
    every = parse("21:30", "weekdays").text()  # Korea: 12:30 UTC
    bench.add("a", schedule=every, due=at("2026-11-20T12:30:00+00:00"))  # a Friday
    assert bench.run().done == 0
    bench.clock += HOUR
    assert bench.run().done == 1
    assert bench.run().done == 0
    (job,) = bench.store.all()
    assert (job.state, job.due_ns) == (WAITING, at("2026-11-23T12:30:00+00:00"))
    bench.clock = at("2026-11-25T13:00:00+00:00")  # two times were slept through: one turn, and it is too late for it
    tally = bench.run()
    assert (tally.missed, tally.done) == (1, 0)
    assert [one.state for one in bench.store.turns(1)] == [DONE, MISSED]
    assert bench.store.all()[0].due_ns == at("2026-11-26T12:30:00+00:00")
    assert bench.run(only=[1]).done == 1  # named: now, whatever the time


def test_bulk_change_leaves_what_is_running(bench: Bench) -> None:
    bench.add("a", "b", "c")
    bench.store.begin(bench.clock)
    assert bench.store.change([1, 2, 3], batch="z", words={2: ["x", "y"]}) == 2
    assert [(one.batch, one.words) for one in bench.store.all()] == [("b", ["a"]), ("z", ["x", "y"]), ("z", ["c"])]
    assert bench.store.remove([1, 2]) == 1
    assert bench.add("d") == [4]  # a number is not given twice


def test_jobs_put_to_the_front_run_first_in_their_order(bench: Bench) -> None:
    bench.add("a", "b", "c", "d")
    assert bench.store.to_front([3, 4]) == 2
    assert bench.store.to_front([2]) == 1
    bench.run()
    assert [call[0] for call in bench.calls] == [2, 3, 4, 1]
    assert all(turn.due_ns >= 0 for turn in bench.store.turns())


def test_two_runners_never_take_one_job(bench: Bench) -> None:
    bench.add(*"abcdefgh")
    taken: list[int] = []

    def take() -> None:
        store = Batches(bench.store.path)
        while (found := store.begin(bench.clock)) is not None:
            taken.append(found[0].job)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_board_orders_and_spreads(bench: Bench) -> None:
    bench.add("a", "b", "c", "d")
    bench.deeds = [
        {"metrics": {"tg": 5.0, "mdd": 3.0}},
        {"metrics": {"tg": 9.0, "mdd": 8.0}},
        {"metrics": {"tg": 1.0, "mdd": 1.0}},
        {"metrics": {}},
    ]
    bench.run()
    assert [row["job"] for row in board(bench.store.turns(), "tg")["rows"]] == [2, 1, 3, 4]
    found = board(bench.store.turns(), "mdd")
    assert [row["job"] for row in found["rows"]] == [3, 1, 2, 4]
    assert (found["spread"]["median"]["tg"], found["spread"]["mean"]["tg"]) == (5.0, 5.0)
    assert csv_text(found["rows"]).count("\n") == 5


def test_times_of_a_schedule() -> None:
    daily = Schedule(dt.time(9, 0), frozenset(range(7)), "UTC")
    assert daily.after(at("2026-01-01T08:59:59+00:00")) == at("2026-01-01T09:00:00+00:00")
    assert daily.after(at("2026-01-01T09:00:00+00:00")) == at("2026-01-02T09:00:00+00:00")
    york = parse("02:30", "sun", "America/New_York")  # does not exist on 8 March 2026
    assert york.after(at("2026-03-07T00:00:00+00:00")) == at("2026-03-08T07:30:00+00:00")
    assert york.after(at("2026-03-08T07:30:00+00:00")) == at("2026-03-15T06:30:00+00:00")
    assert read(york.text()) == york
    assert parse("21:30", "mon,FRI").text() == "21:30:00 mon,fri Asia/Seoul"
    assert read("") is None
    late = at("2026-11-20T16:00:00+00:00")  # the 21st in Korea
    assert dated(["--from", "today-30d", "today", "todays"], late, "Asia/Seoul") == ["--from", "2026-10-22", "2026-11-21", "todays"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("25:00",), "batch.at"),
        (("x",), "batch.at"),
        (("09:00", "someday"), "batch.on"),
        (("09:00", ","), "batch.on"),
        (("09:00", "daily", "Mars"), "batch.zone"),
    ],
)
def test_bad_times_are_refused(words: tuple[str, ...], code: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(*words)
    assert caught.value.code == code
