"""For one release: where supervisors that were started before an upgrade look for the last step of an attempt."""

import sys

if "kugetsu_engine.process.reading" in sys.modules:  # their modules do not go with those of today, and are needed no more
    for name in [name for name in sys.modules if name.startswith("kugetsu_engine") and name != __name__]:
        del sys.modules[name]

from kugetsu_engine.agents.opencode.keeper_protocol import after, prepare

__all__ = ["after", "prepare"]
