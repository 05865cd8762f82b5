"""Texts that a person writes for a search: ranges proposed around a strategy's values, and condition lists."""

from __future__ import annotations

from domain.errors import InputError

LINES = "lines"
"""What a method searches that takes condition lists instead of a range text."""
_HEADS = {"매수": "buy", "buy": "buy", "매도": "sell", "sell": "sell"}


def propose_ranges(variables: tuple[float, ...], used: tuple[int, ...]) -> str:
    """Return a range text around the values of a strategy: five steps each, its own value as best."""
    lines = []
    for index in used:
        value = variables[index] if index < len(variables) else 0.0
        step = max(abs(value) * 0.2, 1.0) if float(value).is_integer() else round(max(abs(value) * 0.2, 0.01), 2)
        if float(value).is_integer():
            step = float(round(step))
        low, high = value - 2 * step, value + 2 * step
        if value > 0:
            low = max(low, step)
        lines.append(f"self.vars[{index}] = [[{low:g}, {high:g}, {step:g}], {value:g}]")
    return "\n".join(lines)


def split_lines(text: str) -> tuple[str, str]:
    """Return the buy and the sell list of a text with the headings ``# 매수`` and ``# 매도`` (``# buy``, ``# sell``).

    Raises
    ------
    InputError
        ``ui.research.no_lists`` when a heading is missing.
    """
    lists: dict[str, list[str]] = {}
    now = ""
    for line in text.splitlines():
        found = _HEADS.get(line.strip().lstrip("# ").lower()) if line.strip().startswith("#") else None
        if found is not None:
            now = found
            lists.setdefault(now, [])
        elif now:
            lists[now].append(line)
    if len(lists) < 2:
        raise InputError("ui.research.no_lists")
    return "\n".join(lists["buy"]) + "\n", "\n".join(lists["sell"]) + "\n"
