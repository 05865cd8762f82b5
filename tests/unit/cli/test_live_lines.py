"""A run whose standard error is a pipe says what it does, line by line."""

from __future__ import annotations

from collections import Counter, deque
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from cli.live_lines import LiveLines
from domain.messages import FillUpdate, PositionState
from domain.orders import QTY_UNIT, Fill


def child(name: str, role: str, *, is_ready: bool) -> Any:
    return SimpleNamespace(name=name, role=role, is_ready=is_ready)


def fill(number: int) -> FillUpdate:
    done = Fill(
        fill_key=f"k{number}",
        client_order_id=f"c{number}",
        venue_order_id=f"v{number}",
        instrument_id="upbit:KRW-BTC",
        side=1,
        qty=2 * QTY_UNIT,
        price=Decimal(100 + number),
        fee=Decimal(1),
        fee_asset="KRW",
        exchange_ns=1_790_000_000_000_000_000,
    )
    state = PositionState(
        instrument_id="upbit:KRW-BTC", qty=0, entry_price=0.0, entry_cost=0.0, entry_time=0, entry_row_time=0, realised=0.0
    )
    return FillUpdate(outbox_seq=number, fill=done, position=state)


def test_each_fill_once_and_the_state_every_few_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [100.0]
    monkeypatch.setattr("cli.live_lines.time.monotonic", lambda: clock[0])
    children = [child("upbit.trader", "trader", is_ready=False), child("upbit.compile", "compile", is_ready=False)]
    supervisor: Any = SimpleNamespace(markets={"upbit": None}, children=lambda: children)
    fills: deque[FillUpdate] = deque(maxlen=2)
    collector: Any = SimpleNamespace(fills={"upbit": fills}, accounts={}, rows=Counter(upbit=1234), trips=Counter())
    lines = LiveLines(supervisor, collector, "ko")
    fills.append(fill(1))
    lines.update()
    lines.update()
    said = capsys.readouterr().err
    assert said.count("KRW-BTC") == 1
    assert "매수 2 @ 101" in said
    fills.extend((fill(2), fill(3)))
    clock[0] += 6.0
    lines.update()
    said = capsys.readouterr().err
    assert said.count("KRW-BTC") == 2
    assert "시작 중: trader" in said
    children[0] = child("upbit.trader", "trader", is_ready=True)
    clock[0] += 6.0
    lines.update()
    said = capsys.readouterr().err
    assert "1,234" in said
    assert "시작 중" not in said
