"""The exchange's own append-only record: what it was asked, what it did, what the account held.

Written by the core alone, one JSON object a line, flushed to the system with each event, so that a
rig can compare the client's ledger with it. It is never made from what a client says.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO, Any

import msgspec

from domain.errors import InputError
from utility import alarm_words

log = logging.getLogger(__name__)

WAITING_MAX = 64 << 20
"""Bytes that may wait for a full disk; more would only move the failure into memory."""


class TruthLedger:
    """Appends to ``truth.jsonl``; with no path it keeps the lines in memory (tests).

    Parameters
    ----------
    path : Path or None
        Its folder is made; an existing file is continued.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        self._seq = 0
        self._file: IO[bytes] | None = None
        self._unwritten = b""
        self._is_told = False
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def write(self, event: str, market_ns: int, **fields: Any) -> None:
        """Append one event."""
        self._seq += 1
        line = {"seq": self._seq, "event": event, "market_ns": market_ns, **fields}
        if self._file is None:
            self.lines.append(line)
        else:
            self._unwritten += msgspec.json.encode(line) + b"\n"
            self._write_out(self._file)

    def _write_out(self, file: IO[bytes]) -> None:
        """Write what waits; on a full disk it goes on waiting, because the judge may not forget and the market may not stop."""
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[file.write(self._unwritten) :]
        except OSError as error:
            if not self._is_told:
                log.error("%s", alarm_words.write("exchange.truth_waits", {"path": self.path, "reason": error.strerror or str(error)}))
            self._is_told = True
            if len(self._unwritten) > WAITING_MAX:
                raise
        else:
            self._is_told = False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._write_out(self._file)
            self._file.close()
            self._file = None


def read_truth(path: Path) -> list[dict[str, Any]]:
    """Return the events of a truth record; a torn last line (a kill in mid-write) is left out.

    Raises
    ------
    InputError
        A line before the last is no JSON object.
    """
    out: list[dict[str, Any]] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            out.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            if number == len(lines):
                break
            raise InputError("exchange.truth_damaged", path=str(path), line=number) from None
    return out


def summarise(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return orders with their last state, fills, refusals and the last balances."""
    orders: dict[int, dict[str, Any]] = {}
    fills, refused, cancels = [], [], []
    balances: dict[str, dict[str, str]] = {}
    header: dict[str, Any] = {}
    for event in events:
        what = event["event"]
        if what == "start":
            header = {key: value for key, value in event.items() if key not in ("seq", "event")}
        elif what == "order":
            orders[event["number"]] = {key: value for key, value in event.items() if key not in ("seq", "event")}
        elif what == "fill":
            fills.append({key: value for key, value in event.items() if key != "event"})
        elif what == "state":
            orders[event["number"]] |= {key: value for key, value in event.items() if key not in ("seq", "event", "number", "market_ns")}
            if event.get("status") in ("canceled", "expired"):
                cancels.append({"number": event["number"], "status": event["status"], "reason": event.get("reason", "")})
        elif what == "refused":
            refused.append({key: value for key, value in event.items() if key != "event"})
        if what in ("balances", "start"):
            balances |= event["balances"]
    return {
        **header,
        "events": len(events),
        "orders": list(orders.values()),
        "fills": fills,
        "ended": cancels,
        "refused": refused,
        "balances": balances,
    }
