"""Loads agent drivers by name. Jobs do not name modules, so modules can move. Standard library only."""

from importlib import import_module
from types import ModuleType

MODULES = {
    "aider": "kugetsu_engine.agents.aider",
    "claude": "kugetsu_engine.agents.claude",
    "claude-talk": "kugetsu_engine.agents.claude_talk",
    "codex": "kugetsu_engine.agents.codex",
    "gemini": "kugetsu_engine.agents.gemini",
    "opencode": "kugetsu_engine.agents.opencode.process_mode",
    "opencode-live": "kugetsu_engine.agents.opencode.live_talk",
    "opencode-server": "kugetsu_engine.agents.opencode.keeper_protocol",
    "template": "kugetsu_engine.agents.json_stream",
    "versions": "kugetsu_engine.agents.program_versions",
}
EARLIER = {"opencode_desk": "opencode-server", "stream": "template"}
# Kept for one release, like the prefix below: an engine that was started before an upgrade from 0.1 names modules, such as
# `kugetsu_engine.agents.stream`. Most had the name of their driver.


def load_driver(name: object) -> ModuleType:
    """Return the module of a driver, which has what the job uses: `reader`, `check`, `prepare`, `after` or `talk`.

    Raises:
        ImportError: there is no such driver.
    """
    driver = str(name).removeprefix("kugetsu_engine.agents.")
    module = MODULES.get(EARLIER.get(driver, driver))
    if module is None:
        raise ImportError(f"there is no driver {name!r}")
    return import_module(module)
