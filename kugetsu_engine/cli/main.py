"""The command line. Each verb has its module in `commands`, loaded only when it is used."""

import os
import sys
from io import FileIO, TextIOWrapper

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable

READERS = frozenset({"status", "queue", "list", "show"})
"""Verbs that read records of all kinds and start often."""

PLAIN = frozenset({("status",), ("status", "check"), ("queue",), ("queue", "list")})
"""Command lines of those that need no msgspec as long as all files are plain."""

CONSOLE_OPTIONS = frozenset({"--read-only", "--resume"})

PRINTED = frozenset({"--plain", "--json", "--events", "--since", "--until", "-h", "--help"})
"""With these, `replay` prints and does not open the console."""


def wants_console(argv: list[str]) -> bool:
    """Whether a command line asks for the console, not for a verb."""
    if argv[:1] == ["demo"]:
        in_console = not {"--headless", "-h", "--help"} & set(argv)
    elif argv[:1] == ["replay"]:
        in_console = not any(word.split("=")[0] in PRINTED for word in argv)
    else:
        return all(word in CONSOLE_OPTIONS for word in argv)
    return in_console and sys.stdin.isatty() and sys.stdout.isatty()


def run(argv: list[str]) -> int:
    """Run a verb; returns the exit code."""
    return report_errors(lambda: _run(argv))


def report_errors(job: "Callable[[], int]") -> int:
    """Run a job; returns its exit code. Every expected failure is one line on stderr."""
    from ..errors import KugetsuError

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as `>&-` does
            setattr(sys, name, TextIOWrapper(FileIO(os.devnull, "w"), encoding="utf-8"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ▷ shows a ?
    try:
        return job()
    except KugetsuError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has exited, as `| head` does
        return 0
    except KeyboardInterrupt:
        return 130
    except UnicodeError as error:
        _complain(f"an argument or a file is not UTF-8 ({getattr(error, 'reason', error)})")
        return 1
    except OSError as error:
        _complain(f"{error.filename or 'the system'}: {error.strerror}")
        return 1


def _run(argv: list[str]) -> int:
    from ..errors import UsageError

    if "--headless" in argv and argv[0].startswith("-"):
        argv = ["--headless", *(word for word in argv if word != "--headless")]
    verb = argv[0] if argv else "--help"
    if verb in ("-V", "--version", "version"):
        from .version import describe_version

        print(f"kugetsu {describe_version()}")
        return 0
    if verb == "help" and argv[1:]:
        return _print_help(argv[1:])
    if verb in ("-h", "--help", "help"):
        from .verbs import HELP

        print(HELP, end="")
        return 0
    from ..paths import is_utf8

    for word in argv:
        if not is_utf8(word):
            raise UsageError(f"{word[:60]!r} is not UTF-8", "check the encoding of your terminal, or rename the file")
    if verb == "enqueue":  # scripts call it in loops, so it loads no table
        module = verb
    else:
        verb, module = _find_verb(verb)
    from importlib import import_module

    def run_command() -> int:
        return int(import_module(f".commands.{module}", __package__).main(verb, argv[1:]))

    if tuple(argv) in PLAIN:
        from .fast_start import run_without_msgspec

        code = run_without_msgspec(run_command)
    else:
        if verb in READERS and argv[1:2] != ["enqueue"]:
            from .fast_start import load_msgspec

            load_msgspec()
        elif verb == "--headless":
            from .fast_start import load_for_weeks

            load_for_weeks()
        code = run_command()
    sys.stdout.flush()
    return code


def _find_verb(verb: str) -> tuple[str, str]:
    """Return the verb by its present name, and its module."""
    from .verbs import MODULES, OLD_NAMES

    verb = OLD_NAMES.get(verb, verb)
    if verb not in MODULES:
        from ..domain.config_faults import find_nearest
        from ..errors import UsageError

        nearest = find_nearest(verb, (*MODULES, "help", "version"))
        raise UsageError(f"unknown verb {verb[:40]!r}", f"did you mean {nearest}?" if nearest else "kugetsu --help lists them")
    return verb, MODULES[verb]


def _print_help(words: list[str]) -> int:
    """Print the help of a verb, or of a verb and its part."""
    from .parser import make_parser, split_part
    from .verbs import VERBS

    verb = _find_verb(words[0])[0]
    part = split_part(verb, words[1:2] or ["--help"])[0] if verb not in VERBS else ""
    make_parser(f"{verb} {part}".strip()).print_help()
    return 0


def _complain(text: str) -> None:
    from ..domain.text.safe_text import safe_line

    sys.stderr.write(f"kugetsu: {safe_line(text)}\n")


def main() -> int:
    """Run `python -m kugetsu_engine`: the command line without the console."""
    return run(sys.argv[1:])
