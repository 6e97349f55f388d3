"""A directory as a bash kugetsu (v0.2) leaves it: settings as shell, one JSON file per item, sessions by a folded name."""

import json
from pathlib import Path
from typing import Any

from .repositories import run_git

CONFIG = """\
# kugetsu config - uncomment to override
#MAX_CONCURRENT_AGENTS=5
MAX_CONCURRENT_AGENTS="${MAX_CONCURRENT_AGENTS:-2}"
TASK_TIMEOUT_HOURS=3
QUEUE_DAEMON_INTERVAL_MINUTES=5
KUGETSU_VERBOSITY=default
KUGETSU_BASE_BRANCH=main
declare -A GIT_SERVERS=(
    ["github.com"]="https://github.com"
    ["git.fbrns.co"]="https://git.fbrns.co"
    # ["old.test"]="https://old.test"
)
GIT_SERVERS["forge.test"]='ssh://git@forge.test'
DEFAULT_GIT_SERVER=git.fbrns.co
"""
BASE, PM = "ses_3fbase0000000000000000000", "ses_3fpm000000000000000000000"
ISSUE = "git.fbrns.co/shoko/kugetsu#14"
MOVED = "git.fbrns.co/Shoko/Other#7"


def make(root: Path, repository: Path, elsewhere: Path) -> Path:
    """Make one at `root`, with worktrees of a repository: one at its place, one in another folder."""
    for folder in ("env", "sessions", "queue/items", "context", "logs", "locks", "worktrees"):
        (root / folder).mkdir(parents=True)
    root.chmod(0o755)
    (root / "config").write_text(CONFIG)
    (root / "env/pm-agent.env").write_text("GITEA_TOKEN='tok-manager'\nexport PM_ONLY=1\n")
    (root / "env/dev.env").write_text('GITEA_TOKEN="tok-dev"\n')
    (root / "env/default.env").write_text("# nothing\n")
    (root / "pm-agent.md").write_text("You are the PM. $5.\n")
    place = root / "worktrees/git.fbrns.co-shoko-kugetsu-14"
    run_git(repository, "worktree", "add", "--quiet", "-b", "fix/issue-14", str(place))
    run_git(repository, "worktree", "add", "--quiet", "-b", "fix/issue-7", str(elsewhere))
    _write(root / "index.json", {"base": BASE, "pm_agent": PM, "issues": {
        ISSUE: "git.fbrns.co-shoko-kugetsu-14.json", MOVED: "git.fbrns.co-Shoko-Other-7.json"}})  # fmt: skip
    session = {"created_at": "2026-04-07T10:00:00+02:00", "state": "idle"}
    _write(root / "sessions/base.json", {**session, "type": "base", "issue_ref": None, "opencode_session_id": BASE})
    _write(root / "sessions/git.fbrns.co-shoko-kugetsu-14.json", {
        **session, "type": "forked", "issue_ref": ISSUE, "opencode_session_id": "ses_14", "worktree_path": str(place),
        "branch_name": "fix/issue-14", "pr_url": "https://git.fbrns.co/shoko/kugetsu/pulls/15",
    })  # fmt: skip
    _write(root / "sessions/git.fbrns.co-Shoko-Other-7.json", {
        **session, "type": "forked", "issue_ref": MOVED, "opencode_session_id": "ses_7", "worktree_path": str(elsewhere),
    })  # fmt: skip
    (root / "sessions/git.fbrns.co-Shoko-Other-7.json.fork.log").write_text("noise\n")
    _write(root / "repos.json", {"git.fbrns.co/shoko/kugetsu": str(repository), "git.fbrns.co/a/b": "https://git.fbrns.co/a/b"})
    item = {
        "message": "do it",
        "pending_since": "2026-04-07T08:00:00Z",
        "notified_at": None,
        "completed_at": None,
        "error": None,
    }
    for number, state in enumerate(("pending", "notified", "completed", "error")):
        ended = {"completed_at": "2026-04-07T09:00:00Z"} if state in ("completed", "error") else {}
        _write(root / f"queue/items/q_17{number}_ab.json", {
            **item, **ended, "id": f"q_17{number}_ab", "issue_ref": ISSUE if number else "git.fbrns.co/shoko/kugetsu#99",
            "state": state, "opencode_session_id": None, "pid": None})  # fmt: skip
    (root / "queue/daemon.pid").write_text("999999999\n")
    (root / "queue/daemon.log").write_text("old\n")
    said = [{"role": "user", "content": f"message {n}", "timestamp": "2026-04-07T08:00:00Z"} for n in range(3)]
    _write(root / "context/git.fbrns.co-Shoko-Other-7.json", {
        "issue_ref": MOVED, "current_branch": "fix/issue-7", "created_at": "2026-04-07T08:00:00Z", "last_message": "message 2",
        "updated_at": "2026-04-07T08:00:00Z", "conversation_history": said})  # fmt: skip
    _write(root / "notifications.json", [
        {"type": "task_completed", "message": "first", "issue_ref": ISSUE, "timestamp": "2026-04-07T08:00:00Z", "read": True},
        {"type": "task_error", "message": "second", "issue_ref": ISSUE, "timestamp": "2026-04-07T09:00:00Z", "read": False},
    ])  # fmt: skip
    return root


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2))
