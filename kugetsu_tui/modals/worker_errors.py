"""Failed workers: nothing awaits a worker, so its starter passes the failure on and the app reports it."""

import logging

from textual.worker import Worker, WorkerState

from kugetsu_engine.errors import KugetsuError

log = logging.getLogger(__name__)


def describe_worker_error(event: Worker.StateChanged) -> tuple[str, str] | None:
    """Message and tone for a worker's failure, None if it did not fail; unexpected errors are logged."""
    error = event.worker.error
    if event.state is not WorkerState.ERROR or error is None:
        return None
    if isinstance(error, KugetsuError):
        return str(error), "warning"
    log.error("a worker failed: %s", event.worker.name, exc_info=error)
    if isinstance(error, OSError):
        return f"the disk refused: {error.strerror or error}", "warning"
    return f"internal error: {type(error).__name__}; see the console's log", "danger"
