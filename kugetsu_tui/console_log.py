"""The log of the console: what went wrong in it while it went on, and what ended it. Secrets are masked in it."""

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
"""Whose records are kept. Others are let go: apprise, for one, writes addresses with what is secret in them."""


def write_log(paths: StatePaths, mask: Mask, seconds: float, words: str, error: BaseException | None = None) -> None:
    """Add to the log; a long one is put away first.

    Args:
        seconds: since 1970.

    Raises:
        OSError: the disk refuses.
    """
    os.makedirs(paths.logs, 0o700, exist_ok=True)
    files.rotate_log(paths.console_log)
    story = "".join(traceback.format_exception(error)) if error is not None else ""
    for line in (*f"{iso(seconds)} {words}".splitlines(), *story.splitlines()):
        files.append_line(paths.console_log, mask(line).encode("utf-8", "replace"))


@contextlib.contextmanager
def keep_log(paths: StatePaths, environ: Mapping[str, str]) -> Iterator[None]:
    """Keep warnings and errors of `LOGGERS` meanwhile; a thread writes them, so that no disk holds up who tells them."""
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
        """Write a record, which has its traceback in its text; one that cannot be written is let go: a print would show."""
        try:
            words = f"{record.levelname.lower()} {record.name}: {record.getMessage()}"
            write_log(self._paths, self._secrets.mask(), record.created, words)
        except Exception:  # the boundary of a log: it never ends what it tells of
            return
