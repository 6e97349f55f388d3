"""An operator's own agent: command templates in `[agents.NAME]` to start a session, to resume one and to fork one."""

from ..config.loader import AgentSettings
from ..domain.text import json_paths
from ..domain.text.command_template import PROMPT, fill_template
from .launch_spec import Invocation, LaunchSpec


def build_launch_spec(settings: AgentSettings, call: Invocation) -> LaunchSpec:
    """Return how to run the agent."""
    mode = call.session.mode
    template = {"new": settings.command, "continue": settings.resume, "fork": settings.fork}[mode] or []
    values = {
        "dir": call.worktree, "title": call.issue_ref, "issue": call.issue_ref, "branch": call.branch,
        "model": settings.model or "", "session": call.new_id if mode == "new" else call.session.session_id or "",
        "new_session": call.new_id, "prompt": PROMPT, "prompt_file": call.prompt_file,
    }  # fmt: skip
    session = call.session.session_id if mode == "continue" else call.new_id if json_paths.chooses_id(settings.stream) else None
    argv, prompt_on_stdin = [*fill_template(template, values), *settings.args], settings.prompt == "stdin"
    if settings.stream is None:
        return LaunchSpec(argv, prompt_on_stdin=prompt_on_stdin)
    return LaunchSpec(
        argv, prompt_on_stdin=prompt_on_stdin, errors_apart=True, reader="template",
        reader_options={"stream": json_paths.compile_stream(settings.stream), "session": session, "directory": call.worktree},
    )  # fmt: skip
