"""The states of a task and the moves between them, as data. This module imports nothing.

`held` is a flag of a pending task, not a state.
"""

PENDING = "pending"
NOTIFIED = "notified"
RUNNING = "running"
COMPLETED = "completed"
ERROR = "error"
CANCELLED = "cancelled"
EXPIRED = "expired"

ALL = (PENDING, NOTIFIED, RUNNING, COMPLETED, ERROR, CANCELLED, EXPIRED)
FINAL = frozenset({COMPLETED, ERROR, CANCELLED, EXPIRED})
ACTIVE = frozenset({NOTIFIED, RUNNING})

MOVES: dict[str, frozenset[str]] = {
    PENDING: frozenset({NOTIFIED, CANCELLED, EXPIRED, ERROR}),
    NOTIFIED: frozenset({RUNNING, PENDING, COMPLETED, ERROR, CANCELLED}),
    RUNNING: frozenset({PENDING, COMPLETED, ERROR, CANCELLED}),
    # An ended task moves only when the operator asks for a retry.
    COMPLETED: frozenset({PENDING}),
    ERROR: frozenset({PENDING}),
    CANCELLED: frozenset({PENDING}),
    EXPIRED: frozenset({PENDING}),
}
"""From each state the states a task may move to; `pending` from an active state is a retry."""

EVENTS = {
    PENDING: "task_queued",
    NOTIFIED: "task_dequeued",
    RUNNING: "task_started",
    COMPLETED: "task_completed",
    ERROR: "task_error",
    CANCELLED: "task_cancelled",
    EXPIRED: "task_expired",
}
"""The notification that the move *into* a state emits; a retry emits `task_retry` instead of `task_queued`."""
RETRY_EVENT = "task_retry"
