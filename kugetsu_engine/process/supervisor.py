"""For one release: where an engine that was started before an upgrade finds a supervisor."""

from importlib import import_module

main = import_module("kugetsu_engine.supervisor.supervisor").main
