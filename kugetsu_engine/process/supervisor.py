"""Kept for one release: an engine that was started before an upgrade runs its supervisors from here."""

from importlib import import_module

main = import_module("kugetsu_engine.supervisor.supervisor").main
