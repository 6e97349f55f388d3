"""What a tool of the real opencode has started does not outlive the attempt; its tools run in sessions of their own."""

import itertools
import json
import shlex
import sys
import time

from tests.support import real_opencode
from tests.support.model_server import ModelServer, bash, say
from tests.support.waiting import wait_until

from .agent_tree import KINDS
from .ground import Amount, Ground, Report, verify
from .trees import AGENT, _of_tag

ENDS = ("kill", "kill --now", "exit")
GRACE_S = 0.3
WAIT_S = 240.0
"""Also the time limit of an attempt: on a busy machine opencode alone takes a minute to begin."""


def why_no_opencode() -> str:
    """Why it cannot be tried here; empty where it can."""
    return "" if real_opencode.program() is not None else real_opencode.why_not()


def tools_end(ground: Ground, amount: Amount) -> Report:
    """Six kinds of trees, started by a bash tool of the real opencode and ended in three ways: nothing is left."""
    every = [*itertools.product(KINDS, ENDS)] * 2
    slowest: list[float] = []
    program = real_opencode.program()
    assert program is not None

    def attempt(case: tuple[str, str]) -> list[str]:
        kind, how = case
        with ModelServer() as model, ground.fleet(
            stop_grace=f"{GRACE_S:g}s", max_attempts=1, agent="opencode", task_timeout=f"{WAIT_S:g}s"
        ) as fleet:  # fmt: skip
            fleet.tables = real_opencode.agent_table(fleet.folder / "home", model.address, program)
            fleet.configure()
            tag = f"tree-{fleet.folder.name}"
            asked = json.dumps({"kind": kind, "wait": fleet.waiting_file("tree")})
            # opencode itself waits for whoever keeps a tool's output open: such a tree would end with the attempt's time limit.
            tree = f"echo {shlex.quote(asked)} | {shlex.join([sys.executable, '-I', '-S', str(AGENT), tag])} >/dev/null 2>&1"
            words = model.script("tree", bash(tree), say("Done."))
            engine = fleet.start_engine()
            task_id = fleet.operator.enqueue("local/work#1", words)[0]
            wait_until(lambda: len(_of_tag(tag)) >= 3, WAIT_S, "the tool and its tree")
            fleet.wait_for(task_id, "running")
            began = time.monotonic()
            if how == "exit":
                fleet.release("tree")
            else:
                fleet.operator.do("kill", task_id, now=how == "kill --now")
            task = fleet.wait_for_end([task_id], WAIT_S)[0]
            left = _of_tag(tag)
            slowest.append(time.monotonic() - began if how != "exit" else 0.0)
            fleet.stop_engine(engine)
            wanted = "completed" if how == "exit" else "cancelled"
            found = [f"I8 left running: {left}"] if left else []
            found += [] if task.state == wanted else [f"I6 {task_id} is {task.state}: {task.reason}"]
            return found + verify(fleet, [task_id])

    report = ground.side_by_side(amount.pick(every), attempt)
    report.told = f"slowest end of a stopped one {max(slowest, default=0):.1f} s, its grace is {GRACE_S:g} s"
    return report
