"""Arming end to end: a person at a terminal, the product's own processes, and a loopback server in the venue's place.

The server is the paper exchange, which knows nothing of it; the product believes it speaks to the real hosts
(tests/doubles/stand_in). Everything that must not arm is tried on the same road.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from utility.secrets import KeyPair, Vault

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "tests" / "doubles" / "stand_in" / "stom.py"
PASSWORD = "open sesame 1234"
WHY = "The venue is a stand-in, nothing is at stake."
BUY = "매수 = False\nif 체결강도 > 0:\n    매수 = True\n"
SELL = "if 보유시간 >= 5:\n    매도 = True\n"


@dataclass
class House:
    """A venue's stand-in, and a data directory with its key in the vault."""

    venue: str
    folder: Path
    first: dict[str, Any]
    log: Path
    words: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        port = self.first["rest"].split(":")[2].split("/")[0]
        return dict(os.environ, STOM_STAND_IN=f"{port}:{self.log}", STOM_ARMED="1", LC_ALL="C.UTF-8")

    @property
    def last_four(self) -> str:
        if self.venue == "binance":
            import zlib

            return str(100_000_000 + zlib.crc32(self.first["key"].encode()) % 900_000_000)[-4:]
        return str(self.first["key"][-4:])

    def command(self, *more: str) -> list[str]:
        words = ["live", "--market", self.venue, "--armed", "--buy", str(self.folder / "buy.txt"), "--sell", str(self.folder / "sell.txt")]
        return [sys.executable, str(STAND_IN), *words, "--data-dir", str(self.folder), "--json", "--lang", "en", *more]

    def truth(self) -> dict[str, Any]:
        return self._stom("exchange", "truth", "--venue", self.venue, "--data-dir", str(self.folder / "venue"))

    def orders_now(self) -> list[Any]:
        """Return the venue's orders, asked of the running server: no process is started that would take the time of those that trade."""
        request = urllib.request.Request(f"{self.first['control']}truth", headers={"X-Stom-Control": self.first["control_token"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return list(json.loads(answer.read())["orders"])

    def status(self) -> dict[str, Any]:
        return self._stom("status", "--data-dir", str(self.folder))

    def _stom(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(ROOT / "stom.py"), *words, "--json"], capture_output=True, text=True, check=True, timeout=60
        )
        return dict(json.loads(done.stdout))


@pytest.fixture(params=["upbit", "binance"])
def house(request: pytest.FixtureRequest, tmp_path: Path, lend: Callable[[Path], Path]) -> Iterator[House]:
    venue = request.param
    words = ["exchange", "--venue", venue, "--seed", "5", "--quiet", "--data-dir", str(tmp_path / "venue")]
    server = subprocess.Popen([sys.executable, str(ROOT / "stom.py"), *words], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    first = json.loads(server.stdout.readline())
    (tmp_path / "buy.txt").write_text(BUY, "utf-8")
    (tmp_path / "sell.txt").write_text(SELL, "utf-8")
    Vault(tmp_path / "vault.bin").save(PASSWORD, {venue: KeyPair(first["key"], first["secret"])})
    try:
        yield House(venue, lend(tmp_path), first, tmp_path / "connects.log")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        server.stdout.close()


class Terminal:
    """A person's terminal: what was shown, and what is typed."""

    def __init__(self, house: House, *more: str) -> None:
        try:
            self.master, slave = pty.openpty()
        except OSError as error:
            pytest.skip(f"no pseudo terminals here: {error}")
        self.process = subprocess.Popen(
            house.command(*more), stdin=slave, stderr=slave, stdout=subprocess.PIPE, env=house.environ, cwd=ROOT, close_fds=True
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(text, self.shown):
            assert time.monotonic() < deadline, self.shown
            assert self.read(0.2) or self.process.poll() is None, self.shown

    def read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65_536)
        except OSError:
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode() + b"\n")

    def end(self, seconds: float = 90.0) -> tuple[int, dict[str, Any]]:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self.read(0.2)
        while self.read(0.1):
            pass
        with self.process.stdout as stream:
            out = stream.read().decode()
        os.close(self.master)
        return self.process.returncode, json.loads(out) if out.strip() else {}


def nothing_was_traded(house: House) -> None:
    assert house.truth()["orders"] == []
    assert not (house.folder / "run").exists() or not list((house.folder / "run").glob("*.json"))
    assert not (house.folder / "accounts").exists()


@pytest.mark.slow
def test_a_person_arms_and_the_venue_gets_the_orders(house: House) -> None:
    terminal = Terminal(house)
    terminal.wait_for("Password of the vault")
    terminal.type(PASSWORD)
    terminal.wait_for("why it shall trade all the same")
    terminal.type(WHY)
    terminal.wait_for("Type the last four|type the last four")
    for part in (house.venue, "limits", "entries stop at 2%", "until"):
        assert part in terminal.shown
    assert PASSWORD not in terminal.shown
    terminal.type(house.last_four)
    terminal.wait_for("Armed: ")
    deadline = time.monotonic() + 150.0
    while not house.orders_now():
        assert time.monotonic() < deadline, terminal.shown
        terminal.read(1.0)
    state = house.status()
    terminal.process.send_signal(signal.SIGINT)
    status, result = terminal.end()
    assert status == 0, terminal.shown
    assert result["source"] == "recorded"
    assert len(house.truth()["orders"]) == result["orders"] > 0
    account = f"{house.venue}-{house.last_four.lower()}"
    assert account in terminal.shown
    assert WHY.encode() in b"".join(path.read_bytes() for path in (house.folder / "accounts" / account).glob("ledger.db*"))
    hosts = {line.split()[1] for line in house.log.read_text().splitlines()}
    assert hosts <= {"api.upbit.com", "api.binance.com", "stream.binance.com", "ws-api.binance.com"}
    assert (state["armed"], state["markets"][0]["paper"]) == ([account], False)
    assert house.status()["armed"] == []  # the run is over, and so is its arming
    # The token and the keys were told to nobody but the trader.
    for path in house.folder.rglob("*"):
        if path.is_file() and "venue" not in path.relative_to(house.folder).parts[0]:
            assert house.first["secret"].encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.parametrize("house", ["upbit"], indirect=True)
def test_a_wrong_number_starts_nothing(house: House) -> None:
    terminal = Terminal(house)
    terminal.wait_for("Password of the vault")
    terminal.type(PASSWORD)
    terminal.wait_for("why it shall trade all the same")
    terminal.type(WHY)
    terminal.wait_for("type the last four")
    terminal.type("0000")
    status, result = terminal.end()
    assert (status, result["error"]["code"]) == (3, "arm.wrong_number")
    nothing_was_traded(house)


@pytest.mark.slow
@pytest.mark.parametrize("house", ["upbit"], indirect=True)
def test_a_pipe_and_the_environment_start_nothing(house: House) -> None:
    typed = f"{PASSWORD}\n{house.last_four}\n".encode()
    done = subprocess.run(house.command(), input=typed, capture_output=True, env=house.environ, cwd=ROOT, timeout=120, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "arm.no_terminal")
    nothing_was_traded(house)
    assert not house.log.exists()
