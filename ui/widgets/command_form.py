"""The form of a command: its options in front, all others below a fold; made from what the command says of itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QToolButton, QVBoxLayout, QWidget

from ui.models.command_options import Option
from ui.models.research_kinds import Kind
from ui.text import bind, has, on_language, tr
from ui.widgets.form_row import FormRow
from ui.widgets.option_field import ChoiceField, Field, make_field
from ui.widgets.panel import muted, repolish

OFFERED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("--strategy", "--source", "subject", "number", "jobs"), ()),
    "--on": ("daily", "weekdays", "sat,sun", "mon,wed,fri"),
    "--zone": ("Asia/Seoul", "UTC", "America/New_York"),
}
"""Options that take any text, of which the window knows the usual ones; what is stored is offered later."""


class CommandForm(QWidget):
    """Fields of one command.

    Parameters
    ----------
    path : str
        Command and action.
    options : tuple of Option
    kind : Kind
        Which options stand in front, and which have no field.
    usual : mapping
        What the settings say, by option; takes the place of the command's own default.

    Signals
    -------
    changed : something was typed.
    shown(FormRow) : a row is to be in sight.
    """

    changed = pyqtSignal()
    shown = pyqtSignal(object)

    def __init__(self, path: str, options: tuple[Option, ...], kind: Kind, usual: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"form_{path.replace(' ', '_')}")
        self.path, self.kind, self._settled = path, kind, dict(usual)
        shown = [_offered(one) for one in options if not kind.why_out(one.name)]
        first = kind.first.get(path, ()) or tuple(one.name for one in shown if not one.to)
        self.options = {one.name: one for one in shown}
        order = [self.options[name] for name in first if name in self.options]
        rest = [one for one in shown if one.name not in first]
        self.fields: dict[str, Field] = {}
        self._rows: dict[str, FormRow] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(6)
        self.about = muted()
        self.about.setObjectName("formAbout")
        self.about.setWordWrap(True)
        column.addWidget(self.about)
        column.addLayout(self._table(order))
        self.own = [one for one in rest if one.to]
        if self.own:
            self.own_head = muted("ui.form.of_method")
            column.addWidget(self.own_head)
            column.addLayout(self._table(self.own))
        rest = [one for one in rest if not one.to]
        self.fold = QToolButton()
        self.fold.setObjectName("formMore")
        self.fold.setCheckable(True)
        self.fold.setProperty("kind", "flat")
        self.more = QWidget()
        self.fold.setVisible(bool(rest))
        self.more.setVisible(False)
        inner = QVBoxLayout(self.more)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(self._table(rest))
        self._count = len(rest)
        self.fold.toggled.connect(self._unfold)
        column.addWidget(self.fold, 0, Qt.AlignLeft)
        column.addWidget(self.more)
        column.addStretch(1)
        for name in {one.to for one in shown if one.to}:
            if name in self.fields:
                self.fields[name].changed.connect(self._suit)
        self._suit()
        on_language(self, self._say)
        self._say()

    def _table(self, options: Sequence[Option]) -> QVBoxLayout:
        table = QVBoxLayout()
        table.setContentsMargins(0, 0, 0, 0)
        table.setSpacing(5)
        for one in options:
            field = self.fields[one.name] = make_field(one)
            field.path = self.path
            row = self._rows[one.name] = FormRow(field)
            field.changed.connect(lambda row=row, name=one.name: self._typed(row, name))
            table.addWidget(row)
        return table

    def _typed(self, row: FormRow, name: str) -> None:
        """Say at once what is wrong with what stands in a field; of another value an older complaint is no longer true."""
        if row.code and row.field.get() == row.about:
            return  # typed again as it was, when its list was read anew
        code = row.field.wrong()
        row.complain(code, **(self._about(name) if code else {}))
        self.changed.emit()

    # --- what depends on another option -----------------------------------------------------------------

    def _suit(self) -> None:
        """Show the options that mean something for what is chosen, with its defaults."""
        for name, one in self.options.items():
            row, field = self._rows[name], self.fields[name]
            chosen = self.chosen(one.to)
            fits = one.fits(chosen)
            row.setVisible(fits)
            if fits:
                usual = one.default_for(chosen)
                kept = self._settled.get(one.dest)
                # The settings speak of the usual size; a method with a default of its own keeps it.
                field.settle(kept[1] if kept is not None and usual == kept[0] else usual)

    def chosen(self, name: str) -> str:
        """Return the value of a list of the form, empty when there is none of that name."""
        field = self.fields.get(name)
        return field.value() if isinstance(field, ChoiceField) else ""

    def _unfold(self, on: bool) -> None:
        self.more.setVisible(on)
        self._say_fold()

    # --- values -----------------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """Return what is to be passed to the command, by option."""
        out = {}
        for name, field in self.fields.items():
            one = self.options[name]
            value = field.get()
            if not one.fits(self.chosen(one.to)) or (value is None and not one.required):
                continue
            if value is None and isinstance(field, ChoiceField):
                value = field.value() or None
            if one.repeats and isinstance(value, str) and "," in value:
                value = [part.strip() for part in value.split(",") if part.strip()]
            if value is not None:
                out[name] = [value] if one.many and not isinstance(value, list) else value
        return out

    def put(self, name: str, value: Any) -> bool:
        """Type a value into an option's field; False when the form has none of that name."""
        if name not in self.fields:
            return False
        self.fields[name].put(value)
        return True

    def offer(self, name: str, values: Sequence[tuple[str, str]]) -> None:
        """Offer values with their labels in a list."""
        field = self.fields.get(name)
        if isinstance(field, ChoiceField):
            field.offer(values)

    def complaint(self) -> tuple[str, dict[str, Any]] | None:
        """Return code and fields of the first thing that is wrong, said beside its field, the cursor there; None when all is well."""
        for name, field in self.fields.items():
            one = self.options[name]
            if not one.fits(self.chosen(one.to)):
                continue
            code = field.wrong()
            if not code and one.required and not field.get() and not (isinstance(field, ChoiceField) and field.value()):
                code = "ui.form.missing"
            if code:
                fields = self._about(name)
                self.complain(name, code, fields)
                return code, fields
        first, last = (self.fields[name].get() if name in self.fields else None for name in ("--from", "--to"))
        if _is_reversed(first, last):
            names = {key: label_of(self.path, self.options[f"--{name}"]) for key, name in (("since", "from"), ("until", "to"))}
            self.complain("--to", "ui.form.reversed", names)
            return "ui.form.reversed", names
        return None

    def in_labels(self, said: str) -> str:
        """Return what a command says with the labels of the fields in the place of its options; what is quoted to be typed stays."""

        def label(found: re.Match[str]) -> str:
            one = self.options.get(found[0])
            return found[0] if one is None else f"[{label_of(self.path, one)}]"

        return re.sub(r"`[^`]*`|--[a-z][a-z-]*", label, said)

    def _about(self, name: str) -> dict[str, Any]:
        one = self.options[name]
        low, high = ("–" if one.low is None else f"{one.low:,.12g}"), ("–" if one.high is None else f"{one.high:,.12g}")
        return {"option": label_of(self.path, one), "low": low, "high": high}

    def complain(self, name: str, code: str, fields: Mapping[str, Any], focus: bool = True) -> bool:
        """Say beside a field what is wrong with it; False when the form has no such field."""
        row = self._rows.get(name)
        if row is None:
            return False
        if focus:
            if not row.isVisibleTo(self):
                self.fold.setChecked(True)
            row.field.setFocus()
            self.shown.emit(row)
        row.complain(code, **fields)
        return True

    def forgive(self) -> None:
        """Take back what was said beside the fields, but for what is still wrong with their values."""
        for name, row in self._rows.items():
            code = row.field.wrong()
            row.complain(code, **(self._about(name) if code else {}))

    # --- words ------------------------------------------------------------------------------------------

    def _say(self) -> None:
        for name, row in self._rows.items():
            one = self.options[name]
            row.say(label_of(self.path, one), tip_of(self.path, one))
        of_kind = f"ui.about.{self.kind.id}" if len(self.kind.commands) == 1 else ""
        codes = (of_kind, f"ui.about.{self.path}", f"help.{self.path.replace(' ', '.')}")
        about = next((tr(code) for code in codes if code and has(code)), "")
        self.about.setText(about)
        self.about.setVisible(bool(about))
        self._say_fold()

    def _say_fold(self) -> None:
        bind(self.fold, "setText", "ui.form.less" if self.fold.isChecked() else "ui.form.more", count=self._count)
        repolish(self.fold)


def _is_reversed(first: Any, last: Any) -> bool:
    """Tell whether two plain days are the wrong way round; of times with zones the command knows."""
    try:
        return bool(first and last) and dt.date.fromisoformat(str(last)) < dt.date.fromisoformat(str(first))
    except ValueError:
        return False


def _offered(one: Option) -> Option:
    """Return an option that takes any text as an open list, where the window knows what it may be."""
    if one.name in OFFERED and one.kind == "text" and not (one.many and one.name != "jobs"):
        return replace(one, kind="text" if one.many else "choice", is_open=not one.many, choices=OFFERED[one.name])
    return one


def label_of(path: str, one: Option) -> str:
    """Return the label of an option; one without words is called by its name."""
    name = one.name.lstrip("-")
    for code in (f"option.{one.dest}" if one.to else "", f"ui.option.{path.replace(' ', '.')}.{name}", f"ui.option.{name}"):
        if code and has(code):
            return tr(code)
    return name


def tip_of(path: str, one: Option) -> str:
    """Return what `--help` says of an option, with its bounds."""
    codes = [f"option.{one.dest}.tip"] if one.to else [f"help.{path.replace(' ', '.')}.{one.name}", f"help.{one.name}"]
    text = next((tr(code) for code in codes if has(code)), one.name)
    if "{" in text:
        text = label_of(path, one)
    if one.repeats:
        text += " " + tr("ui.form.repeats")
    bounds = "" if one.low is None or one.high is None or one.high >= 2**31 else f" ({one.low:,.12g} – {one.high:,.12g})"
    return f"{text}{bounds}\n{one.name}" if not one.positional else text + bounds
