"""Looking after a state directory: is all of it as it must be, what is wrong in words, and mending it.

`evidence` reads, `checks` judges what was read and touches nothing, `surroundings` looks at the machine, `mending` mends.
"""

from .checks import check
from .evidence import Evidence, gather
from .findings import Finding
from .fixes import mend
from .machine import Fact, look_around

__all__ = ["Evidence", "Fact", "Finding", "check", "gather", "look_around", "mend"]
