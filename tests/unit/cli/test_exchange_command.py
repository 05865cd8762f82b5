"""`stom.py exchange`: the first line, the truth afterwards, and what is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.main import run_command
from domain.process_config import ExchangeOptions

ROOT = Path(__file__).resolve().parents[3]


def serve(tmp_path: Path, *words: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, str(ROOT / "stom.py"), "exchange", "--data-dir", str(tmp_path), "--quiet", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate(timeout=10)[1])
    return process, json.loads(line)


def test_it_serves_until_interrupted_and_leaves_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"where": "request", "action": "maintenance", "match": {"path": "/api/v3/ping"}, "count": 1}]')
    process, first = serve(tmp_path, "--venue", "binance", "--symbols", "1", "--seed", "3", "--speed", "5", "--faults", str(faults))
    try:
        assert first["venue"] == "binance"
        assert first["seed"] == 3
        assert first["symbols"] == ["BTCUSDT"]
        assert len(first["key"]) >= 32
        assert set(first["websocket"]) == {"public", "private"}
        assert all(address.split("/")[2].startswith("127.0.0.1:") for address in (first["rest"], *first["websocket"].values()))
        assert [httpx.get(f"{first['rest']}/api/v3/ping", trust_env=False).status_code for _ in range(2)] == [503, 200]
        state = httpx.get(f"{first['control']}state", headers={"X-Stom-Control": first["control_token"]}, trust_env=False).json()
        assert state["requests"] == 2
    finally:
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert time.monotonic() - begun < 2.5
    assert run_command(["exchange", "truth", "--json", "--data-dir", str(tmp_path)]) == 0
    truth = json.loads(capsys.readouterr().out)
    assert truth["run"] == 1
    assert truth["balances"]["USDT"] == {"free": "100000", "locked": "0"}
    assert truth["balances"]["BNB"]["free"] == "1000"
    assert truth["orders"] == truth["fills"] == []


def test_refusals_name_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["exchange", "--data-dir", str(tmp_path), "--lang", "en"]
    assert run_command([*base, "truth"]) == 2
    assert "No paper exchange has left a record" in capsys.readouterr().err
    bad = tmp_path / "bad.json"
    bad.write_text('[{"where": "public", "action": "late_accept"}]')
    assert run_command([*base, "--faults", str(bad)]) == 2
    assert "late_accept" in capsys.readouterr().err
    assert run_command([*base, "--symbols", "0"]) == 2
    assert "from 1 to 100" in capsys.readouterr().err
    assert run_command([*base, "--replay", "recorded"]) == 2
    assert "recorded" in capsys.readouterr().err
    damaged = tmp_path / "exchange" / "upbit" / "4" / "truth.jsonl"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"event":"start","balances":{}}\nrubbish\n{"event":"x"}\n{"ev')
    assert run_command([*base, "truth"]) == 2
    assert "line 2" in capsys.readouterr().err


def test_options_do_not_print_keys() -> None:
    assert "geheim" not in repr(ExchangeOptions(key="geheim", secret="geheim"))
