"""Orders, fills, positions, account, kill and verify as a script meets them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cli.main import run_command
from domain.orders import OrderKind, OrderStatus
from tests.doubles.trader_rig import Rig
from trading.kill_switch import read_latch
from utility.text import catalogue


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path / "accounts" / "upbit-paper").ready()
    rig.enter()
    rig.leave()
    rig.enter("KRW-BBB")
    rig.enter(qty=30_000)
    return rig


def ask(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    status = run_command([*words, "--data-dir", str(root), "--json", "--lang", "en"])
    out = capsys.readouterr()
    return status, json.loads(out.out) if out.out.strip() else {}, out.err


def test_lists_hold_what_was_traded_beside_a_running_trader(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, orders, _ = ask(capsys, tmp_path, "orders")
    assert [row["state"] for row in orders["orders"]] == ["filled"] * 3
    _, fills, _ = ask(capsys, tmp_path, "fills", "--limit", "2")
    assert [row["instrument_id"] for row in fills["fills"]] == ["upbit:KRW-AAA", "upbit:KRW-BBB"]
    assert fills["fills"][0]["qty"] == "100"
    _, held, _ = ask(capsys, tmp_path, "positions", "--market", "upbit")
    assert [(row["instrument_id"], row["qty"]) for row in held["positions"]] == [("upbit:KRW-BBB", "100")]


def test_account_counts_refusals_and_money(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, answer, _ = ask(capsys, tmp_path, "account")
    account = answer["accounts"][0]
    assert account["refusals"] == {"max_order_pct": 1}
    assert account["totals"] == {asset: f"{amount:f}" for asset, amount in sorted(rig.venue.totals.items()) if amount}
    assert (account["round_trips"], account["positions"], account["latch"]) == (1, 1, "none")


def test_filters_that_match_nothing_are_empty_not_wrong(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, tmp_path, "orders", "--market", "krx")[1] == {"orders": []}
    assert ask(capsys, tmp_path, "fills", "--from", "2030-01-01")[1] == {"fills": []}
    (tmp_path / "new").mkdir()
    assert ask(capsys, tmp_path / "new", "account")[1] == {"accounts": []}


@pytest.mark.parametrize(
    "words",
    [
        *("orders", "fills", "positions", "account", "kill", "verify", "status", "data list", "data verify"),
        *("backtest --market upbit", "optimise --market upbit", "find --market upbit", "strategy guard X"),
    ],
)
def test_a_data_directory_that_is_not_there_is_no_empty_one(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, answer, err = ask(capsys, tmp_path / "nodir", *words.split())
    assert (status, answer["error"]["code"]) == (2, "cli.no_data_dir")
    assert "nodir" in err
    assert not (tmp_path / "nodir").exists()


def test_a_file_is_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    for words in (["data", "make", "--market", "upbit"], ["orders"], ["live"]):
        status, answer, err = ask(capsys, tmp_path / "file", *words)
        assert (status, answer["error"]["code"]) == (2, "cli.data_dir_file")
        assert "not a folder" in err


def test_the_default_folder_of_a_new_clone_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("utility.paths.DEFAULT_ROOT", tmp_path / "nodir")
    assert run_command(["orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"orders": []}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("orders", "--account", "nope"), "nope"),
        (("fills", "--from", "yesterday"), "yesterday"),
        (("fills", "--from", "2026-03-02T00:00:00"), "2026-03-02T00:00:00"),
        (("orders", "--limit", "0"), "0"),
        (("orders", "--limit", "9" * 5_000), "1000000000"),
        (("positions", "--market", "upbitt"), "upbit"),
        (("account", "--account", "upbit-papr"), "upbit-paper"),
        (("kill", "--wait", "nan"), "nan"),
    ],
)
def test_bad_input_is_named(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], part: str) -> None:
    status, _, error = ask(capsys, tmp_path, *words)
    assert status == 2
    assert part in error


def test_kill_writes_the_latch_and_the_trader_obeys(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, answer, _ = ask(capsys, tmp_path, "kill", "--level", "cancel", "--reason", "test", "--wait", "0")
    assert status == 0
    assert answer["level"] == "cancel"
    assert answer["running"] == ["upbit-paper"]
    assert answer["remaining"] == ["upbit-paper upbit:KRW-BBB"]
    latch = read_latch(rig.folder / "latch")
    assert latch is not None
    assert latch.actor.startswith("cli:")
    rig.advance(0.1)
    assert rig.enter("KRW-CCC").rule == "state"


def test_a_milder_kill_lowers_nothing_and_the_account_tells_what_holds(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.crash()  # no trader runs: only the file knows
    ask(capsys, tmp_path, "kill", "--level", "freeze", "--wait", "0")
    _, answer, _ = ask(capsys, tmp_path, "kill", "--level", "entries", "--wait", "0")
    assert answer["harder"] == {"upbit-paper": "freeze"}
    latch = read_latch(rig.folder / "latch")
    assert latch is not None
    assert latch.level == "freeze"
    assert ask(capsys, tmp_path, "account")[1]["accounts"][0]["latch"] == "freeze"
    assert ask(capsys, tmp_path, "status")[1]["accounts"][0]["latch"] == "freeze"


def test_rearm_needs_a_terminal(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(capsys, tmp_path, "kill", "--rearm")[0] == 3
    typed = iter(("yes\n", "rearm\n"))

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return next(typed)

    monkeypatch.setattr("sys.stdin", Terminal())
    assert ask(capsys, tmp_path, "kill", "--rearm")[0] == 3
    ask(capsys, tmp_path, "kill", "--level", "entries", "--wait", "0")
    status, answer, _ = ask(capsys, tmp_path, "kill", "--rearm", "--wait", "0")
    assert (status, answer["level"]) == (0, "none")
    rig.advance(0.1)
    assert rig.enter("KRW-CCC").accepted


def test_verify_agrees_and_then_does_not(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, tmp_path, "verify")[:2] == (0, {"ok": True, "checked": ["upbit-paper"], "truth": 0, "problems": []})
    rig.trader.close(rig.now)
    connection = sqlite3.connect(rig.folder / "ledger.db")
    connection.execute("UPDATE fills SET price = '1' WHERE seq = 1")
    connection.commit()
    connection.close()
    status, answer, _ = ask(capsys, tmp_path, "verify")
    assert (status, answer["ok"]) == (4, False)
    assert "verify.table" in {problem["code"] for problem in answer["problems"]}


def test_verify_reports_a_file_that_is_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "accounts" / "upbit-paper"
    folder.mkdir(parents=True)
    (folder / "ledger.db").write_bytes(b"not a database, certainly not one of ours" * 100)
    status, answer, _ = ask(capsys, tmp_path, "verify")
    assert status == 4
    assert answer["problems"][0]["code"] == "ledger.damaged"


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "account", "verify"])
def test_tables_are_printed_in_korean_too(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run_command([command, "--data-dir", str(tmp_path), "--lang", "ko"]) == 0
    assert any("가" <= letter <= "힣" for letter in capsys.readouterr().out)


def test_tables_say_words_not_codes(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*words: str) -> str:
        assert run_command([*words, "--data-dir", str(tmp_path), "--lang", "ko"]) == 0
        return capsys.readouterr().out

    orders = shown("orders")
    assert all(word in orders for word in ("매수", "매도", "지정가", "체결"))
    assert not any(code in orders for code in ("limit", "filled"))
    assert "STOM" in shown("fills")
    account = shown("account")
    assert "{" not in account
    assert "없음" in account
    held = ask(capsys, tmp_path, "account")[1]["accounts"][0]["totals"]
    said = {asset: f"{float(amount):,.0f}" if asset == "KRW" else f"{float(amount):g}" for asset, amount in held.items()}
    assert all(any(f" {asset} {amount} " in line for line in account.splitlines()) for asset, amount in said.items())


def test_amounts_are_told_in_their_unit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [
        {
            "account": "a",
            "currency": "USDT",
            "realised": -4.605700000000001,
            "totals": {"USDT": "99990.300000001", "BTC": "0.0100"},
        },
        {"account": "b", "currency": "KRW", "realised": -6408.232499999999, "totals": {"KRW": "90984220.579031463975"}},
        {"account": "c", "currency": "KRW", "realised": -0.2, "totals": {}},
    ]
    monkeypatch.setattr("cli.ledger.run_account", lambda args: {"accounts": rows})
    assert run_command(["account", "--data-dir", str(tmp_path), "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    for wanted in (" -4.61 ", " USDT 99,990.30 ", " BTC 0.01 ", " -6,408 ", " KRW 90,984,221 ", " 0 "):
        assert wanted in shown, wanted


def test_every_state_and_kind_of_an_order_has_a_word() -> None:
    for language in ("ko", "en"):
        known = catalogue(language)
        words = [f"ledger.state.{one}" for one in OrderStatus] + [f"ledger.kind.{one}" for one in OrderKind]
        assert [word for word in words if word not in known] == []


def test_every_check_and_refusal_has_a_sentence_in_both_languages() -> None:
    from trading.judge import CHECKS

    for language in ("ko", "en"):
        known = catalogue(language)
        names = [check.name for check in CHECKS] + ["decode", "duplicate", "journal"]
        assert [name for name in names if f"risk.{name}" not in known] == []
        assert [code for code in ("send.not_owner", "send.not_armed", "send.stood_still", "send.latch") if code not in known] == []


def test_a_switch_that_nobody_hears_says_what_was_not_done(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig.trader.close(rig.now)  # no trader runs
    status, answer, error = ask(capsys, tmp_path, "kill", "--level", "flatten", "--wait", "0")
    assert status == 3
    assert [one["code"] for one in answer["problems"]] == ["kill.nobody_sells"]
    assert run_command(["kill", "--level", "flatten", "--wait", "0", "--data-dir", str(tmp_path), "--lang", "en"]) == 3
    error = capsys.readouterr().err
    assert "nothing was sold" in error
    assert "upbit:KRW-BBB" in error
    assert "live --market upbit" in error
    assert ask(capsys, tmp_path, "kill", "--level", "flatten", "--account", "nobody")[0] != 3


def test_a_latch_that_cannot_be_written_is_told_to_a_person(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cli.ledger.write_latch", full)
    assert run_command(["kill", "--level", "flatten", "--wait", "0", "--data-dir", str(tmp_path), "--lang", "en"]) == 4
    said = capsys.readouterr()
    assert "is not pulled" in said.err
    assert str(tmp_path / "accounts" / "upbit-paper" / "latch") in said.err
