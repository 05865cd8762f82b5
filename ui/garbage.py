"""When Python's garbage collector may run in the window's process.

Loading Qt, numpy and the compiled arithmetic makes half a million objects that live for ever; looking through
them stops the event loop for a third of a second. So the collector rests while the program loads, and what
is there at the end is set aside: later collections look at what came since, which is little.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 20)
"""A batch makes a few thousand objects that die with it; the young ones are looked at every few seconds."""


def rest() -> None:
    """Switch the collector off while the program loads."""
    gc.disable()


def settle() -> None:
    """Set aside what there is and let the collector run on what comes."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
