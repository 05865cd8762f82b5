"""`stom.py verify` reads the exchange's own record beside the ledger and finds what one of them lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.main import run_command
from domain.orders import qty_text
from tests.doubles.trader_rig import Rig


def record(root: Path, rig: Rig, instance: str) -> list[dict[str, Any]]:
    """Return what an exchange that did what the rig's venue did would have written."""
    events: list[dict[str, Any]] = [{"event": "start", "market_ns": 1, "instance": instance, "balances": {}}]
    for number, held in enumerate(rig.venue.orders.values(), start=1):
        order = held.order
        events.append(
            {"event": "order", "number": number, "uuid": held.number, "client_id": order.client_order_id, "qty": qty_text(order.qty)}
        )
        for fill in held.fills:
            amount = fill.price * fill.qty / 10**8
            events.append({"event": "fill", "order": number, "qty": qty_text(fill.qty), "price": str(fill.price), "amount": f"{amount:f}"})
    return events


def write(root: Path, events: list[dict[str, Any]]) -> None:
    path = root / "exchange" / "upbit" / "1" / "truth.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode({"seq": n} | event) + b"\n" for n, event in enumerate(events, start=1)))


@pytest.fixture
def traded(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    rig = Rig(tmp_path / "accounts" / "upbit-paper", venue_instance="1-1-abcd").ready()
    rig.enter()
    rig.leave()
    rig.enter("KRW-BBB")
    rig.trader.close(rig.now)
    return tmp_path, record(tmp_path, rig, "1-1-abcd")


def verify(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = run_command(["verify", "--data-dir", str(root), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_record_that_agrees_is_counted(traded: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]) -> None:
    root, events = traded
    write(root, events)
    status, answer = verify(root, capsys)
    assert (status, answer["ok"], answer["truth"], answer["problems"]) == (0, True, 1, [])


def test_another_life_of_the_exchange_says_nothing(traded: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]) -> None:
    root, events = traded
    write(root, [{**events[0], "instance": "2-1-ffff"}, *events[1:3]])
    assert verify(root, capsys)[1]["truth"] == 0


def _lost_fill(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events, {**next(one for one in events if one["event"] == "fill")}]


def _lost_order(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events, {"event": "order", "number": 9, "uuid": "u9", "client_id": "a" * 26 + "-1", "qty": "1"}]


def _sent_twice(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = next(one for one in events if one["event"] == "order")
    return [*events, {**first, "number": 9, "uuid": "u9", "client_id": first["client_id"][:-1] + "2"}]


def _invented_fill(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return events[:-1]


def _other_price(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*events[:-1], {**events[-1], "amount": str(float(events[-1]["amount"]) + 2.0)}]


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (_lost_fill, {"verify.truth_fill", "verify.truth_sum"}),
        (_lost_order, {"verify.truth_order"}),
        (_sent_twice, {"verify.truth_order", "verify.truth_repeated"}),
        (_invented_fill, {"verify.truth_fill", "verify.truth_sum"}),
        (_other_price, {"verify.truth_fill"}),
    ],
)
def test_every_kind_of_difference_is_named(
    traded: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str], change: Any, codes: set[str]
) -> None:
    root, events = traded
    write(root, change(events))
    status, answer = verify(root, capsys)
    assert status == 4
    assert {problem["code"] for problem in answer["problems"]} == codes


def test_a_damaged_record_is_a_problem_with_its_line(traded: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]) -> None:
    root, events = traded
    write(root, events)
    path = root / "exchange" / "upbit" / "1" / "truth.jsonl"
    path.write_bytes(b"{broken\n" + path.read_bytes())
    status, answer = verify(root, capsys)
    assert status == 4
    assert answer["problems"][0]["code"] == "exchange.truth_damaged"
    assert answer["problems"][0]["line"] == 1
