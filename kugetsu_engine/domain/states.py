"""The states of a task and the moves between them. Imports nothing.

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
    # An ended task moves only by the operator's retry.
    COMPLETED: frozenset({PENDING}),
    ERROR: frozenset({PENDING}),
    CANCELLED: frozenset({PENDING}),
    EXPIRED: frozenset({PENDING}),
}
"""The states that a task may move to from each state; `pending` from an active state is a retry."""

EVENTS = {
    PENDING: "task_queued",
    NOTIFIED: "task_dequeued",
    RUNNING: "task_started",
    COMPLETED: "task_completed",
    ERROR: "task_error",
    CANCELLED: "task_cancelled",
    EXPIRED: "task_expired",
}
"""The type of the notification about a move into each state; for a retry it is `task_retry`, not `task_queued`."""
RETRY_EVENT = "task_retry"
