"""Looking after a state directory: is all of it as it must be, what is wrong in words, and mending it.

`evidence` reads, `checks` judges what was read and touches nothing, `surroundings` looks at the machine, `mending` mends.
"""

from .checks import run_checks
from .evidence import Evidence, gather_evidence
from .findings import Finding
from .fixes import fix_findings
from .machine import Fact, inspect_machine

__all__ = ["Evidence", "Fact", "Finding", "fix_findings", "gather_evidence", "inspect_machine", "run_checks"]
