"""Where a command works, and the person it tells. Apart from `words`, as the shortest `enqueue` needs no parser."""

from __future__ import annotations

import os
import sys

from ..paths import StatePaths, find_state_dir

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from ..client.api import Client


def make_client() -> Client:
    """A client of this command's state directory, which acts itself where no engine runs."""
    from ..client.api import Client
    from ..engine.local import LocalEngine

    root = find_state_dir(os.environ)
    return Client(root, local_engine=LocalEngine(StatePaths(root), os.environ))


def state_paths() -> StatePaths:
    """The state directory of this command."""
    return StatePaths(find_state_dir(os.environ))


def standard_input() -> str:
    """What the operator pipes in.

    Raises:
        UsageError: it is not UTF-8.
    """
    return decode_text(sys.stdin.buffer.read(), "standard input")


def decode_text(data: bytes, name: str) -> str:
    """The text of a file that an operator names, without the mark that some editors put in front."""
    from ..errors import UsageError

    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name} is not UTF-8 (line {line})", "save it as UTF-8, or convert it with iconv") from None


def glyph(name: str) -> str:
    """The sign of a state or a level, in ASCII where standard output takes nothing else."""
    from ..domain.text import glyph_tables

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return (glyph_tables.UTF8 if encoding == "utf8" else glyph_tables.ASCII).get(name, "*")


def print_note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    from ..domain.text.safe_text import safe_line

    sys.stderr.write(f"{safe_line(text)}\n")
