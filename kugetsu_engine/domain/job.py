"""What the engine gives a supervisor, and what the supervisor gives back: four documents, in JSON.

The supervisor itself handles them as plain dictionaries, as it loads nothing but the standard library.
"""

from typing import Any

import msgspec

from .session import NEW, WantedSession
from .task import Attempt, Base, Delivered, Outcome, Usage


class Job(msgspec.Struct, frozen=True):
    """One attempt to be made; holds the agent's environment, so it never touches the disk."""

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
    """Path of a local repository, or None to clone `clone_url`."""
    clone_dir: str | None
    clone_url: str | None
    base_branch: str | None
    repository_locks: str
    """Folder for the locks under which git changes a repository."""
    prompt_on_stdin: bool = True
    """False: the agent's input is empty, its command line says where the prompt is."""
    output: str = "pump"
    """`pump`: the supervisor copies the agent's output; `file`: the agent writes the log itself."""
    errors_apart: bool = False
    """Whether its standard error is read apart from its standard output, which is for events alone; both go into the log."""
    result_grace_s: float = 30.0
    """How long its process may stay, without printing anything, when it has told how its work ended."""
    reader: str | None = None
    """Driver, one of `supervisor.drivers`, whose `reader(options)` reads what the agent tells."""
    reader_options: dict[str, Any] = {}
    told: str | None = None
    """Where what it tells is written as a person reads it, in the place of a log of JSON."""
    times: str | None = None
    """Where it is kept when the log had which length."""
    kind: str | None = None
    """The known program it is; None for a command of the operator's own."""
    program: str = ""
    """The agent's program, whether or not it is the first word of `argv`."""
    check: str | None = None
    """Driver with `check(job, note)`, which looks at the program before anything is done for the attempt."""
    prepare: str | None = None
    after: str | None = None
    """Driver with `prepare(job)`, which returns changes of the job, run before the agent."""
    session: WantedSession = NEW
    """What it does with a session of its own; the agent's driver knows how."""
    prompt_continued: str | None = None
    """The prompt for a session that knows the task already; None: the same."""
    max_steps: int | None = None
    """Turns of the model after which the agent is ended as endless."""
    max_tokens: int | None = None
    max_cost: float | None = None
    """What is left of the task's budget."""
    prepare_timeout_s: float = 1800.0
    """How long git may speak with a remote for a clone or for news, in all."""
    timeout_s: float = 3600.0
    stop_grace_s: float = 10.0
    log_cap: int = 256 << 20
    stall_after_s: float = 0.0
    """Seconds without a sign of life after which the agent is stalled; 0: never."""
    stall_kills: bool = False
    task_began: str | None = None
    """Commit of the branch when the first attempt of the task began; None where this is the first one, or it is not known."""
    task_dirty: bool = False
    """Whether an earlier attempt of the task left files changed and not committed."""
    pr_before: str | None = None
    """Address of the pull request that is known already."""
    expect: str = "anything"
    """What an agent must leave, as in a task; less is a failure, whatever its exit code."""
    forge: bool = False
    """Whether the issue's forge may be asked about its pull request."""
    issue_mark: str = ""
    """What stands in the prompt for the forge's words about the issue; empty: they are not asked for."""
    setup: list[list[str]] = []
    """Commands that are run in the worktree before the agent."""
    teardown: list[list[str]] = []
    """Commands that are run there after it."""
    patterns: list[tuple[str, str]] = []
    """Regular expression and class of failure, for the last lines of the log of an agent that failed; the first counts."""
    secrets: list[str] = []
    """What is masked in the words taken from the log."""


class RunRecord(msgspec.Struct, frozen=True):
    """`run.json`: the attempt exists. Written before anything is done for it."""

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
    """Driver that makes its log readable."""
    reader_options: dict[str, Any] = {}


class Progress(msgspec.Struct, frozen=True):
    """`progress.json`: how the attempt stands; at most once a second."""

    phase: str = "starting"
    """`waiting for git`, `worktree`, `setup`, `agent`, `teardown`, `stopping`, `sweeping` or `delivery`."""
    pid: int | None = None
    agent_started_at: str | None = None
    elapsed_s: float = 0.0
    processes: int = 0
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    log_bytes: int = 0
    quiet_s: float = 0.0
    """Seconds since the agent last printed something."""
    written_at: float = 0.0
    """Monotonic clock of this machine at the time of writing, in seconds."""
    stopping_s: float | None = None
    """Seconds of grace that are left."""
    stalled: str | None = None
    """What speaks for a stall, in words; None while the agent shows signs of life."""
    silent_s: float | None = None
    """For how many seconds a stalled agent has shown no sign of life."""
    branch_before: str | None = None
    """Commit of the issue's branch when the attempt began."""
    session_id: str | None = None
    tokens: int | None = None
    cost: float | None = None
    steps: int = 0
    """Turns of the model so far; 0 also where the agent does not tell."""
    activity: str = ""
    """What the agent does, in a few words; empty where it does not tell."""
    base: Base | None = None
    """Where its work starts, once that is decided."""

    @property
    def usage(self) -> Usage | None:
        """What the attempt has consumed so far; None where the agent does not tell."""
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
    """When the provider's limit is over, where the agent's output told."""
    last_text: str | None = None
    """The agent's last answer, cut short."""
    branch_before: str | None = None
    not_measured: str | None = None
    """As those of an attempt."""
    base: Base | None = None
    """Where its work started; None where it did not come to that."""
    git_holder: str = ""
    """The task that git was busy for in its repository, where that kept it from its start and is known."""

    def as_attempt(self, log: str) -> Attempt:
        """What the task keeps of it."""
        return Attempt(
            self.attempt, self.started_at, self.ended_at, self.exit_code, self.signal, self.outcome, self.failure,
            self.reason, log, self.session_id, self.delivered, self.usage, self.elapsed_s, self.branch_before,
            self.not_measured, self.base,
        )  # fmt: skip
