"""Whether there is a shell to go back to, and whether it has put us in front."""

import os

import psutil


def has_shell() -> bool:
    """Whether someone waits who can let a stopped process go on: a shell of this session that started our group.

    A console that a window of tmux or a terminal runs by itself has none; stopped, it would be lost.
    """
    group, session = os.getpgrp(), os.getsid(0)
    for parent in psutil.Process().parents():
        try:
            if os.getsid(parent.pid) != session:
                return False
            if os.getpgid(parent.pid) != group:
                return True
        except OSError:
            return False
    return False


def is_foreground(fileno: int) -> bool:
    """Whether our group is who the terminal listens to; so also where that cannot be found out."""
    try:
        return os.tcgetpgrp(fileno) == os.getpgrp()
    except OSError:
        return True
