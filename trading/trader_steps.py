"""The trader's side of lock-step: when a step is done, and when fills on the way to one are known (architecture 3.4)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from domain.messages import ReplayEnd, StepDone, StepFills, StepHeard, StepNext, StepsMessage, StepWait
from trading.listeners import Listeners
from trading.risk import READY
from utility.bus import Dealer

if TYPE_CHECKING:
    from trading.effects import Effect, Moment
    from trading.trader import Trader


class TraderSteps:
    """Part of `trading.trader_process.TraderProcess`: what has come, and what the exchange is told of it."""

    core: Trader | None
    listeners: Listeners
    _updates: deque[Any]

    def _begin_steps(self) -> None:
        """Forget everything of steps, at the start."""
        self.steps: Dealer[StepsMessage] | None = None
        self._frames: dict[str, int] = {}
        self._step = 0  # the market barrier that came last
        self._strategy_step = 0  # the strategy's
        self._done_step = 0
        self._told_step = 0
        self._wait: dict[str, int] = {}
        self._fills: StepFills | None = None
        self._needed_seq = 0  # outbox sequence that the strategy must have handled
        self._ended = False

    def _do(self, effects: list[Effect]) -> None:
        """Carry effects out."""
        raise NotImplementedError

    def _now(self) -> Moment:
        """Return now."""
        raise NotImplementedError

    def _read_steps(self) -> None:
        assert self.steps is not None
        for message in self.steps.receive():
            if isinstance(message, StepWait):
                self._wait = message.private_frames
                self._told_step = 0
            elif isinstance(message, StepFills):
                self._fills = message
            elif isinstance(message, StepNext):
                self._done_step = max(self._done_step, message.n)
                self._wait = {}
            elif isinstance(message, ReplayEnd):
                self._ended = True
        self._go_on()

    def _is_settled(self, core: Trader, frames: dict[str, int]) -> bool:
        """Tell whether so many private frames, and all they brought, have been handled by this process and by the strategy."""
        if self._updates or core.unsettled():
            return False
        if self._needed_seq and self.listeners.strategy_acked() < self._needed_seq:
            return False
        return all(self._frames.get(connection, 0) >= count for connection, count in frames.items())

    def _hear(self, core: Trader, asked: StepFills) -> None:
        """Tell the exchange that fills on the way to a step are known; a connection of an earlier life sends nothing any more."""
        own = {number: count for number, count in asked.private_frames.items() if number in self._frames}
        if self.steps is not None and own and core.desk.readiness == READY and self._is_settled(core, own):
            self._fills = None
            self.steps.send(StepHeard(n=asked.n, private_frames=dict(self._frames)))

    def _go_on(self) -> None:
        """Tell the exchange that the step is done, when it is."""
        core, step = self.core, self._step
        if core is not None and self._fills is not None:
            self._hear(core, self._fills)
        if self.steps is None or core is None or step <= self._done_step or step == self._told_step:
            return
        if self._strategy_step < step or not self._is_settled(core, self._wait):
            return
        self._do(core.on_timer(self._now()))
        if core.unsettled():
            return
        self._told_step = step
        self.steps.send(StepDone(n=step, private_frames=dict(self._frames)))
