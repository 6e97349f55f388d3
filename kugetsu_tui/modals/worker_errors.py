"""Workers that fail. Nobody waits for one, so each place that starts some passes on how they end, and the app says it."""

import logging

from textual.worker import Worker, WorkerState

from kugetsu_engine.errors import KugetsuError

log = logging.getLogger(__name__)


def describe_worker_error(event: Worker.StateChanged) -> tuple[str, str] | None:
    """What is said of the end of a worker, with its tone; None where it did not fail. What nobody expects is logged."""
    error = event.worker.error
    if event.state is not WorkerState.ERROR or error is None:
        return None
    if isinstance(error, KugetsuError):
        return str(error), "warning"
    log.error("a worker failed: %s", event.worker.name, exc_info=error)
    if isinstance(error, OSError):
        return f"the disk refused: {error.strerror or error}", "warning"
    return f"that failed: {type(error).__name__}, see the log of the console", "danger"
