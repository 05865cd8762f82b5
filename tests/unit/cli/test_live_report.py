"""What a live run tells at its end: money by currency, what is held, refusals of every life of the trader."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from cli.live import show
from cli.live_report import Collector, _by_currency
from tests.doubles.trader_rig import Rig
from utility.paths import DataDir


def test_refusals_and_positions_outlive_a_killed_trader(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "accounts" / "upbit-paper").ready()
    rig.enter()
    for _ in range(2):
        rig.enter(qty=30_000)
        rig.crash()
        rig.ready()
    told = dict(rig.trader.desk.counters.refusals)
    assert told == {}, "the new life remembers nothing"
    collector = Collector(None, DataDir(tmp_path))  # type: ignore[arg-type]
    collector.ledgers["upbit"], collector._began_ns = str(rig.trader.desk.ledger.path), 0
    assert collector._refusals("upbit", told) == {"max_order_pct": 2}
    assert collector._refusals("upbit", {"max_order_pct": 7, "journal": 1}) == {"max_order_pct": 7, "journal": 1}
    assert [(one["instrument_id"], one["qty"]) for one in collector._positions("upbit")] == [("upbit:KRW-AAA", "100")]
    collector._began_ns = rig.now.utc_ns + 1
    assert collector._refusals("upbit", told) == {}, "an earlier run's are not counted"


def parts() -> list[dict[str, Any]]:
    return [
        {"currency": "KRW", "pnl": -19_621.787, "realised": -6_408.2325, "unrealised": -13_213.5545},
        {"currency": "USDT", "pnl": -4.6057, "realised": -4.6057, "unrealised": 0.0},
    ]


def test_won_and_dollars_are_never_added(capsys: pytest.CaptureFixture[str]) -> None:
    found = _by_currency(parts())
    assert found["pnl"] == {"KRW": -19_621.787, "USDT": -4.6057}
    counts = dict.fromkeys(("ticks", "rows", "signals", "intents", "orders", "fills", "trades", "gaps", "unexplained"), 0)
    result = counts | {f"{name}_by_currency": sums for name, sums in found.items()}
    held = [{"instrument_id": "upbit:KRW-BTC", "qty": "0.5"}]
    result |= {"latency_us": {"p50": 0, "p99": 0, "max": 0}, "refusals": {}, "trades_sha256": "", "source": "run1", "ledger_path": ""}
    show(argparse.Namespace(lang="en", json=False), result | {"positions": held})
    said = capsys.readouterr().out
    assert "-19,622 KRW (realised -6,408, open -13,214)" in said
    assert "-4.61 USDT" in said
    assert "KRW-BTC 0.5" in said
    assert "sells nothing" in said
