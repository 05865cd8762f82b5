"""Alarms travel as text and are read as sentences, with their codes as words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from utility.alarm_words import spoken, write
from utility.text import has

ROOT = Path(__file__).resolve().parents[3]


def test_an_alarm_is_read_in_the_users_language() -> None:
    text = write("trader.restricted", {"cause": "kill", "state": "halted", "reason": "flatten"})
    assert spoken(text, "ko") == "거래 상태 매매 중단: 킬 스위치 flatten"
    assert spoken(text, "en") == "Trading is halted: kill switch flatten"
    assert spoken(write("kill.level", {"pulled": "entries", "actor": "cli:kim", "reason": ""}), "ko") == "킬 스위치: 진입 중지 (cli:kim)"


def test_values_with_spaces_stay_whole() -> None:
    text = write("trader.restricted", {"cause": "stream", "state": "reducing", "reason": "private stream lost"})
    assert "private stream lost" in str(spoken(text, "en"))


@pytest.mark.parametrize("text", ["event=launched process=upbit.trader", "alarm=nobody.knows a=1", ""])
def test_what_is_no_known_alarm_is_left_alone(text: str) -> None:
    assert spoken(text, "ko") is None


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_cause_has_a_word(language: str) -> None:
    found = {name for path in (ROOT / "trading").glob("*.py") for name in re.findall(r'set_cause\("(\w+)"', path.read_text("utf-8"))}
    assert len(found) > 8
    assert [name for name in sorted(found | {"journal"}) if not has(f"cause.{name}", language)] == []
