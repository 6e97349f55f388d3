"""Any command by the template in `[agents.NAME]`: argv with placeholders for a new session, to resume one, to fork one."""

from ..config.loader import AgentSettings
from ..domain.text import json_paths
from ..domain.text.command_template import PROMPT, fill_template
from .launch_spec import Invocation, LaunchSpec


def build_launch_spec(own: AgentSettings, call: Invocation) -> LaunchSpec:
    """Return how to run it."""
    mode = call.session.mode
    words = {"new": own.command, "continue": own.resume, "fork": own.fork}[mode] or []
    chosen = json_paths.chooses_id(own.stream)
    values = {
        "dir": call.worktree, "title": call.issue_ref, "issue": call.issue_ref, "branch": call.branch, "model": own.model or "",
        "session": call.new_id if mode == "new" else call.session.session_id or "", "new_session": call.new_id,
        "prompt": PROMPT, "prompt_file": call.prompt_file,
    }  # fmt: skip
    session = call.session.session_id if mode == "continue" else call.new_id if chosen else None
    found = LaunchSpec([*fill_template(words, values), *own.args], prompt_on_stdin=own.prompt == "stdin")
    if own.stream is None:
        return found
    return LaunchSpec(
        found.argv, prompt_on_stdin=found.prompt_on_stdin, errors_apart=True, reader="template",
        reader_options={"stream": json_paths.compile_stream(own.stream), "session": session, "directory": call.worktree},
    )  # fmt: skip
