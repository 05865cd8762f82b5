"""Arming tokens and the preflight: what a token is bound to, when it ends, and what must be in order before one is given."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coin.markets import BINANCE, UPBIT
from domain.arming import LIFE_NS, ArmingToken, KeyFacts
from domain.errors import RefusedError
from domain.instruments import NS
from domain.messages import Command, CommandResult
from domain.order_settings import Entry, OrderSettings, plain
from domain.orders import Action
from domain.ports import Endpoint
from domain.process_config import LiveOptions, ProcessConfig, ReplayOptions, StrategyText
from domain.settings import Processes, Risk, Settings
from stock.markets import KRX
from storage.ledger import Ledger
from storage.studies import Judgement, Studies
from tests.doubles.trader_rig import START_UTC, Rig
from trading import arming, preflight
from trading.effects import Moment
from trading.kill_switch import Latch, write_latch
from trading.market_run import MarketRun
from trading.ruling import Ruling, is_reason, ruling_of
from trading.run_file import without_keys
from trading.venues import VENUES, venue
from utility.build import build
from utility.paths import DataDir
from utility.secrets import KeyPair
from utility.settings_file import change
from utility.text import LANGUAGES, has

KEYS = KeyPair("access-key-AB12", "secret-secret-secret")
TEXT = StrategyText(name="s", version="v1", buy="매수 = False", sell="매도 = False", betting=1.0)
OPTIONS = LiveOptions(market="upbit", strategy=TEXT, is_paper=False)
PASSED = Ruling("rule", 3, "pass")
NOW_UTC, NOW_MONO = START_UTC, 5_000 * NS


def make(**changes: Any) -> tuple[ArmingToken, ProcessConfig]:
    grant = arming.grant("upbit-ab12", KEYS, OPTIONS, Settings(), UPBIT, PASSED, NOW_UTC, NOW_MONO)
    token = msgspec.structs.replace(grant.token("upbit", "upbit", 7), **changes)
    words = {"role": "trader", "name": "upbit.trader", "market": "upbit", "venue": "upbit", "account": "upbit-ab12", "run": 7}
    rest = {"build": build(), "schema": 1, "public_key": "", "secret_key": "", "control": "", "data_dir": "", "is_paper": False}
    return token, ProcessConfig(**words, **rest, arming=token)


# --- what a token is bound to -------------------------------------------------------------------------


def test_a_good_token_is_good_for_this_run_alone() -> None:
    token, config = make()
    assert arming.refusal(token, config, "", NOW_UTC, NOW_MONO) == ""
    assert arming.refusal(None, config, "", NOW_UTC, NOW_MONO) == "arm.no_token"
    for field, value in (("run", 8), ("account", "upbit-ffff"), ("market", "binance"), ("venue", "binance")):
        other = msgspec.structs.replace(config, **{field: value})
        assert arming.refusal(token, other, "", NOW_UTC, NOW_MONO) == "arm.other_run", field
    assert arming.refusal(make(build="other")[0], config, "", NOW_UTC, NOW_MONO) == "arm.other_run"
    assert arming.refusal(make(boot="another boot")[0], config, "", NOW_UTC, NOW_MONO) == "arm.rebooted"


def test_changed_limits_end_it() -> None:
    token, config = make()
    looser = msgspec.structs.replace(config, settings=Settings(risk=Risk(max_order_pct=2.5)))
    assert arming.refusal(token, looser, "", NOW_UTC, NOW_MONO) == "arm.limits_changed"
    for field in ("stop_loss_pct", "stop_gain_pct"):
        stopped = msgspec.structs.replace(config, settings=change(Settings(), f"upbit.strategy.{field}", 3.0))
        assert arming.refusal(token, stopped, "", NOW_UTC, NOW_MONO) == "arm.limits_changed", field
        elsewhere = msgspec.structs.replace(config, settings=change(Settings(), f"binance.strategy.{field}", 3.0))
        assert arming.refusal(token, elsewhere, "", NOW_UTC, NOW_MONO) == "", "of another market, it ends nothing here"
    more = msgspec.structs.replace(config, max_positions=11)
    assert arming.refusal(token, more, "", NOW_UTC, NOW_MONO) == "arm.limits_changed"


def test_it_ends_after_half_a_day_by_either_clock() -> None:
    token, config = make()
    assert arming.refusal(token, config, "", NOW_UTC + LIFE_NS - 1, NOW_MONO + LIFE_NS - 1) == ""
    assert arming.refusal(token, config, "", NOW_UTC + LIFE_NS, NOW_MONO) == "arm.expired"
    assert arming.refusal(token, config, "", NOW_UTC - 5 * LIFE_NS, NOW_MONO + LIFE_NS) == "arm.expired"  # the wall clock was set back
    assert arming.refusal(token, config, "", NOW_UTC, NOW_MONO - 1) == "arm.expired"  # nobody issues one that lasts longer


@pytest.mark.parametrize("result", ["fail", "unproven", ""])
@pytest.mark.parametrize("words", ["", "yes", "y y y y y y y y y y", "aaaaaaaaaaaaaaa"])
def test_no_grant_without_a_verdict_that_passed_or_a_sentence(result: str, words: str) -> None:
    ruling = Ruling("rule", 3 if result else 0, result, overrule=words)
    with pytest.raises(RefusedError, match=r"arm\.no_verdict"):
        arming.grant("upbit-ab12", KEYS, OPTIONS, Settings(), UPBIT, ruling, NOW_UTC, NOW_MONO)


def test_a_token_says_who_answers_for_the_rule_and_the_ledger_keeps_it(tmp_path: Path) -> None:
    words = "소액으로 한 주만 시험하려고 합니다."
    overruled = arming.grant("a", KEYS, OPTIONS, Settings(), UPBIT, Ruling("rule", 4, "fail", overrule=words), NOW_UTC, NOW_MONO)
    token = overruled.token("upbit", "upbit", 7)
    assert (token.rule, token.verdict, token.overrule) == ("rule", 0, words)
    token, config = make()
    assert (token.rule, token.verdict, token.overrule) == ("rule", 3, "")
    neither = msgspec.structs.replace(token, verdict=0)
    assert arming.refusal(neither, config, "", NOW_UTC, NOW_MONO) == "arm.no_verdict"
    written = msgspec.structs.replace(token, verdict=0, overrule=words, boot=arming.boot_id())
    ledger = Ledger(tmp_path, "upbit-ab12", build(), NOW_UTC, NOW_MONO)
    now = Moment(NOW_MONO, NOW_UTC)
    arming.judge(msgspec.structs.replace(config, arming=written), ledger, now)
    ledger.close(NOW_UTC)
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        events = connection.execute("SELECT * FROM events").fetchall()
    assert any(words.encode() in (part if isinstance(part, bytes) else str(part).encode()) for row in events for part in row)


def test_a_verdict_is_of_one_text_with_its_variables_on_its_market(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    buy = "if not (체결강도 >= self.vars[1]):\n    매수 = False\n"
    text = msgspec.structs.replace(TEXT, buy=buy, variables=(30.0, 100.0))
    options = msgspec.structs.replace(OPTIONS, strategy=text)
    own = ruling_of(data, options, UPBIT)
    assert (own.result, own.passes, own.stands) == ("", False, False)
    body = {"verdict": {"sentence": {"ko": "통과", "en": "passed"}}}
    number = Studies(data.user_library).add_verdict(Judgement(0, NOW_UTC, own.rule, "run:1", "pass", body))
    found = ruling_of(data, options, UPBIT)
    assert (found.number, found.passes, found.said["ko"]) == (number, True, "통과")
    respelled = msgspec.structs.replace(text, buy="\n" + buy + "# a note\n", variables=(30.0, 100.0, 5.0))
    assert ruling_of(data, msgspec.structs.replace(options, strategy=respelled), UPBIT).passes
    for other in (
        msgspec.structs.replace(text, variables=(30.0, 101.0)),
        msgspec.structs.replace(text, variables=(31.0, 100.0)),
        msgspec.structs.replace(text, buy=buy.replace(">=", ">")),
    ):
        assert not ruling_of(data, msgspec.structs.replace(options, strategy=other), UPBIT).stands
    assert not ruling_of(data, options, BINANCE).stands
    Studies(data.user_library).add_verdict(Judgement(0, NOW_UTC, own.rule, "run:2", "fail", body))
    assert not ruling_of(data, options, UPBIT).stands  # the newest counts
    assert is_reason("소액으로 한 주만 시험합니다")


def test_a_verdict_is_of_one_set_of_order_settings(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    orders = OrderSettings(entry=Entry(order="limit", cancel_late=True, cancel_s=5))
    options = msgspec.structs.replace(OPTIONS, strategy=msgspec.structs.replace(TEXT, orders=orders))
    own = ruling_of(data, options, UPBIT)
    body = {"verdict": {"sentence": {"ko": "통과", "en": "passed"}}}
    Studies(data.user_library).add_verdict(Judgement(0, NOW_UTC, own.rule, "run:1", "pass", body))
    assert ruling_of(data, options, UPBIT).passes
    slower = OrderSettings(entry=Entry(order="limit", cancel_late=True, cancel_s=6))
    for other in (slower, None):
        assert not ruling_of(data, msgspec.structs.replace(OPTIONS, strategy=msgspec.structs.replace(TEXT, orders=other)), UPBIT).stands
    nothing = msgspec.structs.replace(TEXT, orders=plain(UPBIT, 2, 4))
    with_nothing = ruling_of(data, msgspec.structs.replace(OPTIONS, strategy=nothing), UPBIT)
    assert with_nothing.rule == ruling_of(data, OPTIONS, UPBIT).rule  # they change nothing


def test_a_stock_sessions_end_is_the_tokens() -> None:
    close = START_UTC + 6 * 3_600 * NS + 30 * 60 * NS  # 15:30 in Seoul
    left = arming.session_left_ns(KRX, close - 60 * NS)
    assert 0 < left <= LIFE_NS
    assert arming.session_left_ns(KRX, close - 120 * NS) == left + 60 * NS
    assert arming.session_left_ns(UPBIT, close) == LIFE_NS


def test_a_trader_is_started_once_and_three_times_more_and_no_old_token_serves() -> None:
    token, config = make()
    kept = ""
    for _ in range(4):
        assert arming.refusal(token, config, kept, NOW_UTC, NOW_MONO) == ""
        kept = arming.accepted(token, kept)
    assert arming.refusal(token, config, kept, NOW_UTC, NOW_MONO) == "arm.too_many_starts"
    newer, _ = make(issued_ns=NOW_UTC + 1)
    assert arming.refusal(newer, config, kept, NOW_UTC, NOW_MONO) == ""
    kept = arming.accepted(newer, kept)
    assert arming.refusal(token, config, kept, NOW_UTC, NOW_MONO) == "arm.old_token"


# --- who gets one ---------------------------------------------------------------------------------------


def run_of(tmp_path: Path, options: LiveOptions, grant: arming.Grant | None) -> MarketRun:
    return MarketRun(
        options, Settings(), DataDir(tmp_path), 7, ("tcp://127.0.0.1:1", "k" * 40), "v" * 40, lambda *_: True, lambda _: None, grant=grant
    )


def test_only_a_grant_starts_the_venue_itself_and_a_grant_starts_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"arm\.no_token"):
        run_of(tmp_path, OPTIONS, None)
    grant = arming.grant("upbit-ab12", KEYS, OPTIONS, Settings(), UPBIT, PASSED, NOW_UTC, NOW_MONO)
    with pytest.raises(RefusedError, match=r"arm\.no_token"):
        run_of(tmp_path, msgspec.structs.replace(OPTIONS, is_paper=True), grant)


def test_keys_and_token_go_to_the_trader_alone_and_are_never_written_down(tmp_path: Path) -> None:
    grant = arming.grant("upbit-ab12", KEYS, OPTIONS, Settings(), UPBIT, PASSED, NOW_UTC, NOW_MONO)
    run = run_of(tmp_path, OPTIONS, grant)
    assert run.account == "upbit-ab12"
    for role in ("receiver", "strategy", "compile"):
        config = run._config(role, role if role != "strategy" else "strategy.a")
        assert (config.venue_key, config.venue_secret, config.arming, config.exchange) == ("", "", None, None)
    trader = run._config("trader", "trader")
    assert (trader.venue_key, trader.venue_secret) == (KEYS.key(), KEYS.secret())
    assert trader.arming is not None
    assert arming.refusal(trader.arming, trader, "", NOW_UTC, NOW_MONO) == ""
    kept = msgspec.json.encode(without_keys(trader))
    assert KEYS.secret().encode() not in kept
    assert trader.arming.nonce.encode() not in kept


def test_an_armed_run_keeps_its_strategy(tmp_path: Path) -> None:
    run = run_of(tmp_path, OPTIONS, arming.grant("upbit-ab12", KEYS, OPTIONS, Settings(), UPBIT, PASSED, NOW_UTC, NOW_MONO))
    with pytest.raises(RefusedError, match=r"arm\.bound"):
        run.change_strategy(TEXT)


# --- in the trader ----------------------------------------------------------------------------------------


def armed_rig(tmp_path: Path) -> Rig:
    until = {"armed_until_ns": 1_000 * NS + 60 * NS, "armed_until_utc": START_UTC + 60 * NS}
    return Rig(tmp_path, armed=True, was_armed=True, armed_strategy="s/v1", **until).ready()


def test_entries_end_with_the_token_and_exits_do_not(tmp_path: Path) -> None:
    rig = armed_rig(tmp_path)
    assert rig.enter().accepted
    rig.advance(61.0, step=0.5)
    assert [alarm.code for alarm in rig.alarms].count("trader.disarmed") == 1
    assert rig.enter("KRW-BBB").rule == "armed"
    assert rig.leave().accepted
    assert rig.position() == 0
    assert rig.trader.desk.ledger.cursor_value(arming.UNTIL) == "0"


def test_a_clock_set_forward_ends_it_too(tmp_path: Path) -> None:
    rig = armed_rig(tmp_path)
    rig.offset += 120 * NS
    rig.advance(0.2)
    assert rig.enter().rule == "armed"


def test_changed_limits_disarm(tmp_path: Path) -> None:
    rig = armed_rig(tmp_path)
    rig.run(rig.trader.on_command(Command(name="risk", args={"settings": msgspec.to_builtins(Risk())}), rig.now))
    assert rig.enter().rule == "armed"


def test_only_the_confirmed_strategy_enters(tmp_path: Path) -> None:
    rig = armed_rig(tmp_path)
    assert rig.send(rig.intent(strategy="other")).rule == "armed"
    assert rig.send(rig.intent(version="v2")).rule == "armed"
    assert rig.enter().accepted
    assert rig.send(rig.intent(action=Action.EXIT, strategy="manual", version="")).accepted


def test_no_command_arms(tmp_path: Path) -> None:
    rig = Rig(tmp_path, armed=False).ready()
    effects = rig.trader.on_command(Command(name="arm"), rig.now)
    results = [effect.message for effect in effects if isinstance(getattr(effect, "message", None), CommandResult)]
    assert [result.ok for result in results] == [False]
    assert rig.enter().rule == "armed"
    assert rig.placed == []


# --- the preflight --------------------------------------------------------------------------------------------


def failed(checks: list[preflight.Check]) -> list[str]:
    return [check.name for check in checks if check.ok is False]


@pytest.mark.parametrize("code", VENUES)
def test_a_plain_directory_passes_what_needs_no_key(code: str, tmp_path: Path) -> None:
    assert failed(preflight.local_checks(DataDir(tmp_path), Settings(), venue(code), OPTIONS)) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"faults": ({"where": "public"},)}, "paper_only"),
        ({"cash": 1.0}, "paper_only"),
        ({"seed": 3}, "paper_only"),
        ({"rate_factor": 2.0}, "paper_only"),
        ({"settle_window_s": 1.0}, "paper_only"),
        ({"replay": ReplayOptions(source="made")}, "paper_only"),
        ({"strategy": None}, "strategy"),
    ],
)
def test_what_only_paper_can_do_is_refused(changes: dict[str, Any], name: str, tmp_path: Path) -> None:
    options = msgspec.structs.replace(OPTIONS, **changes)
    assert failed(preflight.local_checks(DataDir(tmp_path), Settings(), venue("upbit"), options)) == [name]


@pytest.mark.parametrize(
    "rest", ["http://api.upbit.com/v1", "https://127.0.0.1/v1", "https://localhost/v1", "https://10.0.0.1/v1", "https://intranet/v1"]
)
def test_hosts_are_the_real_ones(rest: str, tmp_path: Path) -> None:
    real = venue("upbit")
    other = msgspec.structs.replace(real, live=msgspec.structs.replace(real.live, rest=rest))
    assert failed(preflight.local_checks(DataDir(tmp_path), Settings(), other, OPTIONS)) == ["hosts"]
    paper = msgspec.structs.replace(
        real, live=Endpoint(rest=real.live.rest, ws_public=real.live.ws_public, ws_private=real.live.ws_private)
    )
    assert failed(preflight.local_checks(DataDir(tmp_path), Settings(), paper, OPTIONS)) == ["hosts"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(risk=Risk(max_order_pct=11.0)), "limits"),
        (Settings(risk=Risk(max_gross_pct=300.0)), "limits"),
        (Settings(risk=Risk(day_loss_reduce_pct=5.0)), "limits"),
        (Settings(processes=Processes(restarts_per_10min=50)), "restarts"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: Settings, name: str) -> None:
    assert failed(preflight.settings_checks(settings)) == [name]


def test_looser_limits_are_named_and_tighter_ones_are_not() -> None:
    (check,) = [
        one for one in preflight.settings_checks(Settings(risk=Risk(entries_per_day=500, orders_per_s=1.0))) if one.name == "looser"
    ]
    assert check.ok is None
    assert check.fields["names"] == "risk.entries_per_day 500 (200)"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"can_trade": None, "can_withdraw": None, "ip_bound": None}, []),
        ({"can_trade": False}, ["trade"]),
        ({"can_withdraw": True}, ["withdraw"]),
        ({"expires_ns": NOW_UTC}, ["key_life"]),
        ({"skew_ms": 501.0}, ["clock"]),
        ({"skew_ms": -501.0}, ["clock"]),
        ({"skew_ms": 499.0}, []),
    ],
)
def test_what_the_venue_says_of_the_key_is_judged(changes: dict[str, Any], names: list[str]) -> None:
    facts = KeyFacts(**{"account": "100001234", "can_trade": True, "can_withdraw": False, "ip_bound": True, "skew_ms": 3.0, **changes})
    assert failed(preflight.key_checks(facts, NOW_UTC)) == names


def test_the_account_is_named_by_its_number_else_by_the_key() -> None:
    numbered = KeyFacts(account="100001234", can_trade=True, can_withdraw=False, skew_ms=0.0)
    assert preflight.account_name("binance", numbered, KEYS) == "binance-1234"
    assert preflight.last_four(numbered, KEYS) == "1234"
    unnumbered = msgspec.structs.replace(numbered, account="")
    assert preflight.account_name("upbit", unnumbered, KEYS) == "upbit-ab12"
    assert preflight.last_four(unnumbered, KEYS) == "AB12"


def test_a_pulled_switch_and_a_damaged_ledger_are_refused(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert failed(preflight.account_checks(data, "upbit-paper", "upbit")) == []
    rig = Rig(data.account("upbit-paper")).ready()
    rig.enter()
    rig.trader.close(rig.now)
    assert failed(preflight.account_checks(data, "upbit-paper", "upbit")) == []
    write_latch(data.account("upbit-paper"), Latch(level="entries"))
    assert failed(preflight.account_checks(data, "upbit-paper", "upbit")) == ["latch"]
    (data.account("upbit-paper") / "latch").write_text("?")  # what cannot be understood counts as the hardest level
    assert failed(preflight.account_checks(data, "upbit-paper", "upbit")) == ["latch"]
    write_latch(data.account("upbit-paper"), Latch(level="none"))
    path = data.ledger("upbit-paper")
    path.write_bytes(path.read_bytes()[:20_000])
    assert failed(preflight.account_checks(data, "upbit-paper", "upbit")) == ["ledger"]


def test_every_check_has_its_sentences() -> None:
    states = {
        "disk": "ok bad", "writable": "bad", "hosts": "ok bad", "paper_only": "ok bad", "strategy": "ok bad", "limits": "ok bad",
        "restarts": "ok bad", "looser": "ok unknown", "trade": "ok bad unknown", "withdraw": "ok bad unknown",
        "key_life": "ok bad unknown", "ip": "ok unknown", "clock": "ok bad", "latch": "ok bad", "ledger": "ok bad",
    }  # fmt: skip
    for name, known in states.items():
        for state in known.split():
            assert all(has(f"arm.check.{name}.{state}", language) for language in LANGUAGES), (name, state)
