"""Checks of a state directory and the machine, and repairs.

`evidence` reads the state, `checks` finds what is wrong with it, `machine` inspects the machine, `fixes` repairs.
"""

from .checks import run_checks
from .evidence import Evidence, gather_evidence
from .findings import Finding
from .fixes import fix_findings
from .machine import Fact, inspect_machine

__all__ = ["Evidence", "Fact", "Finding", "fix_findings", "gather_evidence", "inspect_machine", "run_checks"]
