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
    "opencode": "kugetsu_engine.agents.opencode.process_mode",
    "opencode-server": "kugetsu_engine.agents.opencode.keeper_protocol",
    "template": "kugetsu_engine.agents.json_stream",
    "versions": "kugetsu_engine.agents.program_versions",
}
EARLIER = {"opencode_desk": "opencode-server", "stream": "template"}
# For one release, as is the prefix below: an engine that was started before an upgrade from 0.1 names modules, as they were
# called then: `kugetsu_engine.agents.json_stream`. Most were called like their driver. These names stay when a module is moved.


def load_driver(name: object) -> ModuleType:
    """Return the module of a driver, which has what the job wants of it: `reader`, `check`, `prepare` or `after`.

    Raises:
        ImportError: there is none of that name.
    """
    wanted = str(name).removeprefix("kugetsu_engine.agents.")
    known = MODULES.get(EARLIER.get(wanted, wanted))
    if known is None:
        raise ImportError(f"there is no driver {name!r}")
    return import_module(known)
