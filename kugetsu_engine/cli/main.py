"""The command line: one small file per group of verbs, loaded only when it is asked for."""

import os
import sys
from collections.abc import Callable
from io import FileIO, TextIOWrapper

HELP = """\
kugetsu: the operator's console for a fleet of coding agents

  kugetsu [--read-only] [--resume]      the console; runs the engine unless one runs already
  kugetsu --headless [--until-idle] [--resume]     the engine without a screen
  kugetsu demo [--headless]             try it: throwaway folder, built-in agent, no keys, no network

tasks     enqueue REF MESSAGE | enqueue --file F     put work in the queue
          start REF MESSAGE  continue REF [MESSAGE]  at once, or 2: at the limit
          delegate MESSAGE                           to each issue it names, else to the project manager
          queue list|stats|clear    list   status    what waits, what runs, how it stands
          show ID    logs ID [-f]    wait ID...      one task
          kill ID... cancel ID... retry ID...        stop, drop, try again
          hold ID... release ID... move ID edit ID   before it starts
          attach ID    shell ID                      take over by hand, in its worktree
          plan [--limit N]    usage [--since 6d]     who starts when; tokens and cost
          worktrees [--clean [--dry-run]]            what they hold; remove those whose work is elsewhere
queue     pause  resume  drain  limit N              the whole queue
          stop-all [--now]                           the brake: pause, and stop every agent
past      replay [TIME] [--plain]  replay --events   how it stood at 03:00, 2h ago; what happened
news      notify list|clear|mute|test    watch       what happened, and how you are told
engine    queue-daemon start|stop|restart|status|logs
                    --resume: go on after a restart of the machine
          doctor [--verify] [--fix]                  is all well; what is wrong, and mending it
          doctor agents                              which agents are installed, and whether they can run
          completion bash|zsh|...
issues    context REF    set-pr REF URL              what was said, its pull request
          destroy REF|--base|--pm-agent    prune     remove what was made for it, what belongs to none
setup     init [--force]    import [--dry-run] [DIR]   sessions and files; taking over a bash kugetsu
          server list|add|remove|default|get         where clones come from

Ids are written 41, #41 or q_41; a reference stands for the task of its issue. kugetsu VERB --help says more.
Exit codes: 0 done, 1 failed, 2 try later, 3 already so, 4 no such task, 64 wrong usage.
Everything lies in $KUGETSU_DIR, by default ~/.kugetsu.
"""

GROUPS = {
    "enqueue": "enqueue", "queue": "queue", "list": "show", "status": "status", "show": "show",
    **dict.fromkeys(
        ("kill", "cancel", "retry", "hold", "release", "move", "pause", "resume", "drain", "limit", "stop-all"), "task_requests"
    ),
    "edit": "edit", "wait": "wait", "watch": "wait", "logs": "logs", "notify": "notify",
    "attach": "attach", "shell": "attach",
    "start": "start", "continue": "start", "delegate": "start", "server": "server",
    "context": "issues", "set-pr": "issues", "destroy": "issues", "prune": "issues", "init": "init", "import": "import_v02",
    "demo": "demo", "queue-daemon": "daemon", "doctor": "doctor", "completion": "completion", "plan": "plan",
    "usage": "usage", "replay": "replay", "worktrees": "worktrees",
    "--headless": "run_engine",
}  # fmt: skip
"""For each verb the module that has it."""

READERS = frozenset({"status", "queue", "list", "show"})
"""Verbs that read records of all kinds and start often."""

CONSOLE_WORDS = frozenset({"--read-only", "--resume"})

PRINTED = frozenset({"--plain", "--json", "--events", "--since", "--until", "-h", "--help"})
"""With these, `replay` prints in place of opening the console."""


def wants_console(words: list[str]) -> bool:
    """Whether the words of a command line ask for the console, not for a verb."""
    if words[:1] == ["demo"]:
        asked = not {"--headless", "-h", "--help"} & set(words)
        return asked and sys.stdin.isatty() and sys.stdout.isatty()
    if words[:1] == ["replay"]:
        printed = any(word.split("=")[0] in PRINTED for word in words)
        return not printed and sys.stdin.isatty() and sys.stdout.isatty()
    return not words or all(word in CONSOLE_WORDS for word in words)


def run(words: list[str]) -> int:
    """Run a verb; returns the exit code."""
    return join_error_lines(lambda: _run(words))


def join_error_lines(job: Callable[[], int]) -> int:
    """Do what was asked for; returns the exit code. Every expected failure is one line on stderr."""
    from ..errors import KugetsuError

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us, as `>&-` does
            setattr(sys, name, TextIOWrapper(FileIO(os.devnull, "w"), encoding="utf-8"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ▷ shows a ?
    try:
        return job()
    except KugetsuError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    except UnicodeError as error:
        _complain(f"something that was given is not UTF-8 ({getattr(error, 'reason', error)})")
        return 1
    except OSError as error:
        _complain(f"{error.filename or 'the system'}: {error.strerror}")
        return 1


def _run(words: list[str]) -> int:
    from importlib import import_module

    from ..errors import UsageError
    from ..paths import is_utf8

    if "--headless" in words and words[0].startswith("-"):
        words = ["--headless", *(word for word in words if word != "--headless")]
    verb = words[0] if words else "--help"
    for word in words:
        if not is_utf8(word):
            raise UsageError(f"{word[:60]!r} is not UTF-8", "check the encoding of your terminal, or rename the file")
    if verb in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if verb in ("-V", "--version", "version"):
        from .. import __version__

        print(f"kugetsu {__version__}")
        return 0
    if verb in CONSOLE_WORDS or verb not in GROUPS:
        raise UsageError(f"there is no verb {verb[:40]!r}", "kugetsu --help lists them")
    if verb in READERS and words[1:2] != ["enqueue"]:
        from .fast_start import load_msgspec

        load_msgspec()
    code = import_module(f".commands.{GROUPS[verb]}", __package__).main(verb, words[1:])
    sys.stdout.flush()
    return int(code)


def _complain(text: str) -> None:
    from ..domain.text.safe_text import safe_line

    sys.stderr.write(f"kugetsu: {safe_line(text)}\n")


def main() -> int:
    """Entry of `python -m kugetsu_engine`: the command line without the console."""
    return run(sys.argv[1:])
