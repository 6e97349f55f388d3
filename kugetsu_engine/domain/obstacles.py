"""Obstacles to starts that only the engine can find; it publishes them, so that all programs explain the queue alike."""

import msgspec


class Obstacles(msgspec.Struct, frozen=True):
    """Found when the engine tried to start tasks, and kept until it tries again."""

    issues: list[str] = []
    """Keys of issues locked by something else: `destroy`, an attempt of an older kugetsu, another program."""
    slots: int = 0
    """Slots held by neither an agent of the queue nor a known manual session."""
    preparing: dict[str, str] = {}
    """By repository, the task for which git is busy there; only if others have waited for it for long."""
    trouble: str = ""
    """The error of the disk or the system in the last turn."""
