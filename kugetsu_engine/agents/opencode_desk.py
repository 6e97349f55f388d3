"""For one release: supervisors started before an upgrade load the last step of an attempt from here."""

import sys

if "kugetsu_engine.process.reading" in sys.modules:  # the old modules do not work with the new ones, and are no longer needed
    for name in [name for name in sys.modules if name.startswith("kugetsu_engine") and name != __name__]:
        del sys.modules[name]

from kugetsu_engine.agents.opencode.keeper_protocol import after, prepare

__all__ = ["after", "prepare"]
