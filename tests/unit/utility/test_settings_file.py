"""Settings are typed, bounded, written whole, and a bad one says where it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.errors import SettingError
from domain.settings import Settings
from utility import settings_file
from utility.text import sentence


def test_a_missing_file_is_the_defaults(tmp_path: Path) -> None:
    assert settings_file.load(tmp_path / "settings.json") == Settings()


def test_every_setting_survives_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    for info in settings_file.fields():
        value = settings_file.get(Settings(), info.path)
        if info.choices:
            value = info.choices[-1]
        elif info.type is bool:
            value = not value
        elif info.type in (int, float):
            value = info.type(info.high if info.high is not None else value + 1)
        changed = settings_file.change(Settings(), info.path, value)
        settings_file.save(changed, path)
        assert settings_file.get(settings_file.load(path), info.path) == value


def test_every_setting_has_both_titles() -> None:
    for info in settings_file.fields():
        assert info.ko != info.path
        assert info.en != info.path


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        ({"risk": {"max_order_pct": 0}}, "risk.max_order_pct"),
        ({"risk": {"max_order_pct": "much"}}, "risk.max_order_pct"),
        ({"risk": {"made_up": 1}}, "risk"),
        ({"upbit": {"strategy": {"entry_levels": 6}}}, "upbit.strategy.entry_levels"),
        ({"general": {"language": "fr"}}, "general.language"),
    ],
)
def test_a_bad_field_is_named_and_the_file_is_left(tmp_path: Path, tree: dict, where: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(tree), "utf-8")
    with pytest.raises(SettingError) as caught:
        settings_file.load(path)
    assert caught.value.fields["path"] == where
    assert json.loads(path.read_text("utf-8")) == tree


def test_a_cut_file_says_its_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{\n "risk": {', "utf-8")
    with pytest.raises(SettingError) as caught:
        settings_file.load(path)
    assert caught.value.code == "settings.file"
    assert caught.value.fields["line"] == 2


def test_a_newer_file_is_refused_and_an_unknown_path_too() -> None:
    with pytest.raises(SettingError, match="settings.version"):
        settings_file.read_tree({"version": 99})
    with pytest.raises(SettingError, match="settings.unknown"):
        settings_file.change(Settings(), "risk.nothing", 1)


@pytest.mark.parametrize(("text", "value"), [("7", 7), (" 12 ", 12)])
def test_text_is_read_as_the_settings_type(text: str, value: int) -> None:
    assert settings_file.change(Settings(), "risk.max_open_orders", text).risk.max_open_orders == value
    with pytest.raises(SettingError, match="settings.type"):
        settings_file.change(Settings(), "risk.max_open_orders", "many")
    with pytest.raises(SettingError):
        settings_file.change(Settings(), "risk.max_order_pct", "nan")


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ('{"risk": {"max_order_pct": 101}}', "settings.range", "risk.max_order_pct: 101"),
        ('{"risk": {"max_order_pct": true}}', "settings.type", "risk.max_order_pct"),
        ('{"risk": {"max_open_orders": 1.5}}', "settings.type", "risk.max_open_orders: 1.5"),
        ('{"risk": {"max_order_krw": 1e300}}', "settings.range", "≤ 1e+12"),
        ('{"risk": {"max_ordr_pct": 1}}', "settings.unknown_key", "risk.max_ordr_pct"),
        ('{"risks": {}}', "settings.unknown_key", "risks"),
        ('{"risk": 5}', "settings.group", "risk"),
        ("[]", "settings.group", "settings"),
        ('{"upbit": {"strategy": {"end_time": "246060"}}}', "settings.pattern", "upbit.strategy.end_time: '246060'"),
        ('{"risk": {"collar_pct": 1, "collar_pct": 2}}', "settings.twice", "collar_pct"),
        ('{"paper": {"speed": NaN}}', "settings.range", "paper.speed: nan"),
        ("{'risk': 1}", "settings.file", ""),
        ("[" * 100_000, "settings.file", ""),
        (b"\xc0\xfc\xb7\xab", "settings.encoding", "UTF-8"),
        ("", "settings.file", ""),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_bad_file_is_told_by_its_name_and_the_path_of_the_key(
    tmp_path: Path, text: str | bytes, code: str, part: str, language: str
) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError) as caught:
        settings_file.load(path)
    assert caught.value.code == code
    told = sentence(code, language, **caught.value.fields)
    assert str(path) in told
    assert part in told
    assert "Expected" not in told


def test_a_file_of_notepad_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"risk": {"collar_pct": 1}}', "utf-8-sig")
    assert settings_file.load(path).risk.collar_pct == 1


def test_a_misspelled_path_names_the_nearest() -> None:
    with pytest.raises(SettingError) as caught:
        settings_file.change(Settings(), "risk.max_order_pc", "1")
    assert "risk.max_order_pct" in sentence(caught.value.code, "ko", **caught.value.fields)
