"""The paper account's keys travel over start pipes alone: no file, argument or environment of a live run holds them (P40)."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.rigs.kill import Rig
from trading import market_run, run_file
from utility import log as logs
from utility.secrets import MASK, RedactionFilter

KEY = "canaryKEY0123456789abcdefABCDEF0123"
SECRET = "canarySECRET/+9876543210fedcbaFEDCBA98765432"


def forms(value: str) -> list[bytes]:
    """Return the text as it is, in hex, and the inner part of each of its three base64 shapes."""
    raw = value.encode()
    found = [raw, raw.hex().encode(), raw.hex().upper().encode()]
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")[4 if shift else 0 :][:-2]
        found += [text, text.replace(b"+", b"-").replace(b"/", b"_")]
    return found


NEEDLES = [form for value in (KEY, SECRET) for form in forms(value)]


def hits(root: Path) -> list[str]:
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [f"{path.relative_to(root)} {needle.decode()[:12]}" for needle in NEEDLES if needle in data]
    return found


def process_hits(pid: int) -> list[str]:
    there = [(name, Path(f"/proc/{pid}/{name}").read_bytes()) for name in ("cmdline", "environ")]
    assert b"worker" in there[0][1]
    return [f"{pid} {name}" for name, data in there for needle in NEEDLES if needle in data]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for number, data in enumerate(NEEDLES):
        (tmp_path / str(number)).write_bytes(b"x" + data + b"y")
    assert len(hits(tmp_path)) >= len(NEEDLES)


def test_every_handler_masks_before_it_formats(tmp_path: Path) -> None:
    files = logs.LogFiles(tmp_path)
    for handler in (logs.QueueHandler(lambda: None), logs.FileHandler(files)):
        assert any(isinstance(one, RedactionFilter) for one in handler.filters)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    bare = logging.NullHandler()
    try:
        logs.install(bare, "info")
        assert any(isinstance(one, RedactionFilter) for one in bare.filters)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert logging.lastResort is not None
    assert any(isinstance(one, RedactionFilter) for one in logging.lastResort.filters)


def test_a_traceback_is_written_and_masked(tmp_path: Path) -> None:
    from utility.secrets import hide

    hide(SECRET)
    handler = logs.QueueHandler(lambda: None)
    logger = logging.getLogger("stom.test.leak")
    logger.addHandler(handler)
    try:
        raise ValueError(f"refused {SECRET}")
    except ValueError:
        logger.error("event=crashed", exc_info=True)
    finally:
        logger.removeHandler(handler)
    text = handler.queue[0].text
    assert "ValueError" in text
    assert Path(__file__).name in text
    assert MASK in text
    assert SECRET not in text


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system does not show arguments and environments as files")
def test_a_live_run_writes_no_key_anywhere(tmp_path: Path, lend: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_run, "paper_keys", lambda seed: (KEY, SECRET))
    rig = Rig("binance", lend(tmp_path), 3, faults=())
    try:
        assert rig.wait_ready()
        trader = rig.run.children["trader"]
        assert (trader.config.venue_key, trader.config.venue_secret) == (KEY, SECRET)
        deadline = time.monotonic() + 60.0
        while not rig.last_order_s and time.monotonic() < deadline:
            rig.poll()
        assert rig.last_order_s  # signed requests were sent and answered
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            rig.poll()
        assert run_file.path_of(rig.data, rig.run.run).exists()
        assert hits(tmp_path) == []
        assert [hit for child in rig.run.children.values() for hit in process_hits(child.pid)] == []
    finally:
        rig.close()
    assert hits(tmp_path) == []
    assert sum(path.is_file() for path in tmp_path.rglob("*")) > 10
