"""The console's log: its warnings and errors, and what ended it. Secrets are masked."""

import contextlib
import logging
import os
import queue
import traceback
from collections.abc import Iterator, Mapping
from logging.handlers import QueueHandler, QueueListener

from kugetsu_engine.config.secret_values import Secrets
from kugetsu_engine.domain.text.masking import Mask
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files

LOGGERS = ("kugetsu_engine", "kugetsu_tui", "asyncio", "py.warnings")
"""Loggers whose records are kept; others may log secrets, as apprise does with addresses."""


def write_log(paths: StatePaths, mask: Mask, seconds: float, text: str, error: BaseException | None = None) -> None:
    """Append to the log; a long one is rotated first.

    Args:
        seconds: since 1970.

    Raises:
        OSError: it cannot be written.
    """
    os.makedirs(paths.logs, 0o700, exist_ok=True)
    files.rotate_log(paths.console_log)
    trace = "".join(traceback.format_exception(error)) if error is not None else ""
    for line in (*f"{iso(seconds)} {text}".splitlines(), *trace.splitlines()):
        files.append_line(paths.console_log, mask(line).encode("utf-8", "replace"))


@contextlib.contextmanager
def keep_log(paths: StatePaths, environ: Mapping[str, str]) -> Iterator[None]:
    """Write warnings and errors of `LOGGERS` meanwhile, in a thread, so that a slow disk delays nothing."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler, writer = QueueHandler(records), QueueListener(records, _Writer(paths, environ))
    handler.setLevel(logging.WARNING)
    writer.start()
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(handler)
        writer.stop()


class _Writer(logging.Handler):
    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._paths = paths
        self._secrets = Secrets(paths, environ)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, whose text includes its traceback. One that cannot be written is dropped: a print would show."""
        try:
            text = f"{record.levelname.lower()} {record.name}: {record.getMessage()}"
            write_log(self._paths, self._secrets.mask(), record.created, text)
        except Exception:  # the boundary of the log: it never ends the console
            return
