"""Builds the prompt of an attempt: the task's message and what else an agent must know.

`prompt.md` in the state directory replaces the built-in text. It is a template with named fields, see
`config.prompt_template.FIELDS`. If it is not valid, the built-in text is used and the problem is shown.
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
"""Limit for all earlier messages together; the oldest are left out first."""

DEV = """\
You are working on $issue_ref on your own, in the git worktree $worktree on the branch $branch. There is nobody to ask.

$rules
$issue$context$attempt
## Your task

$task

$pull_request
"""


WITH_FORGE = """\
## The pull request

* If this branch has a pull request, first read its comments, reviews and checks. Respond to them, and push to the same branch.
* Otherwise push the branch and create a pull request that mentions $issue_ref.
* Before you ask for a review, make sure that it can be merged. If not, rebase it and push again.
* End with one line that contains its URL.
"""
KNOWN_PULL_REQUEST = "The pull request is {url}.\n"
WITHOUT_FORGE = """\
## When you are done

There is no forge: do not push or create a pull request. Your commits on $branch are the result. End with a summary of them.
"""

PROJECT_MANAGER = """\
You are the project manager of a fleet of coding agents run by kugetsu. Do not write code or change a repository yourself.
Answer questions directly. Delegate work: for each piece of it run `kugetsu enqueue OWNER/REPO#N "what to do"`.
`kugetsu list`, `kugetsu status`, `kugetsu queue list`, `kugetsu notify list` and `kugetsu context REF` show the current state.
Never wait for an agent. Report what you have delegated, and end.
"""


SPARE_MEMORY = (
    "It ran out of memory, so use less: run one build or test process at a time (for example `make -j1`, "
    "`pytest -n 0`, `jest --runInBand`), and no large part of the project at once."
)


def build_prompt(
    paths: StatePaths, settings: Settings, task: Task, ref: IssueRef, *, plain: bool, pr_url: str | None = None, issue: str = ""
) -> str:
    """Return the prompt of an attempt.

    Args:
        plain: whether the agent gets only the message, unless the settings say otherwise.
        pr_url: the issue's pull request, if known.
        issue: the placeholder for the issue's text, which a forge will give.
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
"""Placeholder for the message, which contains no NUL, so that no character of it is changed."""


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
    text = f"Attempt {last.number} of this task ended: {how}. Its work is in the worktree.{advise(last.failure)}"
    return _section("An earlier attempt", text)


def advise(failure: str | None) -> str:
    """Return what an agent should do differently after an attempt that ran out of memory, as the end of a paragraph."""
    return f" {SPARE_MEMORY}" if failure in ("memory", "machine_memory") else ""


def _context(paths: StatePaths, task: Task) -> str:
    try:
        messages = contexts.load_context(paths, task.issue_ref).conversation_history
    except BadFile:
        return ""
    names = {"user": "Operator", "assistant": "Agent", "note": "kugetsu"}
    lines: list[str] = []
    room = CONTEXT_CHARS
    for message in reversed(messages):
        when = format_id(message.task) if message.task else "earlier"
        line = f"{names.get(message.role, message.role)} ({when}): {message.content}"
        room -= len(line)
        if room < 0 and lines:
            break
        lines.append(line)
    return _section("Earlier messages about this issue", "\n\n".join(reversed(lines)))


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text.strip()}\n\n" if text.strip() else ""


def _project_manager(paths: StatePaths) -> str:
    """Return the project manager's instructions: `pm-agent.md` in the state directory, else the built-in text."""
    try:
        return files.read(paths.project_manager, 1 << 20).decode("utf-8-sig", "replace")
    except (FileNotFoundError, BadFile):
        return PROJECT_MANAGER
