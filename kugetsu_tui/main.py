"""The program `kugetsu`: the console without a verb, else the command line. Loads textual only for the console."""

import sys


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    from kugetsu_engine.cli.main import wants_console

    argv = sys.argv[1:]
    if wants_console(argv):
        from .launch import launch_console

        return launch_console(argv)
    from kugetsu_engine.cli.main import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
