"""The file of ``--order-settings``: JSON, by hand or by us, names in English or in Korean.

    {"entry": {"splits": 3, "split_down": true}, "exit": {"stop_rate": true, "stop_rate_pct": 3}}
    {"매수분할횟수": 3, "매수분할하방": true, "매도손절수익률청산": true, "매도손절수익률": 3}

What a file does not name keeps the market's default.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import InputError
from domain.instruments import Market
from domain.order_settings import GROUPS, OrderSettings, check_market, defaults, settings_of, titles
from utility.text_file import read_text


def load_orders(path: Path, market: Market) -> OrderSettings:
    """Return the checked settings of a file.

    Raises
    ------
    InputError
        ``orders.not_json``, ``orders.unknown`` (with the name that is nearest), ``orders.twice``, and those of
        `domain.order_settings.settings_of` and `check_market`; each with the file's name.
    """
    try:
        settings = orders_of(read_text(path), market)
        check_market(settings, market)
    except InputError as error:
        if error.code.startswith("orders."):
            raise InputError(error.code, **{**error.fields, "file": str(path)}) from error
        raise
    return settings


def orders_of(text: str, market: Market) -> OrderSettings:
    """Return the settings that a file's text means."""
    try:
        tree = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InputError("orders.not_json", detail=str(error)) from error
    if not isinstance(tree, dict):
        raise InputError("orders.not_json", detail="no object")
    out: dict[str, Any] = msgspec.to_builtins(defaults(market))
    seen: set[str] = set()
    for group, name, value in _entries(tree):
        if f"{group}.{name}" in seen:
            raise InputError("orders.twice", path=f"{group}.{name}")
        seen.add(f"{group}.{name}")
        out[group][name] = value
    return settings_of(out)


def _entries(tree: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return (group, name, value) of everything that a tree names."""
    korean = {title: path for path, title in titles("ko").items()}
    found = []
    for key, value in tree.items():
        if key in GROUPS and isinstance(value, dict):
            for name, one in value.items():
                path = korean.get(name, f"{key}.{name}")
                if path.split(".")[1] not in GROUPS[key].__struct_fields__ or not path.startswith(f"{key}."):
                    raise _unknown(f"{key}.{name}", korean)
                found.append((key, path.split(".")[1], one))
        elif key in korean:
            group, name = korean[key].split(".")
            found.append((group, name, value))
        else:
            raise _unknown(key, korean)
    return found


def _unknown(name: str, korean: dict[str, str]) -> InputError:
    near = difflib.get_close_matches(name, [*korean, *korean.values()], n=1)
    return InputError("orders.unknown", path=name, near=near[0] if near else "-")


def save_orders(path: Path, settings: OrderSettings) -> None:
    """Write all settings under their English names."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")


def changed(settings: OrderSettings, market: Market) -> dict[str, Any]:
    """Return what differs from the market's defaults, by path."""
    plain, mine = msgspec.to_builtins(defaults(market)), msgspec.to_builtins(settings)
    return {f"{group}.{name}": value for group, values in mine.items() for name, value in values.items() if value != plain[group][name]}
