"""`kugetsu init`: settings, env files, and the sessions of the base and the project manager."""

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
from ..grammar import parser_of
from .issues import confirmed


def main(verb: str, words: list[str]) -> int:
    """Make what is missing."""
    given = parser_of(verb).parse_args(words)
    acting = make_client()
    for path in state_setup.create_files(acting):
        print(safe_line(f"made {path}"))
    if given.files:
        return 0
    if not state_setup.can_keep_sessions(acting):
        print(safe_line(f"{acting.settings.agent} keeps no sessions, so there is nothing else to make"))
        return 0
    there = [ref for ref in (BASE, PM_AGENT) if _session(acting, ref) is not None]
    if len(there) == 2 and not given.force:
        raise Conflict("base and project manager have their sessions already", "--force destroys them and makes new ones")
    for ref in there if given.force else ():
        for done in destroy.destroy_issue(acting, destroy.inspect_issue(acting, ref), force=True):
            print(safe_line(done))
    for ref in (BASE, PM_AGENT):
        if _session(acting, ref) is None:
            print(safe_line(f"{SESSIONS[ref]}: asking {acting.settings.agent} ..."), file=sys.stderr, flush=True)
            print(safe_line(f"{SESSIONS[ref]} session {state_setup.create_session(acting, ref, pause)}"), flush=True)
    if sys.stdin.isatty():
        return _offer_screen(acting)
    return 0


def _session(acting: Client, issue_ref: str) -> str | None:
    session = sessions.load_session(acting.paths, SESSIONS[issue_ref])
    return session.session_id if session else None


def _offer_screen(acting: Client) -> int:
    """Offer the agent's own screen on the base session: what is said there every later agent knows."""
    session = sessions.load_session(acting.paths, SESSIONS[BASE])
    if session is None or not session.session_id or not session.worktree or not os.path.isdir(session.worktree):
        return 0
    agent, settings = session.agent or "opencode", acting.settings
    try:
        argv = registry.build_screen_command(agent, settings, session.session_id, acting.paths.root)
    except ConfigError:
        return 0  # it has none
    if not confirmed(f"Open {agent}'s own screen, to tell the base session more?"):
        return 0
    env = {**os.environ, **settings.agents.get(agent, AgentSettings()).env, "PWD": session.worktree}
    try:
        return subprocess.run(argv, cwd=session.worktree, env=env, check=False).returncode
    except OSError as error:
        print_note(f"kugetsu: {argv[0]}: {error.strerror}")
        return 1
