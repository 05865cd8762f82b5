"""Trader and strategy host killed in the middle of a replay change no trade of it; a receiver's death ends it with status 4."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tools.rigs.parity import CHURN_BUY, CHURN_SELL, LIMIT_ORDERS, UNLIMITED

ROOT = Path(__file__).resolve().parents[2]
RULES = ["--set", "0=3", "--set", "1=8", "--set", "2=-3", "--betting", "1000000"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six made minutes of four symbols, and the rules."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "buy.txt").write_text(CHURN_BUY, "utf-8")
    (folder / "sell.txt").write_text(CHURN_SELL, "utf-8")
    for path, value in UNLIMITED.items():
        finished(stom(folder, "settings", "set", path, value))
    made = ["--market", "upbit", "--symbols", "4", "--hours", "0.1", "--seed", "7", "--events", "--quiet"]
    finished(stom(folder, "data", "make", *made))
    return folder


def stom(data: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "stom.py"), *words, "--data-dir", str(data)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finished(process: subprocess.Popen[str], status: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=200)
    assert process.returncode == status, err[-2000:] + out[-2000:]
    lines = out.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines and lines[-1].startswith("{") else {}


def replay(data: Path, *more: str) -> subprocess.Popen[str]:
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt")]
    return stom(data, "live", "--market", "upbit", "--replay", "made", "--speed", "max", *texts, *RULES, *more, "--json")


def kill(owner: subprocess.Popen[str], role: str) -> bool:
    """Kill the owner's process of a role; False when it has none."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == owner.pid and b"worker" in words and role.encode() in words:
            os.kill(int(folder.name), signal.SIGKILL)
            return True
    return False


def wait_for_rows(data: Path, process: subprocess.Popen[str], known: set[Path]) -> None:
    """Wait until the replay trades: its ledger is there and has an order."""
    import sqlite3

    while process.poll() is None:
        for ledger in set(data.glob("accounts/*/ledger.db")) - known:
            with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
                try:
                    if connection.execute("SELECT count(*) FROM orders").fetchone()[0] >= 3:
                        return
                except sqlite3.Error:
                    pass
        time.sleep(0.02)


def test_trader_and_host_killed_in_mid_replay_change_no_trade(data: Path) -> None:
    known = set(data.glob("accounts/*/ledger.db"))
    process, draw, killed = replay(data), random.Random(11), 0
    wait_for_rows(data, process, known)
    for role in ("trader", "strategy", "trader", "strategy"):
        killed += kill(process, role)
        time.sleep(draw.uniform(0.2, 1.2))
    live = finished(process)
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt")]
    test = finished(stom(data, "backtest", "--market", "upbit", *texts, *RULES, "--source", live["source"], "--json"))
    assert killed >= 3, "the replay was over before it was hurt"
    assert sum(one["restarts"] for one in live["processes"]) == killed
    assert live["trades"] > 20
    assert (live["trades"], live["trades_sha256"]) == (test["trades"], test["trades_sha256"])
    assert live["unexplained"] == 0


def test_resting_orders_survive_their_trader_and_their_host(data: Path) -> None:
    """Killed with orders in the book, both go on with them: the trades are those of the back-test that nobody killed."""
    orders = {side: LIMIT_ORDERS[side] | {"splits": 1, "ban_interval": False} for side in ("entry", "exit")}
    (data / "orders.json").write_text(json.dumps(orders), "utf-8")
    known, settings = set(data.glob("accounts/*/ledger.db")), ("--order-settings", str(data / "orders.json"))
    process, draw, killed = replay(data, *settings, "--resting", "rows"), random.Random(11), 0
    wait_for_rows(data, process, known)
    for role in ("trader", "strategy", "trader", "strategy"):
        killed += kill(process, role)
        time.sleep(draw.uniform(0.3, 1.5))
    live = finished(process)
    texts = ["--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), "--fill", "queue"]
    test = finished(stom(data, "backtest", "--market", "upbit", *texts, *settings, *RULES, "--source", live["source"], "--json"))
    assert killed >= 3, "the replay was over before it was hurt"
    assert live["trades"] > 10
    assert (live["trades"], live["trades_sha256"]) == (test["trades"], test["trades_sha256"])
    assert live["unexplained"] == 0


def test_a_receiver_that_dies_ends_the_replay(data: Path) -> None:
    known = set(data.glob("accounts/*/ledger.db"))
    process = replay(data)
    wait_for_rows(data, process, known)
    assert kill(process, "receiver")
    assert finished(process, 4)["error"]["code"] == "replay.process_lost"
