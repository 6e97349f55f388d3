"""The agent process of an attempt on an opencode server, shared or its own: prompt on stdin, events on stdout.

It prints what `opencode run --format json` prints, so that one reader serves all modes. Standard library only.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from ...process.waiting import pause
from ...storage import files
from . import keeper_protocol as protocol
from . import private_server
from .http_api import ServerApi, ServerLost
from .live_client import LiveClient
from .session_client import SessionClient, Stopped

READY_LIMIT_S = 300.0
"""How long it waits for a server to be ready; the keeper tells it at once when none can be started."""


class NoProgram(Exception):
    """The server's program is not installed."""


def connect_to_server(state_dir: str, worktree: str) -> tuple[Any, ServerApi]:
    """Connect to the active keeper. Return the connection, to be kept open while this attempt lives, and the server.

    Raises:
        ServerLost: there is no server, or it does not start.
        NoProgram: its program is not installed.
    """
    env = {name: value for name, value in os.environ.items() if name.startswith("KUGETSU_") or name in ("TMPDIR", "PWD")}
    deadline = time.monotonic() + READY_LIMIT_S
    entered = f"{os.environ['TMPDIR']}/{protocol.ENTERED_FILE}"
    files.replace(entered, b"", durable=False)  # tells every engine that this attempt needs a keeper
    while time.monotonic() < deadline:
        keeper = protocol.read_status(state_dir)
        with suppress(OSError, ValueError):
            if keeper is not None:
                files.replace(entered, os.fsencode(keeper["socket"]), durable=False)
                connection = protocol.connect_to_keeper(keeper["socket"], READY_LIMIT_S)
                protocol.send_line(connection, {"verb": "enter", "directory": worktree, "env": env})
                answer = protocol.receive_line(connection) or {}
                if "port" in answer:
                    return connection, ServerApi(int(answer["port"]), str(answer["password"]))
                connection.close()
                if answer.get("no_program"):
                    raise NoProgram(str(answer["fault"]))
                if "fault" in answer:
                    raise ServerLost(str(answer["fault"]))
        pause(0.1)  # the engine starts a keeper, or the next one
    raise ServerLost(f"no server was ready within {READY_LIMIT_S:g} s")


def main(argv: list[str] | None = None) -> int:
    """Entry point of the run client."""
    parser = argparse.ArgumentParser("opencode-client", add_help=False, allow_abbrev=False)
    for names in (("--title",), ("-m", "--model"), ("-s", "--session"), ("--agent",), ("--variant",)):
        parser.add_argument(*names)
    for name in ("--auto", "--fork", "--live", "--ask"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--private", metavar="PROGRAM")
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _stop)
    worktree = os.getcwd()
    args = parser.parse_args(argv)
    client = (LiveClient if args.live else SessionClient)(args, worktree)
    try:
        if args.private is not None:
            with private_server.start_server(args.private) as own:
                return client.run(own, client.read_prompt())
        connection, api = connect_to_server(os.environ["KUGETSU_DIR"], worktree)
        try:
            code = client.run(api, client.read_prompt())
            protocol.send_line(connection, {"ended": True})
            return code
        finally:
            connection.detach()  # closed by the kernel when this process is gone
    except (NoProgram, private_server.CannotStart) as error:
        client.print_error("NoProgram", str(error))
        return 1
    except ServerLost as error:
        which = "shared" if args.private is None else "private"
        client.print_error("ServerLost", f"lost the {which} opencode server: {error}")
        return 1
    except Stopped:
        return 143


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped
