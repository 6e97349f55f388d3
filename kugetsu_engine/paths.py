"""The names in a state directory. No other module spells them."""

import os

from .errors import StateDirError

DEFAULT_STATE_DIR = "~/.kugetsu"
CONFIG = "config.toml"
JSON, LOCK, TEXT = ".json", ".lock", ".md"
"""What the names of records, locks and edited texts end with."""
CONVERSATION = ".aider.md"
"""The end of the name of aider's conversation, beside the sessions."""
REMOVED = f"{JSON}.removed"
"""The end of the hidden name of an ended task that is being removed."""
REMOTE = ".remote"
"""The end of the name of what is known of a repository's remote, beside the repository's lock."""
ENV_DEFAULT, ENV_DEV, ENV_PM = "default.env", "dev.env", "pm-agent.env"
"""In the folder `env`: for every agent, for agents of issues, for the project manager."""
ENV_FORGES = "forges.env"
"""Beside them, for kugetsu itself: no agent gets what it says."""


def find_state_dir(environ: "os._Environ[str] | dict[str, str]") -> str:
    """Return the absolute state directory that `KUGETSU_DIR` names, or the default.

    Raises:
        StateDirError: its name is not UTF-8, so no file in it could say where it is.
    """
    root = os.path.abspath(os.path.expanduser(environ.get("KUGETSU_DIR") or DEFAULT_STATE_DIR))
    if not is_utf8(root):
        raise StateDirError(f"the name of the state directory {root!r} is not UTF-8", "set KUGETSU_DIR to another folder")
    return root


def is_utf8(text: str) -> bool:
    """Whether a word, a path or a variable can be written as UTF-8; Python keeps other bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class StatePaths:
    """Every file and folder below one state directory; builds names, touches nothing."""

    def __init__(self, root: str) -> None:
        self.root = root
        join = os.path.join
        self.config = join(root, CONFIG)
        self.shell_config = join(root, "config")
        self.env = join(root, "env")
        self.prompt = join(root, "prompt.md")
        self.project_manager = join(root, "pm-agent.md")
        self.engine_lock = join(root, "engine.lock")
        self.engine = join(root, "engine.json")
        self.wakeup_fifo = join(root, "engine.bell")
        self.console = join(root, "console.json")
        self.index = join(root, "index.json")
        self.old_index = join(root, "index-v0.2.json")
        self.issue_names = join(root, "issue-names.json")
        self.queue = join(root, "queue")
        self.items = join(root, "queue", "items")
        self.done = join(root, "queue", "done")
        self.requests = join(root, "queue", "requests")
        self.answers = join(root, "queue", "answers")
        self.corrupt = join(root, "queue", "corrupt")
        self.pauses = join(root, "queue", "pauses.json")
        self.control = join(root, "queue", "control.json")
        self.edits = join(root, "queue", "edits")
        self.by_hand = join(root, "queue", "by-hand")
        self.run_times = join(root, "run-times.json")
        self.task_number = join(root, "queue", "number")
        self.request_number = join(root, "queue", "request-number")
        self.slots = join(root, "slots")
        self.locks = join(root, "locks")
        self.runs = join(root, "runs")
        self.logs = join(root, "logs")
        self.engine_log = join(root, "logs", "engine.log")
        self.supervisor_log = join(root, "logs", "supervisor.log")
        self.server_log = join(root, "logs", "opencode-server.log")
        self.daemon_log = join(root, "logs", "daemon.log")
        self.console_log = join(root, "logs", "console.log")
        self.sessions = join(root, "sessions")
        self.context = join(root, "context")
        self.notifications = join(root, "notifications.jsonl")
        self.journal = join(root, "acts.jsonl")
        self.notifications_read = join(root, "notifications.read")
        self.notifications_mute = join(root, "notifications.mute")
        self.last_seen = join(root, "console.seen")
        self.programs = join(root, "programs.json")
        self.pulls = join(root, "pulls.json")
        self.pulls_lock = join(root, "locks", "pulls.lock")
        self.servers = join(root, "servers")
        self.server = join(root, "servers", "opencode.json")
        self.server_lock = join(root, "servers", "opencode.lock")
        self.server_retired = join(root, "servers", "opencode-retired.lock")
        self.repositories = join(root, "repositories")
        self.worktrees = join(root, "worktrees")
        self.project_manager_repository = join(root, "repositories", "local", "pm-agent")

    def folders(self) -> tuple[str, ...]:
        """The folders a state directory always has, parents first."""
        return (
            self.root, self.env, self.queue, self.items, self.done, self.requests, self.answers, self.corrupt, self.edits,
            self.by_hand, self.slots, self.locks, self.runs, self.logs, self.servers, self.sessions, self.context,
            self.repositories, self.worktrees,
        )  # fmt: skip

    def item(self, task_id: str) -> str:
        """The file of an open task."""
        return f"{self.items}/{task_id}.json"

    def request(self, number: int) -> str:
        """A request to the engine."""
        return f"{self.requests}/{number:09}.json"

    def answer(self, number: int) -> str:
        """The engine's answer to a request."""
        return f"{self.answers}/{number:09}.json"

    def edit(self, task_id: str) -> str:
        """The text of a task while someone edits it."""
        return f"{self.edits}/{task_id}.md"

    def edit_lock(self, task_id: str) -> str:
        """The lock of whoever edits the task."""
        return f"{self.edits}/{task_id}.lock"

    def ended(self, task_id: str) -> str:
        """The file of an ended task."""
        return f"{self.done}/{task_id}.json"

    def removed(self, task_id: str) -> str:
        """The file of an ended task whose runs and logs are being removed."""
        return f"{self.done}/.{task_id}{REMOVED}"

    def manual_session(self, name: str) -> str:
        """The record of who works on an issue by hand."""
        return f"{self.by_hand}/{name}.json"

    def manual_session_lock(self, name: str) -> str:
        """The lock that they hold meanwhile."""
        return f"{self.by_hand}/{name}.lock"

    def slot_lock(self, slot: int) -> str:
        """The lock that is the right to run, `slot` counts from 1."""
        return f"{self.slots}/{slot}.lock"

    def task_lock(self, task_id: str) -> str:
        """The lock a live attempt of the task holds."""
        return f"{self.locks}/{task_id}.lock"

    def issue_lock(self, name: str) -> str:
        """The lock of an issue: an issue never has two agents. `name` is what `store.issue_names` calls it, as below."""
        return f"{self.locks}/issue-{name}.lock"

    def opencode_database(self, name: str) -> str:
        """That a version of opencode has made one of its databases ready."""
        return f"{self.servers}/database-{name}.json"

    def server_life(self, token: str) -> str:
        """The lock that the keeper of a shared opencode server holds as long as it lives."""
        return f"{self.servers}/opencode-{token}.lock"

    def server_socket(self, token: str) -> str:
        """Where that keeper listens."""
        return f"{self.servers}/opencode-{token}.sock"

    def server_attempts(self, token: str) -> str:
        """The folder of what that keeper knows of its attempts."""
        return f"{self.servers}/attempts-{token}"

    def repository_lock(self, repository: str) -> str:
        """The lock under which git changes one repository's shared files; `repository` is its `located.main_folder`."""
        return repository_lock(self.locks, repository)

    def run(self, task_id: str, attempt: int) -> str:
        """The folder of one attempt, written by its supervisor alone."""
        return f"{self.runs}/{task_id}.{attempt}"

    def run_files(self, task_id: str, attempt: int) -> "RunPaths":
        """The files of that folder."""
        return RunPaths(self.run(task_id, attempt))

    def log(self, task_id: str, attempt: int) -> str:
        """The output of one attempt, as the agent wrote it."""
        return f"{self.logs}/{log_name(task_id, attempt)}"

    def readable_log(self, task_id: str, attempt: int) -> str:
        """What an agent that prints a stream of JSON told, as a person reads it."""
        return f"{self.logs}/{task_id}/{attempt}.txt"

    def times(self, task_id: str, attempt: int) -> str:
        """When the log of an attempt had which length."""
        return f"{self.logs}/{task_id}/{attempt}.times"

    def session(self, slug: str) -> str:
        """What is kept of an issue's session."""
        return f"{self.sessions}/{slug}.json"

    def conversation(self, session: str) -> str:
        """What aider keeps of a session."""
        return f"{self.sessions}/{session}{CONVERSATION}"

    def context_of(self, name: str) -> str:
        """What was said about an issue."""
        return f"{self.context}/{name}.json"

    def worktree(self, slug: str) -> str:
        """The one worktree of an issue."""
        return f"{self.worktrees}/{slug}"


class RunPaths:
    """Every file in the folder of one attempt; builds names, touches nothing."""

    def __init__(self, folder: str) -> None:
        self.record = f"{folder}/run.json"
        self.progress = f"{folder}/progress.json"
        self.outcome = f"{folder}/outcome.json"
        self.result = f"{folder}/exit.json"
        self.reserve = f"{folder}/.exit.reserve"
        """Room on the disk, for the result."""
        self.prompt = f"{folder}/prompt"
        self.temporary = f"{folder}/tmp"
        """The folder for the agent's temporary files."""


def log_name(task_id: str, attempt: int) -> str:
    """The log of an attempt, in the folder of logs; so it stands in the task."""
    return f"{task_id}/{attempt}.log"


def repository_lock(locks: str, repository: str) -> str:
    """The lock of a repository, in the folder of locks. Two that share a name wait for each other, which is no harm."""
    from binascii import crc32  # hashlib loads OpenSSL

    return f"{locks}/repository-{crc32(repository.encode('utf-8', 'surrogateescape')):08x}.lock"
