"""Queries to a forge of either kind: an issue's text, the pull request of a branch and its checks."""

from typing import Any

from ..domain.pull_request import Checks, IssueText, PullRequest
from ..domain.refs import IssueRef
from ..errors import ForgeError
from .client import ForgeClient, quote_path
from .hosts import Forge

MAX_BODY = 64 << 10
"""Characters of an issue's body that are kept."""
FAILED = frozenset({"failure", "error", "cancelled", "timed_out", "action_required", "startup_failure", "stale"})
RUNNING = frozenset({"queued", "in_progress", "waiting", "requested", "pending", "expected"})


def fetch_issue_text(forge: Forge, ref: IssueRef) -> IssueText:
    """Return title and body of an issue.

    Raises:
        ForgeError: the forge did not return it.
    """
    with ForgeClient(forge) as client:
        issue = _object(client.get(f"/repos/{quote_path(ref.path)}/issues/{ref.number}"), forge)
    return IssueText(_text(issue, "title")[:1000], _text(issue, "body")[:MAX_BODY])


def fetch_pull_request(forge: Forge, ref: IssueRef, branch: str) -> PullRequest | None:
    """Return the pull request of a branch: the open one, else the newest; None if there is none.

    Raises:
        ForgeError: the forge did not return it.
    """
    with ForgeClient(forge) as client:
        pulls = _pulls(client, ref, branch)
        if not pulls:
            return None
        newest = max(pulls, key=lambda pull: (pull.get("state") == "open", _number(pull)))
        head = _inner(newest, "head")
        pull = PullRequest(
            _number(newest), _text(newest, "html_url")[:500], _state(newest), _text(newest, "title")[:500],
            newest.get("draft") is True, _text(head, "sha")[:64],
        )  # fmt: skip
        if pull.state != "open" or not pull.head.isalnum():
            return pull
        try:
            states = _check_states(client, ref, pull.head)
        except ForgeError as error:
            if error.until is not None:
                raise
            return pull  # the token may have access to pull requests but not to their checks
    return PullRequest(pull.number, pull.url, pull.state, pull.title, pull.draft, pull.head, _sum_up(states))


def _pulls(client: ForgeClient, ref: IssueRef, branch: str) -> list[dict[str, Any]]:
    path = f"/repos/{quote_path(ref.path)}/pulls"
    if client.forge.kind == "github":
        owner = ref.path.partition("/")[0]
        pages = client.get_pages(path, head=f"{owner}:{branch}", state="all", per_page=100)
    else:
        pages = client.get_pages(path, state="all", sort="recentupdate", limit=50)
    pulls = [pull for page in pages if isinstance(page, list) for pull in page if isinstance(pull, dict)]
    if not pulls and not all(isinstance(page, list) for page in pages):
        raise ForgeError(f"{client.forge.host} did not answer with a list of pull requests")
    return [pull for pull in pulls if _text(_inner(pull, "head"), "ref") == branch]


def _check_states(client: ForgeClient, ref: IssueRef, commit: str) -> list[str]:
    base = f"/repos/{quote_path(ref.path)}/commits/{commit}"
    combined = client.get(f"{base}/status")
    states = []
    for status in _inner(combined, "statuses", list):
        # Gitea calls a status's state `status`.
        states.append(_text(status, "state") or _text(status, "status"))
    if client.forge.kind == "github":
        for page in client.get_pages(f"{base}/check-runs", per_page=100):
            runs = _inner(page, "check_runs", list)
            states += [_text(run, "conclusion") if run.get("status") == "completed" else "pending" for run in runs]
    return states


def _sum_up(states: list[str]) -> Checks | None:
    if not states:
        return None
    failed = sum(1 for state in states if state in FAILED)
    waiting = any(state in RUNNING for state in states)
    return Checks("failure" if failed else "pending" if waiting else "success", len(states), failed)


def _state(pull: dict[str, Any]) -> Any:
    if pull.get("merged") is True or pull.get("merged_at"):
        return "merged"
    return "open" if pull.get("state") == "open" else "closed"


def _object(document: Any, forge: Forge) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ForgeError(f"{forge.host} did not answer with what was asked for")
    return document


def _inner(document: Any, name: str, kind: type[Any] = dict) -> Any:
    """Return a part of a document, or an empty one if it is missing or of another type."""
    part = document.get(name) if isinstance(document, dict) else None
    if not isinstance(part, kind):
        return kind()
    return [item for item in part if isinstance(item, dict)] if kind is list else part


def _text(document: dict[str, Any], name: str) -> str:
    text = document.get(name)
    return text.replace("\0", "") if isinstance(text, str) else ""


def _number(document: dict[str, Any]) -> int:
    number = document.get("number")
    return number if isinstance(number, int) and 0 <= number < 10**12 else 0
