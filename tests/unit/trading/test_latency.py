"""What live trading measures of itself: the whole road and its hops, first attempts only, nothing of a warm-up."""

from __future__ import annotations

from trading.latency import PENDING_MAX, Latency, Spans


def test_the_road_and_its_hops_add_up() -> None:
    latency = Latency()
    latency.on_intent("i1", read_ns=1_000_000, came_ns=1_400_000, commit_ns=300_000, done_ns=1_900_000)
    latency.on_sent("i1-1", 2_000_000)
    found = latency.summary()
    hops = {name: figures["p50"] for name, figures in found.items()}
    assert hops == {"latency_us": 1_000.0, "intent_us": 400.0, "decide_us": 200.0, "commit_us": 300.0, "send_us": 100.0}
    assert hops["latency_us"] == sum(value for name, value in hops.items() if name != "latency_us")


def test_a_second_attempt_and_an_intent_without_a_frame_are_not_the_road() -> None:
    latency = Latency()
    latency.on_intent("i1", 1_000, 2_000, 500, 3_000)
    latency.on_sent("i1-1", 4_000)
    latency.on_sent("i1-2", 9_000_000)
    latency.on_intent("manual", 0, 2_000, 500, 3_000)
    latency.on_sent("manual-1", 4_000)
    found = latency.summary()
    assert (found["latency_us"]["count"], found["latency_us"]["max"], found["commit_us"]["count"]) == (1, 3.0, 2)


def test_reset_forgets_also_what_is_under_way() -> None:
    latency = Latency()
    latency.on_intent("i1", 1_000, 2_000, 500, 3_000)
    latency.reset()
    latency.on_sent("i1-1", 4_000)
    assert {figures["count"] for figures in latency.summary().values()} == {0}


def test_orders_that_never_leave_do_not_pile_up() -> None:
    latency = Latency()
    for number in range(PENDING_MAX + 10):
        latency.on_intent(f"i{number}", 1_000, 2_000, 500, 3_000)
    assert len(latency._pending) <= PENDING_MAX


def test_percentiles_of_a_name() -> None:
    spans = Spans()
    for microseconds in range(1, 101):
        spans.add("x", microseconds * 1_000)
    assert spans.one("x") == {"count": 100, "p50": 50.5, "p99": 99.0, "max": 100.0}
    assert spans.one("y")["count"] == 0
    assert list(spans.summary()) == ["x"]
