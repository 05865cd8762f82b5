"""Arming: what a venue says of a key, and the token that lets one trader use it for a while (reliability P32)."""

from __future__ import annotations

import msgspec

from domain.instruments import Balance

LIFE_NS = 12 * 3_600 * 1_000_000_000
"""A token lasts half a day, or to the end of the session where that comes first."""
STARTS_MAX = 4
"""A trader is started once and, after crashes, three times more on one token."""
SKEW_MS_MAX = 500.0


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue answers about a key before anybody trades with it; None = the venue does not say.

    Parameters
    ----------
    account : str
        The account's number at the venue; "" where it has none: then the key itself names the account.
    can_trade, can_withdraw, ip_bound : bool or None
    expires_ns : int
        UTC; 0 = not told, or never.
    skew_ms : float
        The venue's clock less ours.
    balances : tuple of Balance
    """

    account: str
    can_trade: bool | None
    can_withdraw: bool | None
    ip_bound: bool | None = None
    expires_ns: int = 0
    skew_ms: float
    balances: tuple[Balance, ...] = ()


class ArmingToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's leave to trade, for one run of one market on one account. It is never written down.

    Parameters
    ----------
    nonce : str
        Names it in the ledger, which counts the starts on it.
    account, market, venue, run, build
        What it is for; a trader that is anything else refuses it.
    strategy : str
        ``<name>/<version>`` of the one strategy that may enter.
    limits : str
        Digest of the limits that the person was shown, the two stops of the account among them.
    rule : str
        Digest of the strategy's text with its variables.
    verdict : int
        Number of the verdict that passed exactly this rule; 0 = there is none.
    overrule : str
        What the person wrote in its stead.
    boot : str
        The machine's boot: a token does not outlive it.
    issued_ns, expires_ns : int
        UTC.
    expires_mono_ns : int
        Monotonic: setting the clock back does not prolong it.
    """

    nonce: str
    account: str
    market: str
    venue: str
    run: int
    build: str
    strategy: str
    limits: str
    rule: str
    verdict: int
    overrule: str
    boot: str
    issued_ns: int
    expires_ns: int
    expires_mono_ns: int
