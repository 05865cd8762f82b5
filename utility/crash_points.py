"""Named places where a fault rig may end the process (reliability 11, KILL).

Nothing happens at them unless a rig arms one, which a trader with an armed account refuses.
"""

from __future__ import annotations

from collections.abc import Callable

CRASH_POINTS = {
    "epoch_begun": "after the new epoch is durable, before anything was read from the venue",
    "intent_before_commit": "an intent was judged, nothing is durable",
    "intent_after_commit": "SUBMITTED is durable, nothing was handed to the sender",
    "before_bytes": "the last check passed, no byte was written",
    "after_bytes": "the request was written, its outcome is not known here",
    "outcome_before_commit": "the venue answered, the answer is not durable",
    "outcome_after_commit": "the answer is durable, nobody was told",
    "fill_before_commit": "a fill arrived and is not durable",
    "fill_after_commit": "a fill is durable, nobody was told",
    "cancel_after_commit": "PENDING_CANCEL is durable, the cancel was not sent",
    "snapshot_before_commit": "the venue's truth was applied and is not durable",
    "snapshot_after_commit": "the venue's truth is durable, the account is not READY",
    "attempt_after_commit": "a new attempt is durable, it was not sent",
}

_armed: tuple[str, Callable[[], None]] | None = None


def arm(name: str, act: Callable[[], None]) -> None:
    """Call `act` when the point is reached; KeyError when there is no such point."""
    global _armed
    if name not in CRASH_POINTS:
        raise KeyError(name)
    _armed = (name, act)


def disarm() -> None:
    """Let every point pass again."""
    global _armed
    _armed = None


def reach(name: str) -> None:
    """Pass a point; ``after_bytes`` is passed in whichever thread writes."""
    if _armed is not None and _armed[0] == name:
        _armed[1]()
