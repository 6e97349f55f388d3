"""Waiting for the end of processes."""

import subprocess
import sys
import time

from kugetsu_engine.process.waiting import wait_for_exit


def test_the_end_of_a_process_ends_the_wait_also_where_nobody_has_reaped_it() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    began = time.monotonic()
    wait_for_exit([process.pid], 0.05)
    assert time.monotonic() - began >= 0.04
    assert process.poll() is None
    process.stdin.close()
    began = time.monotonic()
    wait_for_exit([process.pid], 60.0)  # a zombie from here on
    wait_for_exit([process.pid, process.pid], 60.0)
    assert process.wait(1.0) == 1
    wait_for_exit([process.pid], 60.0)  # nobody has this pid
    assert time.monotonic() - began < 50.0
