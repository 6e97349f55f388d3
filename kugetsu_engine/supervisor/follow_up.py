"""Runs the agent again, in the same attempt, for messages that it could not be given while it worked.

The first turn's outcome is on disk before, and counts whatever happens here: an agent that ran to its end never runs again.
"""

from collections.abc import Callable
from typing import Any

from ..domain.message_states import describe_count, format_continuation, format_section
from ..domain.text.command_template import SESSION_MARK
from ..errors import AttemptFailed
from .agent_run import AgentRun
from .attempt import Attempt
from .message_delivery import MessageDelivery
from .stream_reader import run_prepare_step

Fields = dict[str, Any]
CHANGED = ("argv", "prompt_on_stdin", "reader_options", "prepare", "talk")
"""Fields of the job that differ in a follow-up."""


class CannotFollowUp(AttemptFailed):
    """The agent cannot be run again; the messages go to another task."""


def run_follow_ups(
    attempt: Attempt, agent_run: AgentRun, messages: MessageDelivery, result: Fields, keep: Callable[[Fields], bool]
) -> Fields:
    """Run the agent for the messages that wait, as often as there are new ones; return the result of the attempt.

    Args:
        keep: writes the first turn's outcome durably; returns whether that worked.
    """
    messages.settle_turn("" if result["outcome"] == "ok" else str(result["reason"]))
    spec = attempt.job.get("follow_up")
    while spec and result["outcome"] == "ok" and attempt.stop_reason in (None, "finished"):
        waiting = messages.list_waiting()
        if not waiting or not keep(result):
            break
        turn = messages.turn + 1
        attempt.log.note(f"{describe_count(len(waiting))}: follow-up {turn} in the same session")
        attempt.stop_reason, attempt.kill_at, attempt.evidence = None, None, ""
        try:
            changes = _build_turn(attempt, spec, format_continuation(waiting), format_section(waiting))
            messages.note_follow_up(waiting, turn)
            attempt.job |= changes
            attempt.reader.start_turn(attempt.job)
            run_prepare_step(attempt.job, lambda _phase: None)
            second = agent_run.run()
        except (AttemptFailed, OSError, ValueError, OverflowError) as error:
            second = {"outcome": "failed", "reason": str(getattr(error, "message", "") or error)}
            attempt.log.note(f"follow-up {turn} could not be run: {second['reason']}")
        stopped = attempt.stop_reason in ("stop", "kill")
        well = second["outcome"] == "ok"
        messages.settle_turn("" if well else "stopped by you" if stopped else str(second["reason"]))
        if not well:
            return result | {"reason": f"{result['reason']}; follow-up {turn}: {second['reason']}"}
    return result


def _build_turn(attempt: Attempt, spec: Fields, words: str, section: str) -> Fields:
    """Return the changes of the job for a turn that continues the agent's session, or starts another one in the worktree.

    Raises:
        CannotFollowUp: the session is not known.
    """
    job, session = attempt.job, attempt.reader.session_id
    resumes = bool(spec.get("resumes"))
    if resumes and session is None:
        raise CannotFollowUp("the agent did not say which session it was")
    changes = {name: _fill(spec[name], session or "") for name in CHANGED if name in spec}
    prompt = words if resumes else f"{str(spec['prompt']).rstrip()}{section}"
    wanted = {"mode": "continue", "session_id": session} if resumes else {"mode": "new", "session_id": None}
    return {**changes, "prompt": prompt, "prompt_continued": prompt, "session": wanted, "worktree": job["worktree"]}


def _fill(value: Any, session: str) -> Any:
    """Put the session's id where the engine left a mark for it."""
    if isinstance(value, str):
        return value.replace(SESSION_MARK, session)
    if isinstance(value, list):
        return [_fill(part, session) for part in value]
    return {name: _fill(part, session) for name, part in value.items()} if isinstance(value, dict) else value
