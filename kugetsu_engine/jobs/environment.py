"""Builds the environment of an agent from a short list, as the engine's own may contain secrets."""

import os
import sys
from collections.abc import Mapping, Sequence

from ..config import env_files
from ..domain.reserved_refs import PM_AGENT
from ..domain.task import Task
from ..errors import TransientReadError
from ..paths import ENV_DEFAULT, ENV_DEV, RunPaths, StatePaths
from ..process.marks import MARK, SERVER

PASSED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "SSH_AUTH_SOCK",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "GNUPGHOME", "VIRTUAL_ENV", "NVM_DIR",
})  # fmt: skip
"""The operator's variables that an agent gets."""
PASSED_PREFIXES = ("LC_", "XDG_")
FIXED = {"GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "PAGER": "cat", "GIT_PAGER": "cat"}


def build_environment(
    paths: StatePaths, client: Mapping[str, str], pass_env: Sequence[str], spec_env: Mapping[str, str],
    task: Task, facts: Mapping[str, str], run_dir: str, unset: Sequence[str] = (),
) -> dict[str, str]:  # fmt: skip
    """Return the environment of one agent.

    Args:
        client: the environment of the operator, which the engine or console was started in.
        pass_env: further names to take from it.
        drive_env: what the agent's launch spec adds.
        facts: the `KUGETSU_…` variables of this attempt.
        run_dir: the attempt's folder; its `tmp` is removed afterwards.
        unset: names to leave out, from the operator's environment and the env files.

    Raises:
        BrokenEnvFile: an env file cannot be read.
        OSError: the system refuses to read one now.
    """
    built = _common(paths, client, pass_env, env_files.choose_env_files(task.issue_ref), unset)
    if task.issue_ref == PM_AGENT:  # it runs `kugetsu`, which may not be on the operator's path
        built["PATH"] = os.pathsep.join([part for part in (built.get("PATH"), os.path.dirname(sys.executable)) if part])
    built |= spec_env
    built |= {MARK: f"{task.id}:{task.token}", "KUGETSU_TASK_ID": task.id, "KUGETSU_ATTEMPT": str(task.attempt)}
    built |= {"KUGETSU_ISSUE_REF": task.issue_ref, "KUGETSU_DIR": paths.root, **facts, "TMPDIR": RunPaths(run_dir).temporary}
    return built


def build_server_environment(
    paths: StatePaths, client: Mapping[str, str], pass_env: Sequence[str], token: str, unset: Sequence[str]
) -> dict[str, str]:
    """Return the environment of a server shared by agents; it has a mark of its own.

    Raises:
        BrokenEnvFile: an env file cannot be read.
        OSError: the system refuses to read one now.
    """
    names = (ENV_DEFAULT, ENV_DEV)
    return _common(paths, client, pass_env, names, unset) | {MARK: f"{SERVER}:{token}", "KUGETSU_DIR": paths.root}


def build_manual_environment(
    paths: StatePaths, client: Mapping[str, str], issue_ref: str, unset: Sequence[str]
) -> dict[str, str]:
    """Return the environment of a person who works on an issue: their own, with the env files its agent gets.

    Raises:
        BrokenEnvFile: an env file cannot be read.
        TransientReadError: the system refuses to read one now.
    """
    built = {**client, **env_files.read_env_files(paths, env_files.choose_env_files(issue_ref), client)}
    return {name: value for name, value in built.items() if name not in unset}


def _common(
    paths: StatePaths, client: Mapping[str, str], pass_env: Sequence[str], names: Sequence[str], unset: Sequence[str]
) -> dict[str, str]:
    names_passed = PASSED | set(pass_env)
    built = {name: value for name, value in client.items() if name in names_passed or name.startswith(PASSED_PREFIXES)}
    try:
        built |= env_files.read_env_files(paths, names, built)
    except TransientReadError as error:  # not the task's fault: it waits until the system has recovered
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    return {name: value for name, value in built.items() if name not in unset} | FIXED
