"""What is printed and logged when the console itself fails: one line for the person, the rest in the log.

Textual would print every local variable of every frame, settings and keys among them.
"""

import time
import traceback
from collections.abc import Mapping

from kugetsu_engine.config.secret_values import Secrets
from kugetsu_engine.paths import StatePaths

from . import console_log
from .formatting.cells import clean


def report_crash(error: BaseException | None, paths: StatePaths, environ: Mapping[str, str], *, keep: bool) -> str:
    """Return the line for the person; the traceback goes into the console's log.

    Args:
        keep: whether anything may be written; a read-only console writes nothing.
    """
    mask = Secrets(paths, environ).mask()
    reason = mask(clean("".join(traceback.format_exception_only(error)).strip(), 300)) if error else "no reason known"
    line = f"kugetsu: the console failed, agents go on: {reason}"
    if not keep or error is None:
        return line
    try:
        console_log.write_log(paths, mask, time.time(), "the console failed", error)
    except OSError:
        return line
    return f"{line} (see {paths.console_log})"
