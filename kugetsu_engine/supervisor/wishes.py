"""What the engine wants of a running attempt besides its end: a small file beside the folder of the attempt.

The engine writes it, the supervisor reads it once a second. It is no signal, as that would end the supervisor of an earlier
version, and it outlives the engine. Standard library only.
"""

import json
from typing import Any

from ..errors import BadFile
from ..storage import files

MAX_BYTES = 64 << 10

Wish = dict[str, Any]
"""`pause`: whether its processes are to stand still. `by`: on whose behalf, `operator` or `memory`."""


def write_wish(path: str, token: str, wish: Wish) -> None:
    """Write the wishes for an attempt.

    Args:
        token: that of the attempt, as another attempt may get the same number.

    Raises:
        OSError: writing failed.
    """
    files.replace(path, json.dumps({"token": token, **wish}).encode())


def read_wish(path: str, token: str) -> Wish:
    """Read the wishes for an attempt; empty if there are none, or the file cannot be read."""
    try:
        wish = json.loads(files.read(path, MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError, BadFile, ValueError, RecursionError):
        return {}
    return wish if isinstance(wish, dict) and wish.get("token") == token else {}


class WishFile:
    """The wishes for one attempt, as its supervisor reads them: anew only if the file has changed."""

    def __init__(self, path: str, token: str) -> None:
        self._path = path
        self._token = token
        self._seen: object = ()
        self._wish: Wish = {}

    def read(self) -> Wish:
        """Return the wishes of now."""
        seen = files.read_signature(self._path)
        if seen != self._seen:
            self._wish, self._seen = read_wish(self._path, self._token), seen
        return self._wish
