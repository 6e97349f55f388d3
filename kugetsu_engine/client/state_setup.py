"""`kugetsu init`: makes files to fill in, and the sessions of base and project manager, by ordinary tasks."""

import os
from collections.abc import Callable

from ..agents import registry
from ..config.prompt_template import RULES
from ..domain.new_task import format_bare_id
from ..domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ..domain.session import WantedSession
from ..errors import KugetsuError
from ..git.command import git
from ..paths import ENV_DEFAULT, ENV_DEV, ENV_PM, StatePaths
from ..state import sessions
from ..storage import files
from . import start
from .api import Client

CONFIG = """\
# Settings of kugetsu, see docs/configuration.md. A change takes effect at once.

# max_concurrent_agents = 3
# agent = "opencode"
# task_timeout = "1h"
# default_server = "github.com"

# [agents.opencode]
# model = "provider/model"

# [repos]
# "github.com/owner/repo" = "~/src/repo"

# [servers]
# "git.example.org" = "https://git.example.org"
"""
ENV = {
    ENV_DEFAULT: "# KEY=VALUE for every agent, one per line; read as data, never executed. Keep it private.\n# GITEA_TOKEN=\n",
    ENV_DEV: "# KEY=VALUE for the agents of issues; overrides default.env.\n",
    ENV_PM: "# KEY=VALUE for the project manager alone; overrides default.env.\n",
}
BASE_MESSAGE = f"""\
The conversations of all issues are forked from this one. Keep these rules in mind; there is nothing to do now.

{RULES}
Answer with the one word "ready", and use no tool.
"""
PM_MESSAGE = 'There is nothing to do yet. Answer with the one word "ready", and use no tool.\n'


def create_files(client: Client) -> list[str]:
    """Make what is missing in the state directory; returns what was made. Existing files are not changed."""
    paths, made = client.paths, []
    files.create_folders(paths.folders())
    contents = {f"{paths.env}/{name}": text for name, text in ENV.items()}
    if not os.path.lexists(paths.shell_config):
        contents[paths.config] = CONFIG
    for path, text in sorted(contents.items()):
        if not os.path.lexists(path):
            files.create(path, text.encode())
            made.append(path)
    made += [folder for ref in (BASE, PM_AGENT) if (folder := _repository(paths, ref)) is not None]
    return made


def _repository(paths: StatePaths, issue_ref: str) -> str | None:
    """Make the repository for tasks without an issue; None if it exists."""
    folder = f"{paths.repositories}/{issue_ref.partition('#')[0]}"
    if os.path.isdir(f"{folder}/.git"):
        return None
    os.makedirs(folder, 0o700, exist_ok=True)
    git(folder, "init", "--quiet", "-b", "main")
    who = ("-c", "user.name=kugetsu", "-c", "user.email=kugetsu@localhost", "-c", "commit.gpgsign=false")
    git(folder, *who, "commit", "--quiet", "--allow-empty", "-m", f"The place of the {SESSIONS[issue_ref]} session")
    return folder


def can_keep_sessions(client: Client) -> bool:
    """Whether the default agent can continue its conversations."""
    settings = client.settings
    return registry.adapt_session(settings.agent, settings, WantedSession("continue", "any")).mode == "continue"


def create_session(client: Client, issue_ref: str, pause: Callable[[float], None]) -> str:
    """Make the session of the base or the project manager, and wait for it; returns its id.

    Raises:
        TryLater: all slots are taken.
        KugetsuError: the agent failed.
    """
    message = BASE_MESSAGE if issue_ref == BASE else PM_MESSAGE
    task_id = start.start_issue(client, issue_ref, message, session="new", timeout="10m")
    # do not wait for a second attempt
    task = start.wait_for_task(client, task_id, lambda task: task.ended or task.attempts, pause)
    if not task.ended:
        client.do("cancel", task_id)
    session = sessions.load_session(client.paths, SESSIONS[issue_ref])
    if session is not None and session.session_id is not None and task.state == "completed":
        return session.session_id
    raise KugetsuError(
        f"no {SESSIONS[issue_ref]} session was made: {task.reason or task.state}",
        f"kugetsu logs {format_bare_id(task_id)}, then init again",
    )
