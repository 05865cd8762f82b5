"""A trader whose journal cannot be written (reliability P34): frozen, cancels leave, nothing else does.

The handle that failed is never used again. Once the volume takes a write the process ends, and the next start reads
the ledger and the venue's truth: coming back is the same path as any start.
"""

from __future__ import annotations

from domain.errors import StomError
from domain.instruments import NS
from trading.desk import Desk
from trading.effects import Alarm, Cancel, Effect, Emit, Moment, Stop
from trading.kill_switch import CANCEL, severity
from utility.room import has_room

PROBE_NS = NS


class Unwritable:
    """Waits for room on one desk's behalf."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._due_ns = 0
        self._was_cancelled = False

    def tick(self, now: Moment) -> list[Effect]:
        """Do what a frozen trader still may: obey a kill switch that cancels, and end when there is room again."""
        desk = self._desk
        if not self._due_ns:
            self._due_ns = now.mono_ns + PROBE_NS
        effects: list[Effect] = []
        if not self._was_cancelled and severity(desk.kill.level()) >= severity(CANCEL):
            self._was_cancelled = True
            effects += [Cancel(order) for order in desk.orders.live_orders()]
        if now.mono_ns >= self._due_ns:
            self._due_ns = now.mono_ns + PROBE_NS
            failure = desk.failure or StomError("ledger.write_failed")
            if has_room(desk.ledger.folder):
                effects += [Alarm("ledger.writable", {"path": str(desk.ledger.path)}, 30), Stop(failure.code, dict(failure.fields))]
            else:
                effects.append(Emit(desk.account_state()))
        return effects
