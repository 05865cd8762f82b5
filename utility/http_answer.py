"""What came back from one request, and what that proves about bytes on the wire."""

from __future__ import annotations

import msgspec

NOT_SENT = "not_sent"
"""No request byte was written: look-up, connect, TLS, host list or local limiter failed."""
TIMED_OUT = "timed_out"
"""Bytes were written and no whole answer came in time."""
BROKEN = "broken"
"""Bytes were written and the connection ended, or the answer was no HTTP."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, or the way it failed to come.

    Parameters
    ----------
    status : int
        0 when no whole answer was read.
    headers : dict
        Names in lower case.
    failure : str
        "", or one of NOT_SENT, TIMED_OUT, BROKEN.
    code : str
        Why, for `not_sent`: a stable code.
    retry_after_s : float
        Patience asked for by the local limiter.
    sent_ns : int
        Monotonic clock just before the first byte was written; 0 when none was.
    """

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    failure: str = ""
    code: str = ""
    retry_after_s: float = 0.0
    sent_ns: int = 0

    def retry_after(self, default_s: float) -> float:
        """Return the seconds to keep silent: what the header says and a tenth more (reliability P37)."""
        try:
            seconds = float(self.headers.get("retry-after", ""))
        except ValueError:
            seconds = default_s
        if not 0.0 <= seconds < 1e6:
            seconds = default_s
        return seconds * 1.1


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer to a place or cancel proves (reliability 3); `kind` as in BrokerOutcome."""

    kind: str
    code: str = ""
    venue_order_id: str = ""
    retry_after_s: float = 0.0
    ban_s: float = 0.0
    """All traffic of the key stops for so long."""


def unanswered(answer: Answer) -> Verdict | None:
    """Return the verdict of an answer that did not come, None when one did."""
    if answer.failure == NOT_SENT:
        return Verdict(kind="not_sent", code=answer.code or "venue.not_sent", retry_after_s=answer.retry_after_s)
    if answer.failure:
        return Verdict(kind="in_doubt", code=f"venue.{answer.failure}")
    return None
