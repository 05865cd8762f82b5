"""Issuing and judging arming tokens (reliability P32).

The main process issues one after a person has confirmed at a terminal, hands it to the trader over the
inherited pipe beside the venue's keys, and keeps it in memory alone: no file, no environment and no command
can arm. The trader judges it against what it itself is, and counts the starts on it in its ledger.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from domain.arming import LIFE_NS, STARTS_MAX, ArmingToken
from domain.errors import RefusedError
from domain.instruments import NS, Market
from domain.ports import Credentials
from domain.process_config import LiveOptions, ProcessConfig
from domain.settings import Risk, Settings
from storage.ledger import Ledger
from trading.effects import Moment
from trading.ruling import OVERRULE_LEAST, Ruling, is_reason
from utility.build import build

if TYPE_CHECKING:  # the desk is judged here, and imports nothing of it
    from trading.desk import Desk, Options

CURSOR = "arming"
"""The ledger's cursor: ``<nonce>:<starts>:<issued_ns>`` of the newest token that was accepted."""
UNTIL = "armed_until"
"""The ledger's cursor: UTC ns until which the account is armed; 0 = it is not."""


@dataclass(frozen=True)
class Grant:
    """What a confirmed person gives a run: the keys, and what the token is to say."""

    account: str
    credentials: Credentials
    strategy: str
    limits: str
    ruling: Ruling
    expires_ns: int
    expires_mono_ns: int
    issued_ns: int
    boot: str

    def token(self, market: str, venue: str, run: int) -> ArmingToken:
        """Return the token for a run; each has its own name."""
        return ArmingToken(
            nonce=secrets.token_hex(16),
            account=self.account,
            market=market,
            venue=venue,
            run=run,
            build=build(),
            strategy=self.strategy,
            limits=self.limits,
            rule=self.ruling.rule,
            verdict=self.ruling.number if self.ruling.passes else 0,
            overrule=self.ruling.overrule,
            boot=self.boot,
            issued_ns=self.issued_ns,
            expires_ns=self.expires_ns,
            expires_mono_ns=self.expires_mono_ns,
        )


def grant(
    account: str,
    credentials: Credentials,
    options: LiveOptions,
    settings: Settings,
    market: Market,
    ruling: Ruling,
    utc_ns: int,
    mono_ns: int,
) -> Grant:
    """Return the grant of a person who has just confirmed.

    Raises
    ------
    RefusedError
        ``arm.no_verdict``: the rule has not passed the court, and nobody has overruled that in writing.
    """
    if not ruling.stands:
        raise RefusedError("arm.no_verdict", least=OVERRULE_LEAST)
    life_ns, own = min(LIFE_NS, session_left_ns(market, utc_ns)), settings.market(options.market).strategy
    return Grant(
        account=account,
        credentials=credentials,
        strategy=strategy_id(options),
        limits=limits_digest(settings.risk, own.max_positions, (own.stop_loss_pct, own.stop_gain_pct)),
        ruling=ruling,
        expires_ns=utc_ns + life_ns,
        expires_mono_ns=mono_ns + life_ns,
        issued_ns=utc_ns,
        boot=boot_id(),
    )


def session_left_ns(market: Market, utc_ns: int) -> int:
    """Return what is left of the session; a coin's day has no end that would stop trading."""
    if market.kind == "coin":
        return LIFE_NS
    second = (utc_ns // NS + market.day_offset_s()) % 86_400
    return max(market.session_end_s - second, 0) * NS


def strategy_id(options: LiveOptions) -> str:
    """Return name and version of the run's strategy, as its intents bear them."""
    return "" if options.strategy is None else f"{options.strategy.name}/{options.strategy.version}"


def limits_digest(risk: Risk, max_positions: int, stops: tuple[float, float]) -> str:
    """Return a digest of the limits that a person is shown; `stops` are 손실중지 and 수익중지 in percent, 0 = none."""
    return hashlib.sha256(msgspec.json.encode([risk, max_positions, stops])).hexdigest()


def boot_id() -> str:
    """Return what changes when the machine is started again."""
    path = Path("/proc/sys/kernel/random/boot_id")
    if path.exists():
        return path.read_text("ascii").strip()
    import psutil

    return str(int(psutil.boot_time()) // 60)


def refusal(token: ArmingToken | None, config: ProcessConfig, kept: str, utc_ns: int, mono_ns: int) -> str:
    """Return why a trader may not trade on a token, as a code; "" when it may.

    Parameters
    ----------
    token : ArmingToken or None
    config : ProcessConfig
        What the trader is.
    kept : str
        The ledger's CURSOR.
    utc_ns, mono_ns : int
        Now.
    """
    if token is None:
        return "arm.no_token"
    ours = (config.account, config.market, config.venue, config.run, build())
    if (token.account, token.market, token.venue, token.run, token.build) != ours:
        return "arm.other_run"
    own = config.settings.market(config.market).strategy
    if token.limits != limits_digest(config.settings.risk, config.max_positions, (own.stop_loss_pct, own.stop_gain_pct)):
        return "arm.limits_changed"
    if not token.verdict and not is_reason(token.overrule):
        return "arm.no_verdict"
    if token.boot != boot_id():
        return "arm.rebooted"
    if utc_ns >= token.expires_ns or mono_ns >= token.expires_mono_ns or token.expires_mono_ns - mono_ns > LIFE_NS:
        return "arm.expired"
    nonce, starts, issued_ns = _kept(kept)
    if nonce == token.nonce:
        return "arm.too_many_starts" if starts >= STARTS_MAX else ""
    return "arm.old_token" if token.issued_ns <= issued_ns else ""


def accepted(token: ArmingToken, kept: str) -> str:
    """Return the ledger's CURSOR after one more start on a token."""
    nonce, starts, _ = _kept(kept)
    return f"{token.nonce}:{starts + 1 if nonce == token.nonce else 1}:{token.issued_ns}"


def _kept(text: str) -> tuple[str, int, int]:
    nonce, starts, issued_ns = (text.split(":") + ["", "0", "0"])[:3] if text else ("", "0", "0")
    return nonce, int(starts or 0), int(issued_ns or 0)


# --- in the trader ----------------------------------------------------------------------------------


def judge(config: ProcessConfig, ledger: Ledger, now: Moment) -> ArmingToken:
    """Return a live trader's token, the start on it noted in the ledger.

    Raises
    ------
    RefusedError
        Why there is no trading on it, as a code of `refusal`; nothing has left the process.
    """
    token, kept = config.arming, ledger.cursor_value(CURSOR)
    reason = refusal(token, config, kept, now.utc_ns, now.mono_ns)
    if token is None or reason:
        ledger.note("arming_refused", {"reason": reason})
        ledger.commit("arming", "trader", now.mono_ns, now.utc_ns)
        ledger.close(now.utc_ns)
        raise RefusedError(reason, account=config.account)
    fields = {"nonce": token.nonce, "strategy": token.strategy, "limits": token.limits, "expires_ns": token.expires_ns}
    court = {"rule": token.rule, "verdict": token.verdict, "overrule": token.overrule}
    ledger.note("armed", fields | court | {"build": token.build})
    ledger.cursor(CURSOR, accepted(token, kept))
    ledger.cursor(UNTIL, str(token.expires_ns))
    ledger.commit("arming", "person", now.mono_ns, now.utc_ns)
    return token


def is_armed(options: Options, is_entry: bool, strategy: str = "") -> bool:
    """Tell whether an order may leave: an entry while the token lasts and of its strategy; an exit once it has begun."""
    if not is_entry:
        return options.armed or options.was_armed
    return options.armed and (not strategy or options.armed_strategy in ("", strategy))


def disarm(desk: Desk, reason: str) -> None:
    """End the arming: no entries from now on, exits and cancels stay open. Nothing but another start arms again."""
    if not desk.options.armed:
        return
    desk.options = msgspec.structs.replace(desk.options, armed=False)
    desk.ledger.note("disarmed", {"reason": reason})
    desk.ledger.cursor(UNTIL, "0")
    desk.alarm("trader.disarmed", 40, reason=reason)
