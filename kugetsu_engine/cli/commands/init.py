"""`kugetsu init`: creates settings, env files, and the base session and the project manager's."""

import os
import subprocess
import sys

from ...agents import registry
from ...client import state_setup
from ...client.api import Client
from ...config.loader import AgentSettings
from ...domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ...domain.text.safe_text import safe_line
from ...errors import ConfigError, Conflict
from ...process.waiting import pause
from ...state import sessions
from ...worktrees import destroy
from ..context import make_client, print_note
from ..parser import make_parser
from .issues import confirm


def main(verb: str, argv: list[str]) -> int:
    """Create what is missing."""
    args = make_parser(verb).parse_args(argv)
    client = make_client()
    for path in state_setup.create_files(client):
        print(safe_line(f"made {path}"))
    if args.files:
        return 0
    if not state_setup.can_keep_sessions(client):
        print(safe_line(f"{client.settings.agent} has no sessions, so nothing else is created"))
        return 0
    existing = [ref for ref in (BASE, PM_AGENT) if _session(client, ref) is not None]
    if len(existing) == 2 and not args.force:
        raise Conflict("both sessions already exist", "--force destroys them and creates new ones")
    for ref in existing if args.force else ():
        for line in destroy.destroy_issue(client, destroy.inspect_issue(client, ref), force=True):
            print(safe_line(line))
    for ref in (BASE, PM_AGENT):
        if _session(client, ref) is None:
            print(safe_line(f"{SESSIONS[ref]}: asking {client.settings.agent} ..."), file=sys.stderr, flush=True)
            print(safe_line(f"{SESSIONS[ref]} session {state_setup.create_session(client, ref, pause)}"), flush=True)
    if sys.stdin.isatty():
        return _offer_screen(client)
    return 0


def _session(client: Client, issue_ref: str) -> str | None:
    session = sessions.load_session(client.paths, SESSIONS[issue_ref])
    return session.session_id if session else None


def _offer_screen(client: Client) -> int:
    """Offer the agent's own screen on the base session: every later session is a copy of it."""
    session = sessions.load_session(client.paths, SESSIONS[BASE])
    if session is None or not session.session_id or not session.worktree or not os.path.isdir(session.worktree):
        return 0
    agent, settings = session.agent or "opencode", client.settings
    try:
        argv = registry.build_screen_command(agent, settings, session.session_id, client.paths.root)
    except ConfigError:
        return 0  # the agent has no screen
    if not confirm(f"Open {agent}'s own screen, to add to the base session?"):
        return 0
    env = {**os.environ, **settings.agents.get(agent, AgentSettings()).env, "PWD": session.worktree}
    try:
        return subprocess.run(argv, cwd=session.worktree, env=env, check=False).returncode
    except OSError as error:
        print_note(f"kugetsu: {argv[0]}: {error.strerror}")
        return 1
