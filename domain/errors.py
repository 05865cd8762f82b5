"""The error tree, sorted by what the caller does next.

    StomError(code, **fields)
    ├─ InputError              the person's text or number: show it beside the field
    │    ├─ SettingError
    │    └─ StrategyError      line, column, hint
    ├─ RefusedError            not allowed now: risk, arming, not ready
    ├─ VenueError              the far side
    │    ├─ Unreachable        retried with backoff in utility/retry.py and nowhere else
    │    ├─ RateLimited        retried after ``retry_after_s``
    │    ├─ Refused            final for this order; the session goes on
    │    └─ OutcomeUnknown     never resent: snapshot, reconcile, then decide
    ├─ DataError               gap, disorder, damage: the span is not ready and gives no signals
    └─ InvariantError          our own bug: log, stop this process, come back through reconciliation

A code is a stable lower-case word that the view turns into a sentence in the user's language; the
fields fill its blanks. Processes exchange codes and fields, never sentences.
"""

from __future__ import annotations

from typing import Any


class StomError(Exception):
    """Base of every error that STOM raises on purpose.

    Parameters
    ----------
    code : str
        Stable identifier such as ``"settings.unknown_key"``.
    **fields : Any
        What the sentence needs: file, line, field, limit, value.
    """

    exit_status = 1

    def __init__(self, code: str, **fields: Any) -> None:
        self.code = code
        self.fields = fields
        super().__init__(code)

    def __str__(self) -> str:
        if not self.fields:
            return self.code
        return self.code + " " + " ".join(f"{key}={value!r}" for key, value in self.fields.items())


class InputError(StomError):
    """The person's text, number or file is wrong; nothing was changed."""

    exit_status = 2


class SettingError(InputError):
    """A setting has an unknown name or a value outside its bounds."""


class StrategyError(InputError):
    """A strategy text was refused.

    Parameters
    ----------
    code : str
        Stable identifier of the rule that was broken.
    line, column : int
        1-based position in the text; 0 when the whole text is meant.
    **fields : Any
        What the sentence and the hint need.
    """

    def __init__(self, code: str, line: int = 0, column: int = 0, **fields: Any) -> None:
        super().__init__(code, **fields)
        self.line = line
        self.column = column


class RefusedError(StomError):
    """A request that is understood but not allowed now (risk, arming, not ready)."""

    exit_status = 3


class VenueError(StomError):
    """The far side failed or refused."""

    exit_status = 4


class Unreachable(VenueError):
    """Nothing reached the venue: name look-up, connect or local limiter failed."""


class RateLimited(VenueError):
    """The venue asked for patience."""

    def __init__(self, code: str, retry_after_s: float, **fields: Any) -> None:
        super().__init__(code, retry_after_s=retry_after_s, **fields)
        self.retry_after_s = retry_after_s


class Refused(VenueError):
    """The venue refused the request and documents that it was not processed."""


class OutcomeUnknown(VenueError):
    """The request may have reached the venue and its outcome is not proven."""


class DataError(StomError):
    """A gap, disorder or damage in market data or in a store."""

    exit_status = 4


class InvariantError(StomError):
    """Our own bug."""
