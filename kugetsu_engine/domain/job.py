"""The four JSON documents that engine and supervisor exchange.

The supervisor itself uses plain dictionaries, as it loads only the standard library.
"""

from typing import Any

import msgspec

from .session import NEW, WantedSession
from .task import Attempt, Base, Delivered, Outcome, Usage


class Job(msgspec.Struct, frozen=True):
    """One attempt to make. Contains the agent's environment, so it is never written to disk."""

    task_id: str
    attempt: int
    token: str
    issue_ref: str
    state_dir: str
    run_dir: str
    log: str
    agent: str
    argv: list[str]
    prompt: str
    env: dict[str, str]
    worktree: str
    branch: str
    repository: str | None
    """Path of a local repository; None: clone `clone_url`."""
    clone_dir: str | None
    clone_url: str | None
    base_branch: str | None
    repository_locks: str
    """Folder for the locks under which git changes a repository."""
    prompt_on_stdin: bool = True
    """False: the agent's input is empty, and its command line contains the prompt or its file."""
    output: str = "pump"
    """`pump`: the supervisor copies the agent's output; `file`: the agent writes the log itself."""
    errors_apart: bool = False
    """Whether standard error is read separately from standard output, which contains only events; both go into the log."""
    result_grace_s: float = 30.0
    """How long the agent's process may stay silent after it has reported its result."""
    reader: str | None = None
    """Driver, one of `supervisor.drivers`, whose `reader(options)` reads the agent's events."""
    reader_options: dict[str, Any] = {}
    told: str | None = None
    """Path of the readable log, for an agent that prints JSON events."""
    times: str | None = None
    """Path of the log's time stamps."""
    kind: str | None = None
    """The known agent program; None for a command of the operator's own."""
    program: str = ""
    """The agent's program, whether or not it is the first word of `argv`."""
    check: str | None = None
    """Driver whose `check(job, note)` checks the program before anything else."""
    prepare: str | None = None
    """Driver whose `prepare(job)` returns changes of the job, before the agent starts."""
    after: str | None = None
    talk: str | None = None
    """Driver with `talk`, an `agents.talk.Talk`: the agent's input is a pipe on which it is spoken to while it works."""
    messages: dict[str, dict[str, Any]] = {}
    """What is known of the operator's messages, by number: those of the prompt, and those of earlier attempts."""
    question_wait_s: float = 1800.0
    """How long a question of the agent waits for the operator; then it is refused, with words."""
    follow_up: dict[str, Any] | None = None
    """How the agent runs again for messages that it could not be given while it worked, see `supervisor.follow_up`."""
    session: WantedSession = NEW
    """Which session to use; the agent's driver knows how."""
    prompt_continued: str | None = None
    """The prompt for a session that knows the task already; None: the same."""
    message: str = ""
    """The task's message, which is part of its prompt: a session that has it knows the task."""
    max_steps: int | None = None
    """Model turns after which the agent is ended as endless."""
    max_tokens: int | None = None
    max_cost: float | None = None
    """The rest of the task's budget."""
    prepare_timeout_s: float = 1800.0
    """Time limit for all git operations on remotes while preparing."""
    timeout_s: float = 3600.0
    stop_grace_s: float = 10.0
    log_cap: int = 256 << 20
    stall_after_s: float = 0.0
    """Seconds without activity after which the agent counts as stalled; 0: never."""
    stall_kills: bool = False
    memory_cap: int | None = None
    """Bytes that all its processes together may use; 0: no limit, None: by the machine's memory."""
    memory_cap_by: str = "auto"
    """`cgroup`: it does not start where the kernel cannot enforce the limit; `watch`: the supervisor always does."""
    max_processes: int = 4096
    """Where the kernel enforces the limit; 0: no limit."""
    task_began: str | None = None
    """Commit of the branch when the task's first attempt began; None for the first attempt, or if unknown."""
    task_dirty: bool = False
    """Whether an earlier attempt of the task left uncommitted changes."""
    pr_before: str | None = None
    """Address of the already known pull request."""
    expect: str = "anything"
    """What the agent must deliver, see `Task.expect`; less is a failure, whatever its exit code."""
    forge: bool = False
    """Whether the issue's forge may be asked about its pull request."""
    issue_mark: str = ""
    """Placeholder in the prompt for the issue's text from the forge; empty: not requested."""
    setup: list[list[str]] = []
    """Commands to run in the worktree before the agent."""
    teardown: list[list[str]] = []
    """Commands to run there after it."""
    sandbox: dict[str, Any] | None = None
    """What the sandbox that it runs in allows, see `jobs.sandbox_choice`; None: it runs in none."""
    patterns: list[tuple[str, str]] = []
    """Regular expressions and classes of failure for the last lines of a failed agent's log; the first match counts."""
    secrets: list[str] = []
    """Masked in texts taken from the log."""
    boot_id: str = ""
    """The boot of the machine, if the task has it on disk: then the record of the run need not survive a power cut."""
    process_env: dict[str, str] | None = None
    """The supervisor's own variables, for git; None: those it was started with."""


class MemoryLimit(msgspec.Struct, frozen=True):
    """The memory limit of an attempt, and what enforces it."""

    cap: int = 0
    """In bytes; 0: none."""
    by: str = "none"
    """`cgroup`: the kernel; `watch`: the supervisor, which looks at its processes; `none`."""
    why: str = ""
    """Why the kernel does not."""


class RunRecord(msgspec.Struct, frozen=True):
    """`run.json`: the record that the attempt exists, written before anything else."""

    task_id: str
    attempt: int
    token: str
    supervisor_pid: int
    start_ticks: int
    boot_id: str
    started_at: str
    timeout_s: float
    worktree: str = ""
    reader: str | None = None
    """Driver that reads the agent's events."""
    talk: str = ""
    """When its agent gets messages: `live`, `follow-up`, or empty for never."""
    reader_options: dict[str, Any] = {}
    can: list[str] = []
    """What the supervisor can do besides ending the attempt, such as `pause`; earlier versions can do nothing more."""
    memory: MemoryLimit | None = None


class Progress(msgspec.Struct, frozen=True):
    """`progress.json`: the progress of an attempt, written at most once a second."""

    phase: str = "starting"
    """`waiting for git`, `worktree`, `setup`, `agent`, `paused`, `teardown`, `stopping`, `sweeping` or `delivery`."""
    pid: int | None = None
    agent_started_at: str | None = None
    elapsed_s: float = 0.0
    processes: int = 0
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    """Resident memory; a page that several processes share counts in each."""
    log_bytes: int = 0
    quiet_s: float = 0.0
    """Seconds since the agent last printed something."""
    written_at: float = 0.0
    """This machine's monotonic clock at the time of writing, in seconds."""
    stopping_s: float | None = None
    """Seconds of grace left."""
    stalled: str | None = None
    """Evidence of a stall; None while the agent is active."""
    silent_s: float | None = None
    """For how many seconds a stalled agent has shown no activity."""
    slot_free: bool = False
    """Whether its slot was given back, as nothing of the agent is left."""
    branch_before: str | None = None
    """Commit of the issue's branch when the attempt began."""
    session_id: str | None = None
    tokens: int | None = None
    cost: float | None = None
    steps: int = 0
    """Model turns so far; 0 also if the agent does not report them."""
    activity: str = ""
    """What the agent is doing, in a few words; empty if it does not report it."""
    base: Base | None = None
    """The starting point of its work, once decided."""
    turn: int = 1
    """How often the agent was run in this attempt; the second time is a follow-up for messages."""
    messages: list[dict[str, Any]] = []
    """The operator's newest messages, each with number, text, time, and what became of it."""
    messages_waiting: int = 0
    """Messages that the agent does not have yet."""
    question: dict[str, str] | None = None
    """What it asks the operator: `id`, `what`, `about` which command or file, `where`, `since`; None if nothing."""
    paused_s: float = 0.0
    """Seconds for which its clocks have stood still so far: paused, or waiting for an answer."""
    paused_at: str | None = None
    """Since when it is paused; None if it is not."""
    pause_note: str = ""
    """Why it could not be paused, or that it is only paused at its next step."""
    memory_bytes: int | None = None
    """Memory, each page once; None if an earlier version wrote this."""
    memory_cap: int | None = None
    """The memory limit; None: none."""
    memory_kills: int = 0
    """Processes that were ended because of it."""

    @property
    def memory(self) -> int | None:
        """The memory its processes use, as exactly as it is known."""
        return self.memory_bytes if self.memory_bytes is not None else self.rss_bytes

    sandbox: str | None = None
    """See `Attempt.sandbox`."""
    refused: list[str] = []

    @property
    def usage(self) -> Usage | None:
        """The consumption so far; None if the agent does not report it."""
        return Usage(self.tokens, self.cost) if self.tokens is not None or self.cost is not None else None


class Result(msgspec.Struct, frozen=True):
    """`exit.json`: how the attempt ended."""

    task_id: str
    attempt: int
    token: str
    outcome: Outcome
    failure: str | None
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    started_at: str | None = None
    ended_at: str | None = None
    elapsed_s: float | None = None
    session_id: str | None = None
    delivered: Delivered | None = None
    usage: Usage | None = None
    agent_pid: int | None = None
    swept: int = 0
    """Processes that outlived the agent and were ended."""
    dropped_bytes: int = 0
    """Output that did not fit into the log."""
    resets_at: str | None = None
    """When the provider's limit resets, if the agent's output said so."""
    last_text: str | None = None
    """The agent's last answer, shortened."""
    branch_before: str | None = None
    """See `Attempt.branch_before`."""
    not_measured: str | None = None
    """See `Attempt.not_measured`."""
    base: Base | None = None
    """The starting point of its work; None if the attempt ended before it was decided."""
    sandbox: str | None = None
    """See `Attempt.sandbox`."""
    refused: list[str] = []
    git_holder: str = ""
    """The task for which git was busy in the repository, if that prevented the start."""
    paused_s: float = 0.0
    """See `Attempt.paused_s`."""
    peak_bytes: int | None = None
    """The most memory that its processes used together."""
    memory_kills: int = 0

    def as_attempt(self, log: str) -> Attempt:
        """Make the task's record of the attempt."""
        return Attempt(
            self.attempt, self.started_at, self.ended_at, self.exit_code, self.signal, self.outcome, self.failure,
            self.reason, log, self.session_id, self.delivered, self.usage, self.elapsed_s, self.branch_before,
            self.not_measured, self.base, self.paused_s, self.sandbox, self.refused,
        )  # fmt: skip
