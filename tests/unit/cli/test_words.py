"""What the command line says to people: Korean first, English on request, the limits and the nearest word named."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from pathlib import Path

import pytest

from cli import words
from cli.main import COMMANDS, build_parser, command_first, run_command
from cli.parser import Parser
from domain.errors import InputError
from utility.text import LANGUAGES, has, sentence

HANGUL = re.compile("[가-힣]")


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command([*argv]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "ko", "en"),
    [
        (("nonsense",), "없습니다", "there is no"),
        (("backtest", "--market", "upbitt"), "'upbit' 을(를) 쓰려 하셨나요?", "Did you mean 'upbit'?"),
        (("backtest", "--betttting", "5"), "'--betting' 을(를)", "Did you mean '--betting'?"),
        (("live", "--arm"), "모르는 인자입니다: --arm", "unknown arguments: --arm"),
        (("live", "--betting"), "값 하나가 필요합니다", "needs one value"),
        (("live", "--armed", "--paper"), "함께 쓸 수 없습니다", "not allowed with"),
        (("data", "make"), "빠진 인자가 있습니다: --market", "missing: --market"),
        (("live", "--watch=yes"), "값을 받지 않는 옵션", "takes no value"),
        (("live", "--replay", ""), "--replay: 빈 값은", "--replay: the value is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_arguments_are_answered_in_the_language(argv: tuple[str, ...], ko: str, en: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ko in said(capsys, *argv, "--lang", "ko")
    assert en in said(capsys, *argv, "--lang", "en")


@pytest.mark.parametrize("option", ["--betting", "--cash"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "1e300", "1e12x", "1,000", "abc"])
def test_amounts_are_finite_and_within_limits(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "live", f"{option}={value}", "--lang", "en")
    assert f"'{value}' is not a number above 0 and at most 1,000,000,000,000" in told


@pytest.mark.parametrize(
    "argv",
    [
        ("live", "--entry-levels", "6"),
        ("live", "--seed", "-1"),
        ("live", "--speed", "nan"),
        ("live", "--duration", "infs"),
        ("backtest", "--latency", "-1"),
        ("backtest", "--latency", "9" * 4_400),
        ("data", "make", "--market", "upbit", "--days", "nan"),
        ("data", "make", "--market", "upbit", "--symbols", "1001"),
        ("data", "make", "--market", "upbit", "--start", "2026-02-30"),
        ("data", "export", "--market", "upbit", "--interval", "1s", "--out", "x.csv", "--from", "20260101"),
        ("exchange", "--port", "65536"),
        ("strategy", "show", "기본_R1", "--version", "0"),
        ("orders", "--limit", "0"),
        ("kill", "--wait", "inf"),
        ("optimise", "--population", "1"),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_numbers_and_days_outside_their_limits_are_refused(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, *argv, "--lang", "ko")
    assert HANGUL.search(told)
    assert argv[-1] in told


def test_a_wrong_argument_is_an_object_on_standard_output_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["data", "make", "--json", "--lang", "ko"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "cli.arguments"
    assert "--market" in error["message"]


def test_common_options_may_stand_before_the_command() -> None:
    assert command_first(["--lang", "en", "--json", "data", "list"]) == ["data", "list", "--lang", "en", "--json"]
    assert command_first(["--wrong", "data"]) == ["data", "--wrong"]
    assert command_first(["nonsense", "data"]) == ["nonsense", "data"]


def test_language_is_that_of_the_words_then_the_settings_then_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    there = ["--data-dir", str(tmp_path)]
    assert words.settle(there) == "en"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert words.settle(there) == "ko"
    assert run_command(["settings", "set", "general.language", "en", *there, "--quiet"]) == 0
    assert words.settle(there) == "en"
    assert words.settle([*there, "--lang=ko"]) == "ko"
    (tmp_path / "settings.json").write_text("{", "utf-8")
    assert words.settle(there) == "ko"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_and_argument_has_its_line_of_help(language: str) -> None:
    words.settle(["--lang", language])

    def check(parser: argparse.ArgumentParser, path: str) -> None:
        for action in parser._actions:
            if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction):
                assert action.help, f"{path} {action.option_strings or action.dest}"
            if isinstance(action, argparse._SubParsersAction):
                for line in action._choices_actions:
                    assert line.help, f"{path} {line.dest}"
                for name, below in action.choices.items():
                    check(below, f"{path} {name}")

    check(build_parser(None), "stom.py")
    for command in COMMANDS:
        assert isinstance(build_parser(command), Parser)


def test_every_sentence_of_argparse_that_a_person_can_meet_is_translated() -> None:
    source = inspect.getsource(argparse)
    found = set(re.findall(r"\b_\('([^']+)'\)", source)) | set(re.findall(r'\b_\("([^"]+)"\)', source))
    found |= set(re.findall(r"msg = _\('([^']+)", source))
    for_programmers = re.compile(
        r"subparser|positional|conflict|merge actions|dest=|callable|'required'|mode|open '|invalid option string|mutually|version|__call__"
    )
    missing = {text for text in found if not for_programmers.search(text) and text.replace("\\n", "\n") not in words._SAID}
    assert {text for text in missing if not any(known.startswith(text) for known in words._SAID)} == set()
    for code in words._SAID.values():
        assert all(has(f"argparse.{code}", language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"kind": "de', "글이 끝나기 전에 끊겼습니다"),
        ('[{"kind": }]', "10번째 바이트에서 JSON 이 아닙니다"),
        ('[{"kind": 3}]', "$[0] 에 모르는 이름 kind 이(가) 있습니다"),
        ('["x"]', "$[0] 에는 object 이(가) 와야 하는데 str 이(가) 있습니다"),
    ],
)
def test_what_the_json_reader_says_is_told_in_korean(text: str, said: str) -> None:
    from paper.faults import parse_rules

    with pytest.raises(InputError) as caught:
        parse_rules(text.encode(), "rules.json")
    told = sentence(caught.value.code, "ko", **caught.value.fields)
    assert said in told
    assert "rules.json" in told


def test_a_wrong_text_is_named_by_its_file_and_in_the_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "buy.txt").write_text("매수 = (현재가 > 1\n", "utf-8")
    (tmp_path / "sell.txt").write_text("매도 = True\n", "utf-8")
    (tmp_path / "fees.txt").write_text("# nothing\n", "utf-8")
    base = ["backtest", "--market", "upbit", "--data-dir", str(tmp_path), "--sell", str(tmp_path / "sell.txt"), "--lang", "ko"]
    assert run_command([*base, "--buy", str(tmp_path / "buy.txt")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(str(tmp_path / "buy.txt") + ": 1행")
    assert "'(' 괄호가 닫히지 않았습니다" in said
    assert run_command([*base, "--buy", str(tmp_path / "sell.txt"), "--fees", str(tmp_path / "fees.txt")]) == 2
    assert str(tmp_path / "fees.txt") in capsys.readouterr().err
    assert run_command([*base, "--buy", str(tmp_path / "sell.txt"), "--report", str(tmp_path / "fees.txt")]) == 2
    assert "--report" in capsys.readouterr().err
