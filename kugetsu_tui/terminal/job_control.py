"""Job control: whether there is a shell to return to, and whether we are in the foreground."""

import os


def has_shell() -> bool:
    """Whether a shell of this session started our process group and can continue it after a stop.

    A console started directly by tmux or a terminal window has none; stopped, it would be lost.
    """
    import psutil

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
    """Whether our group is the terminal's foreground group; also True if unknown."""
    try:
        return os.tcgetpgrp(fileno) == os.getpgrp()
    except OSError:
        return True
