"""The modules of drivers that a supervisor loads, by name. A job names no module, so that modules can be moved.

Standard library only.
"""

from importlib import import_module
from types import ModuleType

MODULES = {
    "aider": "kugetsu_engine.agents.aider",
    "claude": "kugetsu_engine.agents.claude",
    "codex": "kugetsu_engine.agents.codex",
    "gemini": "kugetsu_engine.agents.gemini",
    "opencode": "kugetsu_engine.agents.opencode",
    "opencode-server": "kugetsu_engine.agents.opencode_desk",
    "template": "kugetsu_engine.agents.stream",
    "versions": "kugetsu_engine.agents.versions",
}
# For one release: jobs of an engine that was started before 0.1 was upgraded name modules. These are the names that they had
# then, not those of today: they stay as they are when a module is moved.
EARLIER = {
    "kugetsu_engine.agents.aider": "aider",
    "kugetsu_engine.agents.claude": "claude",
    "kugetsu_engine.agents.codex": "codex",
    "kugetsu_engine.agents.gemini": "gemini",
    "kugetsu_engine.agents.opencode": "opencode",
    "kugetsu_engine.agents.opencode_desk": "opencode-server",
    "kugetsu_engine.agents.stream": "template",
    "kugetsu_engine.agents.versions": "versions",
}


def load_driver(name: object) -> ModuleType:
    """Return the module of a driver, which has what the job wants of it: `reader`, `check`, `prepare` or `after`.

    Raises:
        ImportError: there is none of that name.
    """
    known = MODULES.get(EARLIER.get(str(name), str(name)))
    if known is None:
        raise ImportError(f"there is no driver {name!r}")
    return import_module(known)
