"""`live --armed`: every way it ends without arming, with status 3 and nothing started."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli import terminal
from cli.main import run_command
from domain.arming import KeyFacts
from domain.errors import Unreachable
from domain.order_settings import titles
from storage.studies import Judgement, Studies
from trading import preflight
from trading.arming import Grant
from trading.kill_switch import Latch, write_latch
from trading.supervisor import Supervisor
from utility import secrets as vaults
from utility.paths import DataDir
from utility.secrets import KeyPair, Vault

KEYS = KeyPair("the-access-key-AB12", "the-secret-of-it")
FACTS = KeyFacts(account="", can_trade=True, can_withdraw=False, ip_bound=True, skew_ms=2.0)
PASSWORD = "a long password"
WHY = "A small amount, for one week, watched."


class Started(Exception):
    """The run would have begun."""

    def __init__(self, grant: Grant | None) -> None:
        self.grant = grant
        super().__init__()


class Desk:
    """A data directory with a key, a person at a terminal, and a venue that answers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.facts: KeyFacts | Exception = FACTS
        self.typed = [PASSWORD, WHY, "AB12"]
        (folder / "buy.txt").write_text("매수 = False\n", "utf-8")
        (folder / "sell.txt").write_text("매도 = False\n", "utf-8")
        monkeypatch.setattr(vaults, "MEMORY_KIB", 32)
        monkeypatch.setattr(vaults, "ITERATIONS", 1)
        monkeypatch.setattr(vaults, "LANES", 1)
        monkeypatch.setattr("cli.arming.time.sleep", lambda _: None)
        Vault(folder / "vault.bin").save(PASSWORD, {"upbit": KEYS})
        monkeypatch.setattr(terminal, "is_there", lambda: True)
        monkeypatch.setattr(terminal, "ask_secret", self.answer)
        monkeypatch.setattr(terminal, "ask", self.answer)
        monkeypatch.setattr(preflight, "inspect", self.inspect)

        def start(_self: Supervisor, _options: Any, grant: Grant | None = None) -> None:
            raise Started(grant)

        monkeypatch.setattr(Supervisor, "start_market", start)

    def answer(self, _question: str) -> str:
        return self.typed.pop(0) if self.typed else ""

    def inspect(self, *_: Any) -> KeyFacts:
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    def live(self, *more: str) -> int:
        texts = ["--buy", str(self.folder / "buy.txt"), "--sell", str(self.folder / "sell.txt")] if "--watch" not in more else []
        return run_command(
            ["live", "--market", "upbit", "--armed", *texts, "--data-dir", str(self.folder), "--lang", "en", "--json", *more]
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def refused(desk: Desk, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert desk.live(*more) == 3
    assert not (desk.folder / "run").exists()
    return dict(json.loads(capsys.readouterr().out)["error"])


def test_the_right_answers_start_exactly_what_was_shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Started) as started:
        desk.live("--betting", "50000")
    grant = started.value.grant
    assert grant is not None
    assert (grant.account, grant.credentials.key()) == ("upbit-ab12", KEYS.key())
    shown = capsys.readouterr().err
    for part in ("upbit-ab12", "api.upbit.com", "buy", "50,000.00 KRW", "order 2% and 5,000,000 KRW", "10 positions"):
        assert part in shown
    assert KEYS.key() not in shown
    assert PASSWORD not in shown


def test_order_settings_that_differ_are_shown_before_anything_is_typed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (desk.folder / "orders.json").write_text('{"entry": {"order": "limit", "cancel_late": true, "cancel_s": 7}}', "utf-8")
    with pytest.raises(Started):
        desk.live("--order-settings", str(desk.folder / "orders.json"))
    shown = capsys.readouterr().err
    names = titles("en")
    for path, value in (("entry.order", "limit"), ("entry.cancel_s", "7")):
        assert f"{names[path]} {value}" in shown
    assert names["exit.order"] not in shown


def test_the_stops_of_the_account_are_shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["settings", "set", "upbit.strategy.stop_loss_pct", "3", "--data-dir", str(desk.folder)]) == 0
    with pytest.raises(Started):
        desk.live()
    assert "loss stop -3%, gain stop none" in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["", "yes", "          ", "xxxxxxxxxxxxxxx"])
def test_a_rule_that_nobody_judged_wants_a_sentence(desk: Desk, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    desk.typed = [PASSWORD, typed, "AB12"]
    error = refused(desk, capsys)
    assert error["code"] == "arm.no_verdict"
    assert "stom.py verdict" in error["message"]
    assert desk.typed == ["AB12"]  # it was not asked any more


def test_a_verdict_that_passed_is_shown_and_asks_for_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    def live() -> Grant:
        desk.typed = [PASSWORD, *([] if passed else [WHY]), "AB12"]
        with pytest.raises(Started) as started:
            desk.live()
        assert started.value.grant is not None
        return started.value.grant

    passed = False
    rule = live().ruling
    assert (rule.overrule, rule.passes) == (WHY, False)
    body = {"verdict": {"sentence": {"ko": "통과", "en": "It passed the court."}}}
    store = Studies(desk.folder / "library.db")
    store.add_verdict(Judgement(0, 1, rule.rule, "run:1", "pass", body))
    passed = True
    assert live().ruling.number == 1
    assert "Verdict 1: It passed the court." in capsys.readouterr().err
    store.add_verdict(Judgement(0, 2, rule.rule, "run:2", "fail", body))
    passed = False
    assert live().token("upbit", "upbit", 1).overrule == WHY


@pytest.mark.parametrize("typed", ["AB13", "ab12", "", "AB1", "AB12 AB12", "yes"])
def test_other_last_four_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    desk.typed = [PASSWORD, WHY, typed]
    assert refused(desk, capsys)["code"] == "arm.wrong_number"


def test_three_wrong_passwords_are_enough(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.typed = ["no", "no", "no", PASSWORD, "AB12"]
    assert refused(desk, capsys)["code"] in ("vault.not_opened", "vault.wait")


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (msgspec.structs.replace(FACTS, can_withdraw=True), "withdraw"),
        (msgspec.structs.replace(FACTS, can_trade=False), "trade"),
        (msgspec.structs.replace(FACTS, skew_ms=900.0), "clock"),
        (msgspec.structs.replace(FACTS, expires_ns=1), "key_life"),
    ],
)
def test_a_key_that_may_too_much_or_too_little_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], facts: KeyFacts, name: str
) -> None:
    desk.facts = facts
    error = refused(desk, capsys)
    assert (error["code"], error["names"]) == ("arm.failed", name)


def test_a_venue_that_cannot_be_asked_arms_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.facts = Unreachable("venue.unreachable")
    error = refused(desk, capsys)
    assert error["code"] == "arm.venue"
    assert "cannot be reached" in error["message"] or "could not" in error["message"]


@pytest.mark.parametrize("more", [("--seed", "3"), ("--cash", "5"), ("--rate-factor", "2"), ("--settle", "1"), ("--watch",)])
def test_options_of_the_paper_exchange_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]) -> None:
    error = refused(desk, capsys, *more)
    assert error["names"] in ("paper_only", "strategy")
    assert desk.typed == [PASSWORD, WHY, "AB12"]  # nobody was asked anything


def test_fault_rules_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (desk.folder / "faults.json").write_text('[{"where": "request", "action": "drop"}]')
    assert refused(desk, capsys, "--faults", str(desk.folder / "faults.json"))["names"] == "paper_only"


def test_a_pulled_switch_is_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    write_latch(DataDir(desk.folder).account("upbit-ab12"), Latch(level="entries"))
    assert refused(desk, capsys)["names"] == "latch"


def test_no_vault_and_no_key_name_the_command_that_mends_it(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    Vault(desk.folder / "vault.bin").save(PASSWORD, {"binance": KEYS})
    assert "keys set --venue upbit" in refused(desk, capsys)["message"]
    (desk.folder / "vault.bin").unlink()
    assert "keys set --venue upbit" in refused(desk, capsys)["message"]


def test_two_markets_are_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(desk, capsys, "--market", "binance")["code"] == "arm.one_market"


@pytest.mark.parametrize("name", ["STOM_ARMED", "STOM_LIVE", "STOM_PASSWORD", "STOM_CONFIRM"])
def test_neither_environment_nor_pipe_arms(desk: Desk, capsys: pytest.CaptureFixture[str], name: str) -> None:
    desk.monkeypatch.undo()
    desk.monkeypatch.setenv(name, "AB12")
    desk.monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nAB12\n"))
    assert refused(desk, capsys)["code"] == "arm.no_terminal"


@pytest.mark.parametrize("key", ["armed", "is_paper", "live", "arming"])
def test_no_setting_arms(desk: Desk, capsys: pytest.CaptureFixture[str], key: str) -> None:
    (desk.folder / "settings.json").write_text(json.dumps({"upbit": {key: True}}), "utf-8")
    assert run_command(["live", "--market", "upbit", "--data-dir", str(desk.folder), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "settings.unknown_key"


def test_keys_are_typed_at_a_terminal_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, monkeypatch)
    (tmp_path / "vault.bin").unlink()
    words = ["--data-dir", str(tmp_path), "--json"]
    desk.typed = ["short"]
    assert run_command(["keys", "set", "--venue", "upbit", *words]) == 2
    desk.typed = [PASSWORD, "other"]
    assert run_command(["keys", "set", "--venue", "upbit", *words]) == 2
    assert not (tmp_path / "vault.bin").exists()
    desk.typed = [PASSWORD, PASSWORD, "a-key-of-upbit", "its-secret"]
    assert run_command(["keys", "set", "--venue", "upbit", *words]) == 0
    desk.typed = [PASSWORD, "a-key-of-binance", "its-secret"]
    assert run_command(["keys", "set", "--venue", "binance", *words]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out.splitlines()[-1]) == {"venues": ["binance", "upbit"]}
    assert "a-key-of" not in out.out + out.err
    assert Vault(tmp_path / "vault.bin").load(PASSWORD)["upbit"].secret() == "its-secret"
    desk.typed = [PASSWORD]
    assert run_command(["keys", "remove", "--venue", "upbit", *words]) == 0
    monkeypatch.setattr(terminal, "is_there", lambda: False)
    assert run_command(["keys", "list", *words]) == 3
