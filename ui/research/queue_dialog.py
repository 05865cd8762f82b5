"""When and under which name a command waits in the queue, and in how many versions: the options of `batch add`."""

from __future__ import annotations

from PyQt5.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from ui.models.command_options import Forms, words
from ui.models.queue_words import command_text
from ui.models.research_kinds import QUEUE_FIRST
from ui.text import tr
from ui.widgets.command_form import CommandForm

ADD = "batch add"


class QueueDialog(QDialog):
    """The form of `batch add` for words that are ready.

    Parameters
    ----------
    forms : mapping
        Options of every command.
    queued : list of str
        The command and its words.
    """

    def __init__(self, forms: Forms, queued: list[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queueDialog")
        self.setWindowTitle(tr("ui.queue.title"))
        self.setMinimumWidth(520)
        self.queued = queued
        self.form = CommandForm(ADD, forms[ADD], QUEUE_FIRST, {})
        told = QLabel(command_text(queued))
        told.setWordWrap(True)
        told.setProperty("role", "title")
        told.setToolTip(" ".join(queued))
        self.wrong = QLabel()
        self.wrong.setProperty("role", "error")
        self.wrong.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.Ok | QDialogButtonBox.Cancel)
        buttons.button(QDialogButtonBox.Ok).setText(tr("ui.queue.yes"))
        buttons.button(QDialogButtonBox.Ok).setProperty("kind", "primary")
        buttons.button(QDialogButtonBox.Cancel).setText(tr("ui.queue.no"))
        for one in (QDialogButtonBox.Ok, QDialogButtonBox.Cancel):
            buttons.button(one).setMinimumSize(88, 30)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(told)
        column.addWidget(self.form)
        column.addWidget(self.wrong)
        column.addWidget(buttons)

    def _accept(self) -> None:
        found = self.form.complaint()
        if found is None:
            self.accept()
        else:
            self.wrong.setText(tr(found[0], **found[1]))

    def words(self) -> list[str]:
        """Return the words of `batch add`."""
        return [*words(ADD, tuple(self.form.options.values()), self.form.values()), "--", *self.queued]
