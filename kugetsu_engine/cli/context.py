"""What every command needs: a client, paths, standard input, a sign, a note on stderr. Loads no parser, for `enqueue`."""

from __future__ import annotations

import os
import sys

from ..paths import StatePaths, find_state_dir

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from ..client.api import Client


def make_client() -> Client:
    """Make a client of this command's state directory, which acts itself if no engine is running."""
    from ..client.api import Client
    from ..engine.local_engine import LocalEngine

    root = find_state_dir(os.environ)
    return Client(root, local_engine=LocalEngine(StatePaths(root), os.environ))


def make_paths() -> StatePaths:
    """Make the paths of this command's state directory."""
    return StatePaths(find_state_dir(os.environ))


def read_standard_input() -> str:
    """Read what is piped in.

    Raises:
        UsageError: it is not UTF-8.
    """
    return decode_text(sys.stdin.buffer.read(), "standard input")


def decode_text(data: bytes, name: str) -> str:
    """Decode a file named by the user, without the byte order mark that some editors write."""
    from ..errors import UsageError

    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name} is not UTF-8 (line {line})", "save it as UTF-8, or convert it with iconv") from None


def choose_glyph(name: str) -> str:
    """Choose the sign of a state or a level, in ASCII if standard output is not UTF-8."""
    from ..domain.text import glyph_tables

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return (glyph_tables.UTF8 if encoding == "utf8" else glyph_tables.ASCII).get(name, "*")


def print_note(text: str) -> None:
    """Print a line on stderr that is not a result."""
    from ..domain.text.safe_text import safe_line

    sys.stderr.write(f"{safe_line(text)}\n")
