"""Warnings in the form for a task: which agents cannot run, and what would keep this task from running."""

from kugetsu_engine.agents.registry import list_agent_names
from kugetsu_engine.client import preflight

from ..backend.connection import Connection
from ..modals.task_form import FormDraft, FormWarning


async def list_agents(connection: Connection) -> dict[str, str]:
    """List every agent, each with what keeps it from running, or nothing."""
    settings, paths, environ = connection.settings, connection.client.paths, connection.client.environ

    def find_problem(name: str) -> str:
        if settings.gaps.everything or name in settings.gaps.agents:
            return "settings not whole"
        return "not installed" if preflight.find_missing_program(paths, environ, settings, name) is not None else ""

    agents: dict[str, str] = await connection.requests.run_change(
        lambda: {name: find_problem(name) for name in list_agent_names(settings)}
    )
    return agents


async def list_warnings(connection: Connection, draft: FormDraft) -> list[FormWarning]:
    """List what would keep a task from running as things stand, by the form's fields."""
    obstacles = await connection.requests.run_change(
        lambda: connection.client.list_obstacles(
            draft.reference, draft.agent or None, draft.repo.strip() or None, connection.folder
        )
    )
    return [FormWarning(obstacle.about, _format_obstacle(obstacle)) for obstacle in obstacles]


def _format_obstacle(obstacle: preflight.Obstacle) -> str:
    if obstacle.about == "repo":
        return f"{obstacle.text}: enter its path here, or {obstacle.hint}"
    return obstacle.text if obstacle.about == "settings" else f"{obstacle.text}: choose another one, or see :doctor agents"
