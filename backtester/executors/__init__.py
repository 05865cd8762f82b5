"""Where the work of a run or a search is done."""

from __future__ import annotations

from backtester.executors.base import Answer, Executor
from backtester.executors.local import LocalExecutor

__all__ = ["Answer", "Executor", "LocalExecutor"]
