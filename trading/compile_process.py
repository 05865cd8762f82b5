"""The compile worker: text → authenticated machine code on disk, within thirty seconds and two gigabytes.

Parsing a hostile text can exhaust memory and compiling can take for ever; here both end with the worker.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from types import FrameType

from domain.errors import StomError
from domain.process_config import ProcessConfig
from trading.strategy_process import load_step
from trading.texts import program_of
from trading.venues import market as find_market

MEMORY_MAX = 2 << 30
log = logging.getLogger(__name__)


def limit(seconds: int) -> None:
    """Bound processor time and memory of this process, where the system can."""
    try:
        import resource
    except ImportError:
        return  # Windows: the supervisor's clock alone
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    used = Path("/proc/self/statm")
    # What is mapped already (libraries, the interpreter's arenas) does not count against the text.
    mapped = int(used.read_text().split()[0]) * resource.getpagesize() if used.exists() else 1 << 30
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_MAX, mapped + MEMORY_MAX))


def main(config: ProcessConfig) -> int:
    """Compile the strategy of the configuration; 0 when it is in the cache."""
    if config.strategy is None:
        return 2

    def late(_number: int, _frame: FrameType | None) -> None:
        sys.exit(3)

    seconds = config.settings.processes.compile_timeout_s
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, late)
        signal.alarm(2 * seconds)
    limit(seconds)
    text = config.strategy
    try:
        load_step(program_of(text, find_market(config.market), config.interval_s), Path(config.data_dir))
    except StomError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except MemoryError:
        sys.stderr.write("compile: out of memory\n")
        return 3
    return 0
