"""What keeps tasks from starting that only the engine can know; it tells so, as everyone explains the queue by it."""

import msgspec


class Obstacles(msgspec.Struct, frozen=True):
    """Found by the engine when it tried, and kept until it has tried again."""

    issues: list[str] = []
    """Keys of issues that someone else works on: `destroy`, an attempt of an older kugetsu, another program."""
    slots: int = 0
    """Slots that neither an agent of the books nor a known person holds."""
    preparing: dict[str, str] = {}
    """The task that has git at work in a repository, by the repository's names; only where others had to wait long for that."""
    trouble: str = ""
    """What the disk or the system refused in the last turn."""
