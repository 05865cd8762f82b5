"""A killed role is forked from the spare, which knows nothing; without it everything works as before."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import InvariantError
from domain.process_config import ProcessConfig
from tools.rigs.kill import Rig
from trading import spare
from trading.children import Child
from trading.process import SCHEMA
from trading.run_file import is_alive
from trading.spare import Forked
from utility.build import build
from utility.bus import make_keys

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a spare process is forked, which only Linux does safely here")


def turn_until(rig: Rig, check: object, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        rig.poll()
        if check():  # type: ignore[operator]
            return True
    return False


def come_back(rig: Rig, child: Child) -> None:
    died = child.process
    os.kill(child.pid, signal.SIGKILL)
    assert turn_until(rig, lambda: child.process is not died and child.is_ready)


def memory(pid: int) -> bytes:
    """Return everything a process may write to."""
    parts = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found and "[v" not in line:
                start, end = int(found[1], 16), int(found[2], 16)
                mem.seek(start)
                parts.append(mem.read(end - start))
    return b"".join(parts)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_roles_are_forked_from_the_spare_and_it_holds_no_key(
    tmp_path: Path, lend: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare, "FIRST_S", 0.0)
    rig = Rig("upbit", lend(tmp_path), 7, faults=())
    ours = rig.supervisor.spare
    try:
        assert rig.wait_ready()
        assert all(isinstance(child.process, subprocess.Popen) for child in rig.run.children.values())
        assert turn_until(rig, lambda: ours.is_loaded)
        for role in ("receiver", "strategy", "trader"):
            child = rig.run.children[rig.run.active_slot if role == "strategy" else role]
            come_back(rig, child)
            assert isinstance(child.process, Forked), role
            assert child.process.stdin is not None
            assert child.pid == child.process.pid
        traded = rig.live_orders
        assert turn_until(rig, lambda: time.monotonic() - rig.last_order_s < 0.5), traded()

        process = ours._process
        assert process is not None
        trader = rig.run.children["trader"]
        told = memory(trader.pid)
        assert trader.config.venue_secret.encode() in told  # the search finds what is there
        image = memory(process.pid)
        secrets = {trader.config.venue_key, trader.config.venue_secret, *(pair.secret for pair in rig.run.keys.values())}
        assert [secret[:6] for secret in secrets if secret.encode() in image] == []

        process.send_signal(signal.SIGKILL)
        process.wait()
        assert turn_until(rig, lambda: not ours.is_loaded)
        assert is_alive(trader.pid)  # who was forked from it lives on
        come_back(rig, trader)
        assert isinstance(trader.process, subprocess.Popen)
        assert turn_until(rig, lambda: ours.is_loaded)  # and a new spare is loaded
    finally:
        rig.close()
    assert ours._process is None


def config(role: str, data_dir: Path) -> ProcessConfig:
    """Return what a process of a role is told; nobody is at the other end of its control socket."""
    main, own = make_keys(), make_keys()
    return ProcessConfig(
        role=role,
        name=f"upbit.{role}",
        market="upbit",
        venue="upbit",
        build=build(),
        schema=SCHEMA,
        public_key=own.public,
        secret_key=own.secret,
        control="tcp://127.0.0.1:1",
        data_dir=str(data_dir),
        account="upbit-paper",
        server_keys={"main": main.public},
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_the_spare_tells_of_its_forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anew: list[str] = []
    monkeypatch.setattr(spare, "launch", lambda config: anew.append(config.role))
    ours = spare.Spare(tmp_path)
    ours.launch(config("trader", tmp_path))
    assert anew == ["trader"]  # not loaded: a new interpreter
    ours._start()
    try:
        deadline = time.monotonic() + 60.0
        while not ours.is_loaded and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = ours.launch(config("strategy", tmp_path))  # without a text
        assert isinstance(refused, Forked)
        assert refused.wait(20.0) == InvariantError.exit_status
        refused.stdin.close()
        waiting = ours.launch(config("trader", tmp_path))
        assert isinstance(waiting, Forked)
        place = Path(f"/proc/{waiting.pid}/fd/1")
        while place.readlink().name != "stderr-upbit.trader.log":
            assert time.monotonic() < deadline
        assert Path(f"/proc/{waiting.pid}/comm").read_text() == "trader\n"
        assert waiting.poll() is None
        waiting.kill()
        assert waiting.wait(20.0) == -signal.SIGKILL
        waiting.stdin.close()
        ours.launch(config("exchange", tmp_path))
        assert anew == ["trader", "exchange"]  # a role that the spare does not know
    finally:
        ours.close()
    assert not ours.is_loaded
