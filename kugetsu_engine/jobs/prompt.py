"""The prompt of an attempt: the task's message, with what an agent must know beside it.

`prompt.md` in the state directory replaces the built-in text. It is a template with named fields, see `FIELDS`; one that makes
no sense is told, and the built-in one is used.
"""

import re
from collections.abc import Mapping
from string import Template

from ..config.loader import AgentSettings
from ..config.prompt_template import RULES, load_template
from ..config.settings import Settings
from ..domain.new_task import format_id
from ..domain.refs import IssueRef
from ..domain.reserved_refs import BASE, PM_AGENT
from ..domain.task import Task
from ..errors import BadFile
from ..paths import StatePaths
from ..state import contexts
from ..state.issue_names import name_of
from ..storage import files

CONTEXT_CHARS = 24_000
"""Of all messages together; the oldest are left out first."""

DEV = """\
You work on $issue_ref, alone and without anybody to ask, in the git worktree $worktree on the branch $branch.

$rules
$issue$context$attempt
## Your task

$task

$pull_request
"""


WITH_FORGE = """\
## The pull request

* If there is one for this branch, read its comments, reviews and checks first, answer them, and push to the same branch.
* Else push the branch and make a pull request that names $issue_ref.
* Before you ask for a review see that it can be merged; if not, rebase it and push again.
* End with one line that gives its address.
"""
KNOWN_PULL_REQUEST = "The pull request is {url}.\n"
WITHOUT_FORGE = """\
## When you are done

There is no forge: do not push, and make no pull request. Your commits on $branch are the result. End with a summary of them.
"""

PROJECT_MANAGER = """\
You are the project manager of a fleet of coding agents that kugetsu runs. You write no code and change no repository.
Answer questions directly. Hand work on: for each piece of it run `kugetsu enqueue OWNER/REPO#N "what is to be done"`.
`kugetsu list`, `kugetsu status`, `kugetsu queue list`, `kugetsu notify list` and `kugetsu context REF` tell how things stand.
Never wait for an agent; say what you handed on, and end.
"""


def build_prompt(
    paths: StatePaths, settings: Settings, task: Task, ref: IssueRef, *, plain: bool, pr_url: str | None = None, issue: str = ""
) -> str:
    """Return the prompt of an attempt.

    Args:
        plain: for an agent that gets the message and nothing else, unless the settings say otherwise.
        pr_url: the issue's pull request, where one is known.
        issue: what stands for the issue's words until a forge has told them.
    """
    kind = settings.agents.get(task.agent or settings.agent, AgentSettings()).prompt_template or settings.prompt_template
    if kind == "plain" or (kind is None and plain) or task.issue_ref == BASE:
        return task.message
    facts = {
        "task": task.message, "issue_ref": task.issue_ref, "branch": ref.branch,
        "worktree": paths.worktree(name_of(paths, str(ref))),
        "context": _context(paths, task), "attempt": _attempt(task), "issue": _section("The issue", issue), "rules": RULES,
    }  # fmt: skip
    if task.issue_ref == PM_AGENT:
        return f"{_project_manager(paths)}\n{facts['context']}## Your task\n\n{task.message}\n"
    facts["pull_request"] = _pull_request(ref, facts, pr_url)
    template, _ = load_template(paths)
    return re.sub(r"\n{3,}", "\n\n", Template(template or DEV).substitute({**facts, "task": _MARK})).replace(
        _MARK, task.message
    )


_MARK = "\x00task\x00"
"""Stands for the message, which holds no NUL, so that not a character of it is changed."""


def _pull_request(ref: IssueRef, facts: Mapping[str, str], pr_url: str | None) -> str:
    if ref.is_local:
        return Template(WITHOUT_FORGE).substitute(facts)
    known = KNOWN_PULL_REQUEST.format(url=pr_url) if pr_url else ""
    return Template(WITH_FORGE).substitute(facts) + known


def _attempt(task: Task) -> str:
    last = task.last_attempt
    if last is None or last.outcome == "ok":
        return ""
    how = f"{last.outcome}, {last.reason}" if last.reason else last.outcome
    words = f"Attempt {last.number} of this task ended: {how}. Its work is in the worktree."
    return _section("An earlier attempt", words)


def _context(paths: StatePaths, task: Task) -> str:
    try:
        said = contexts.load_context(paths, task.issue_ref).conversation_history
    except BadFile:
        return ""
    names = {"user": "Operator", "assistant": "Agent", "note": "kugetsu"}
    lines: list[str] = []
    room = CONTEXT_CHARS
    for message in reversed(said):
        when = format_id(message.task) if message.task else "earlier"
        line = f"{names.get(message.role, message.role)} ({when}): {message.content}"
        room -= len(line)
        if room < 0 and lines:
            break
        lines.append(line)
    return _section("What was said about this issue before", "\n\n".join(reversed(lines)))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text.strip()}\n\n" if text.strip() else ""


def _project_manager(paths: StatePaths) -> str:
    """What the project manager is told: `pm-agent.md` of the state directory as it is, else the built-in text."""
    try:
        return files.read(paths.project_manager, 1 << 20).decode("utf-8-sig", "replace")
    except (FileNotFoundError, BadFile):
        return PROJECT_MANAGER
