"""The main process dies: no entries without it, and the next main takes its children over (reliability P12)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.records import row_schema
from tools.rigs.kill import Rig, settings
from trading.run_file import is_alive, newest
from trading.supervisor import Supervisor
from utility.paths import DataDir

ROOT = Path(__file__).resolve().parents[2]
MAIN = """
import sys
from pathlib import Path
import msgspec
from tools.rigs.kill import Rig
from tools.rigs import kill
free = kill.settings()
processes = msgspec.structs.replace(free.processes, unadopted_s=float(sys.argv[2]))
kill.settings = lambda: msgspec.structs.replace(free, processes=processes)
rig = Rig("upbit", Path(sys.argv[1]), 3, faults=())
assert rig.wait_ready()
print("ready", flush=True)
while True:
    rig.poll(50)
"""


def entries(folder: Path, since_ns: int) -> int:
    with sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True, timeout=2.0) as connection:
        found = connection.execute("SELECT count(*) FROM orders WHERE action = 'entry' AND created_ns > ?", (since_ns,)).fetchone()
    return int(found[0])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_entries_without_main_and_the_next_main_adopts(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    data = DataDir(lend(tmp_path))
    main = subprocess.Popen([sys.executable, "-c", MAIN, str(tmp_path), "60"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    children: list[int] = []
    try:
        assert main.stdout.readline().strip() == "ready"
        account = data.account("upbit-paper")
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline and not entries(account, 0):
            time.sleep(0.1)
        assert entries(account, 0) > 0
        left, deadline = newest(data), time.monotonic() + 60.0
        # While a host hands over to its compiled successor both stand in the file, and the heir takes one of them.
        while time.monotonic() < deadline and left is not None and sum(len(market.children) for market in left.markets) > 4:
            time.sleep(0.1)
            left = newest(data)
        assert left is not None
        children = [child.pid for market in left.markets for child in market.children]
        assert oct((data.run / f"{left.run}.json").stat().st_mode & 0o777) == "0o600"
        os.kill(main.pid, signal.SIGKILL)
        main.wait()
        time.sleep(2.5)
        quiet_from = time.time_ns()
        time.sleep(3.0)
        assert entries(account, quiet_from) == 0
        assert all(is_alive(pid) for pid in children)

        began = time.monotonic()
        supervisor = Supervisor(data, settings(), view=False)
        try:
            run = supervisor.markets["upbit"]
            heir = Rig.__new__(Rig)
            heir.supervisor, heir.run, heir.results, heir.market = supervisor, run, {}, "upbit"
            heir.data, heir.alarms, heir.last_order_s = data, {}, 0.0  # type: ignore[assignment]
            heir._schema, heir._table, heir.quiet = row_schema("coin", 1), (), ""  # rows may come before it is ready
            heir_is_ready = heir.wait_ready(60.0)
            standing = {child.name: (child.is_ready, child.restarts, child.failure) for child in run.children.values()}
            assert heir_is_ready, (run.is_started, standing)
            assert time.monotonic() - began <= 5.0 * (1.0 + os.getloadavg()[0])
            assert sorted(child.pid for child in run.children.values()) == sorted(children)
            resumed = time.time_ns()
            deadline = time.monotonic() + 30.0
            while time.monotonic() < deadline and not entries(account, resumed):
                supervisor.poll(50)
            assert entries(account, resumed) > 0

            # The run file holds no venue keys: the heir finds them again when it has to start a child.
            trader = run.children["trader"]
            adopted = trader.pid
            os.kill(adopted, signal.SIGKILL)
            deadline = time.monotonic() + 30.0
            while time.monotonic() < deadline and (trader.pid == adopted or not trader.is_ready):
                supervisor.poll(50)
            assert trader.is_ready
            children.append(trader.pid)
        finally:
            supervisor.close()
        assert not any(is_alive(pid) for pid in children)
        assert newest(data) is None
    finally:
        main.kill()
        main.wait()
        main.stdout.close()
        for pid in children:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_paper_children_that_nobody_adopts_end(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    data = DataDir(lend(tmp_path))
    main = subprocess.Popen([sys.executable, "-c", MAIN, str(tmp_path), "4"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    children: list[int] = []
    try:
        assert main.stdout.readline().strip() == "ready"
        left = newest(data)
        assert left is not None
        children = [child.pid for market in left.markets for child in market.children]
        os.kill(main.pid, signal.SIGKILL)
        main.wait()
        time.sleep(2.0)
        assert all(is_alive(pid) for pid in children)  # they wait for an heir
        deadline = time.monotonic() + 4.0 + 10.0
        while any(is_alive(pid) for pid in children) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(is_alive(pid) for pid in children)
    finally:
        main.kill()
        main.wait()
        main.stdout.close()
        for pid in children:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
