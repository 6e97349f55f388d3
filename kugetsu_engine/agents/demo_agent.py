"""The built-in demo agent: a separate program that makes real changes in its worktree, without a key or network.

The prompt's last line can say how to behave, such as `demo: steps=6 end=fail`. `end` is one of ok, fail, fail-once, nothing,
hang, stubborn (ignores SIGTERM and never ends), crash, leave (a process stays behind).
"""

import os
import select
import signal
import subprocess
import sys

NOTES = (
    ("read", "reading {file}"),
    ("think", "the cause is in {file}, near line {line}"),
    ("edit", "edit {file}: guard the empty case"),
    ("bash", "run the checks"),
    ("think", "one path is left: {file}"),
    ("edit", "edit {file}: name the result"),
    ("bash", "run the checks again"),
    ("read", "reading the diff once more"),
)


def pause(seconds: float) -> None:
    """Wait; a signal is handled at once."""
    select.select([], [], [], seconds / float(os.environ.get("KUGETSU_DEMO_SPEED", "1")))


def print_line(text: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run_git(*args: str) -> str:
    """Run git in the worktree."""
    done = subprocess.run(["git", *args], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout or done.stderr).strip()


def parse_behaviour(prompt: str) -> dict[str, str]:
    """Return the options in the last `demo:` line of the prompt."""
    line = next((line for line in reversed(prompt.splitlines()) if line.startswith("demo:")), "demo:")
    return dict(option.split("=", 1) for option in line.split()[1:] if "=" in option)


def edit_files(steps: int, task: str) -> None:
    """Read the repository and change files in it, one step at a time."""
    files = [name for name in run_git("ls-files").splitlines() if name.endswith((".py", ".md"))] or ["README.md"]
    os.makedirs("notes", exist_ok=True)
    for step in range(steps):
        kind, text = NOTES[step % len(NOTES)]
        name = files[step % len(files)]
        lines = 0
        if os.path.exists(name):
            with open(name, encoding="utf-8", errors="replace") as file:
                lines = sum(1 for _ in file)
        print_line(f"{kind:5} {text.format(file=name, line=lines // 2 + 1)}")
        if kind == "edit":
            with open(f"notes/{task}.md", "a", encoding="utf-8") as file:
                file.write(f"* step {step + 1}: looked at {name} ({lines} lines)\n")
            print_line(f"      notes/{task}.md +1")
        if kind == "bash":
            print_line("      $ git status --short")
            for line in run_git("status", "--short").splitlines()[:3]:
                print_line(f"      {line}")
        pause(0.7)


def commit(task: str) -> None:
    """Commit the changes, with an author of the demo's own."""
    run_git("add", "-A")
    author = ("-c", "user.name=kugetsu demo", "-c", "user.email=demo@localhost")
    print_line(
        run_git(*author, "commit", "--quiet", "-m", f"Work on {task}")
        or f"      committed {run_git('rev-parse', '--short', 'HEAD')}"
    )


def main() -> int:
    """Behave as the prompt says and return the exit code."""
    prompt = sys.stdin.read()
    behaviour = parse_behaviour(prompt)
    task = os.environ.get("KUGETSU_TASK_ID", "task")
    attempt = int(os.environ.get("KUGETSU_ATTEMPT", "1"))
    end = behaviour.get("end", "ok")
    if end == "stubborn":
        signal.signal(signal.SIGTERM, lambda *_: print_line("      TERM? not now"))
    print_line(
        f"demo agent, {os.environ.get('KUGETSU_ISSUE_REF', 'no issue')}, attempt {attempt}, in {os.path.basename(os.getcwd())}"
    )
    print_line(f"task  {prompt.strip().splitlines()[0] if prompt.strip() else 'nothing to do'}")
    edit_files(int(behaviour.get("steps", "6")), task)
    if end in ("hang", "stubborn"):
        print_line("      waiting for an answer that never comes")
        while True:
            pause(3600)
    if end == "fail" or (end == "fail-once" and attempt == 1):
        print_line("error the checks fail: 2 of 14")
        return 1
    if end == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if end == "leave":
        subprocess.Popen(
            ["tail", "-f", "/dev/null"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        print_line("      a development server was left running")
    if end == "nothing":
        run_git("checkout", "--", ".")
        run_git("clean", "-fdq", "notes")
        print_line("      no change needed")
        return 0
    commit(task)
    print_line("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
