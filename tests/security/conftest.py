"""The list of docs/security.md, S01 to S26: what is not shown by the other tests."""

from tests.support.fixtures import engine_factory, fleet, paths, state_dir
from tests.terminal.conftest import tmux
from tests.tui.conftest import console, operator, root

__all__ = ["console", "engine_factory", "fleet", "operator", "paths", "root", "state_dir", "tmux"]
