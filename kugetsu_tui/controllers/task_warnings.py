"""What the form for a task says before it is queued: which agents could run at all, and what would keep this task from it."""

from kugetsu_engine.agents.registry import list_agent_names
from kugetsu_engine.client import preflight

from ..backend.connection import Connection
from ..modals.task_form import FormDraft, FormWarning


async def list_agents(connection: Connection) -> dict[str, str]:
    """Every agent that can be asked for, each with what keeps it from running, if anything does."""
    settings, paths, environ = connection.settings, connection.client.paths, connection.client.environ

    def remark(name: str) -> str:
        if settings.gaps.everything or name in settings.gaps.agents:
            return "settings not whole"
        return "not installed" if preflight.find_missing_program(paths, environ, settings, name) is not None else ""

    found: dict[str, str] = await connection.requests.run_change(
        lambda: {name: remark(name) for name in list_agent_names(settings)}
    )
    return found


async def list_warnings(connection: Connection, draft: FormDraft) -> list[FormWarning]:
    """What would keep a task from running as things stand, in the words of the form's fields."""
    found = await connection.requests.run_change(
        lambda: connection.client.list_obstacles(
            draft.reference, draft.agent or None, draft.repo.strip() or None, connection.folder
        )
    )
    return [FormWarning(one.about, _words(one)) for one in found]


def _words(one: preflight.Obstacle) -> str:
    if one.about == "repo":
        return f"{one.text}: enter its path here, or {one.hint}"
    return one.text if one.about == "settings" else f"{one.text}: choose another one, or see :doctor agents"
