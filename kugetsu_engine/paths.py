"""The names of all files in a state directory. No other module contains them."""

import os

from .errors import StateDirError

DEFAULT_STATE_DIR = "~/.kugetsu"
CONFIG = "config.toml"
JSON, LOCK, TEXT = ".json", ".lock", ".md"
"""The endings of records, locks and edited texts."""
CONVERSATION = ".aider.md"
"""The ending of aider's conversation files, kept beside the sessions."""
REMOVED = f"{JSON}.removed"
"""The ending of the hidden file of an ended task while it is being removed."""
REMOTE = ".remote"
"""The ending of the record about a repository's remote, beside the repository's lock."""
ENV_DEFAULT, ENV_DEV, ENV_PM = "default.env", "dev.env", "pm-agent.env"
"""In the folder `env`: for all agents, for agents of issues, for the project manager."""
ENV_FORGES = "forges.env"
"""Also there, for kugetsu itself: no agent gets its variables."""


def find_state_dir(environ: "os._Environ[str] | dict[str, str]") -> str:
    """Return the absolute path of the state directory: `KUGETSU_DIR` or the default.

    Raises:
        StateDirError: its name is not UTF-8, so JSON files could not contain it.
    """
    root = os.path.abspath(os.path.expanduser(environ.get("KUGETSU_DIR") or DEFAULT_STATE_DIR))
    if not is_utf8(root):
        raise StateDirError(f"the name of the state directory {root!r} is not UTF-8", "set KUGETSU_DIR to another folder")
    return root


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; Python keeps other bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class StatePaths:
    """The path of every file and folder in one state directory. Does not touch the disk."""

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
        self.messages = join(root, "messages")
        self.run_times = join(root, "run-times.json")
        self.first_page = join(root, "first-page.json")
        """The first rows of the queue, for a console that starts."""
        self.memory_peaks = join(root, "memory-peaks.json")
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
        """The folders that a state directory always has, parents first."""
        return (
            self.root, self.env, self.queue, self.items, self.done, self.requests, self.answers, self.corrupt, self.edits,
            self.by_hand, self.messages, self.slots, self.locks, self.runs, self.logs, self.servers, self.sessions,
            self.context, self.repositories, self.worktrees,
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
        """The text of a task that is being edited."""
        return f"{self.edits}/{task_id}.md"

    def edit_lock(self, task_id: str) -> str:
        """The lock held while the task is being edited."""
        return f"{self.edits}/{task_id}.lock"

    def ended(self, task_id: str) -> str:
        """The file of an ended task."""
        return f"{self.done}/{task_id}.json"

    def removed(self, task_id: str) -> str:
        """The file of an ended task while its runs and logs are being removed."""
        return f"{self.done}/.{task_id}{REMOVED}"

    def manual_session(self, name: str) -> str:
        """The record of a manual session on an issue."""
        return f"{self.by_hand}/{name}.json"

    def manual_session_lock(self, name: str) -> str:
        """The lock held by that manual session."""
        return f"{self.by_hand}/{name}.lock"

    def messages_of(self, task_id: str) -> str:
        """The folder of the operator's messages to the agent of a task."""
        return f"{self.messages}/{task_id}"

    def message(self, task_id: str, number: int) -> str:
        """One message of the operator; `number` counts from 1."""
        return f"{self.messages_of(task_id)}/{number:06}{JSON}"

    def question_answer(self, task_id: str, question: str) -> str:
        """The operator's answer to a question of the agent."""
        return f"{self.messages_of(task_id)}/answer-{question}{JSON}"

    def late_messages(self, task_id: str) -> str:
        """What the engine did with messages that no attempt could deliver."""
        return f"{self.messages_of(task_id)}/.late{JSON}"

    def slot_lock(self, slot: int) -> str:
        """The lock of a slot; `slot` counts from 1."""
        return f"{self.slots}/{slot}.lock"

    def task_lock(self, task_id: str) -> str:
        """The lock held by a live attempt of the task."""
        return f"{self.locks}/{task_id}.lock"

    def issue_lock(self, name: str) -> str:
        """The lock of an issue, which never has two agents. `name` comes from `state.issue_names`."""
        return f"{self.locks}/issue-{name}.lock"

    def opencode_database(self, name: str) -> str:
        """The record that a version of opencode has prepared one of its databases."""
        return f"{self.servers}/database-{name}.json"

    def server_life(self, token: str) -> str:
        """The lock that the keeper of a shared opencode server holds while it runs."""
        return f"{self.servers}/opencode-{token}.lock"

    def server_socket(self, token: str) -> str:
        """The socket of that keeper."""
        return f"{self.servers}/opencode-{token}.sock"

    def server_attempts(self, token: str) -> str:
        """The folder of that keeper's records about its attempts."""
        return f"{self.servers}/attempts-{token}"

    def repository_lock(self, repository: str) -> str:
        """The lock held while git changes a repository's shared files; `repository` is its main folder."""
        return repository_lock(self.locks, repository)

    def run(self, task_id: str, attempt: int) -> str:
        """The folder of one attempt; only its supervisor writes there."""
        return f"{self.runs}/{task_id}.{attempt}"

    def wish(self, task_id: str, attempt: int) -> str:
        """What the engine wants of that attempt; written by the engine, so it is beside the folder."""
        return RunPaths(self.run(task_id, attempt)).wish

    def run_files(self, task_id: str, attempt: int) -> "RunPaths":
        """The files of that folder."""
        return RunPaths(self.run(task_id, attempt))

    def log(self, task_id: str, attempt: int) -> str:
        """The log of one attempt: the agent's output as it was written."""
        return f"{self.logs}/{log_name(task_id, attempt)}"

    def readable_log(self, task_id: str, attempt: int) -> str:
        """The readable log of an agent that prints JSON events."""
        return f"{self.logs}/{task_id}/{attempt}.txt"

    def times(self, task_id: str, attempt: int) -> str:
        """The time stamps of an attempt's log."""
        return f"{self.logs}/{task_id}/{attempt}.times"

    def session(self, slug: str) -> str:
        """The session of an issue."""
        return f"{self.sessions}/{slug}.json"

    def conversation(self, session: str) -> str:
        """aider's conversation of a session."""
        return f"{self.sessions}/{session}{CONVERSATION}"

    def context_of(self, name: str) -> str:
        """The last messages about an issue."""
        return f"{self.context}/{name}.json"

    def worktree(self, slug: str) -> str:
        """The one worktree of an issue."""
        return f"{self.worktrees}/{slug}"


class RunPaths:
    """The path of every file in the folder of one attempt. Does not touch the disk."""

    def __init__(self, folder: str) -> None:
        self.record = f"{folder}/run.json"
        self.progress = f"{folder}/progress.json"
        self.outcome = f"{folder}/outcome.json"
        self.result = f"{folder}/exit.json"
        self.reserve = f"{folder}/.exit.reserve"
        """Disk space reserved for the result."""
        self.messages = f"{folder}/messages.json"
        """What became of the operator's messages in this attempt."""
        self.prompt = f"{folder}/prompt"
        self.wish = f"{folder}.wish"
        self.hold = f"{folder}/hold"
        """While it exists, the shared server does not begin the next step of the attempt's session."""
        self.empty = f"{folder}/empty"
        """An empty file; in a sandbox it takes the place of files with secrets."""
        self.temporary = f"{folder}/tmp"
        """The folder for the agent's temporary files."""
        self.held = f"{folder}/tmp/kugetsu-held"
        """Made by the shared server while it holds the session."""


def log_name(task_id: str, attempt: int) -> str:
    """The log of an attempt relative to the folder of logs, as the task stores it."""
    return f"{task_id}/{attempt}.log"


def repository_lock(locks: str, repository: str) -> str:
    """The lock of a repository. Two repositories with the same hash only wait for each other."""
    from binascii import crc32  # hashlib loads OpenSSL

    return f"{locks}/repository-{crc32(repository.encode('utf-8', 'surrogateescape')):08x}.lock"
