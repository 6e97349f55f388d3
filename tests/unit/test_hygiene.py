"""What may be loaded by what, and what stands nowhere in the two packages."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.fleet import ROOT

pytestmark = pytest.mark.timeout(300)  # one of them starts a process for each module of the engine

PACKAGES = ("kugetsu_engine", "kugetsu_tui")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ENGINE_MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCES
    if path.is_relative_to(ROOT / "kugetsu_engine") and path.name != "__main__.py"
)
FORBIDDEN_CALLS = frozenset({
    "time.sleep", "os.system", "os.popen", "eval", "exec", "compile", "pickle.load", "pickle.loads", "marshal.loads",
    "subprocess.getoutput", "subprocess.getstatusoutput", "os.spawnl", "os.execvp",
})  # fmt: skip
FORBIDDEN_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "yaml"})
ALLOWED: dict[tuple[str, str], str] = {
    ("kugetsu_engine/supervisor/agent_run.py", "preexec_fn"): "a process of one thread, where it is safe",
    ("kugetsu_engine/supervisor/workspace.py", "preexec_fn"): "the same process",
    (
        "kugetsu_engine/agents/opencode/server_keeper.py",
        "os.execvp",
    ): "an argv; the server takes the place of a process of ours",
    ("kugetsu_engine/process/waiting.py", "select on nothing"): "the one pause, for what no event tells",
    ("kugetsu_engine/agents/demo_agent.py", "select on nothing"): "a program of its own that plays an agent at work",
    ("kugetsu_engine/cli/commands/completion.py", "shell=True"): "shtab's name for the kind of shell to write a completion for",
}
"""(file, finding) to the reason; an entry that is not needed any more fails."""


def _dotted(node: ast.expr) -> str:
    """`os.path.join` of a call's function; empty for what has no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _findings(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (f"from {name}" for name in names & FORBIDDEN_CALLS)
            if (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
                yield f"import {node.module}"
        elif isinstance(node, ast.Call):
            if _dotted(node.func) in FORBIDDEN_CALLS:
                yield _dotted(node.func)
            if _dotted(node.func) == "select.select" and all(
                isinstance(one, ast.List) and not one.elts for one in node.args[:3]
            ):
                yield "select on nothing"
            for keyword in node.keywords:
                if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
                    yield "shell=True"
                if keyword.arg == "preexec_fn":
                    yield "preexec_fn"


@cache
def _found() -> frozenset[tuple[str, str]]:
    return frozenset(
        (str(path.relative_to(ROOT)), finding) for path in SOURCES for finding in _findings(path.read_text("utf-8"))
    )


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)", "from time import sleep", "import os\nos.system('x')", "eval('1')", "exec('1')",
        "import pickle", "from pickle import loads", "import subprocess\nsubprocess.run('x', shell=True)", "f(shell=flag)",
        "import yaml", "P(preexec_fn=f)", "import select\nselect.select([], [], [], 1)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_it_looks_for(source: str) -> None:
    """A scan that finds nothing would prove nothing."""
    assert list(_findings(source))


def test_no_sleep_no_shell_and_no_code_from_data_in_the_two_packages() -> None:
    """Waits are events with limits, programs get argument lists, data is parsed. The list of exceptions does not go stale."""
    assert len(SOURCES) > 50
    assert _found() - set(ALLOWED) == set()
    assert set(ALLOWED) - _found() == set()


@cache
def _loaded_by_each() -> dict[str, list[str]]:
    """The interface libraries that each module of the engine loads, each in a fresh state of one fresh interpreter's fork."""
    program = (
        "import importlib, json, os, sys\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        importlib.import_module(name)\n"
        "        tops = sorted({module.partition('.')[0] for module in sys.modules})\n"
        "        sys.stdout.write(json.dumps([name, tops]) + '\\n')\n"
        "        sys.stdout.flush()\n"
        "        os._exit(0)\n"
        "    if os.waitpid(pid, 0)[1]:\n"
        "        sys.stdout.write(json.dumps([name, ['failed']]) + '\\n')\n"
        "        sys.stdout.flush()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(ENGINE_MODULES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


BY_HTTPX = {"kugetsu_engine.forges.queries": {"rich"}, "kugetsu_engine.forges.client": {"rich"}}
"""httpx loads its own command line where click is installed, and that loads rich. Only helpers and `list --refresh` have it."""


@pytest.mark.parametrize("module", ENGINE_MODULES)
def test_a_module_of_the_engine_loads_no_interface_library(module: str) -> None:
    """Imported by itself it works, and loads neither textual nor rich nor the console."""
    loaded = _loaded_by_each()[module]
    assert "failed" not in loaded
    assert not ({"textual", "rich", "kugetsu_tui"} - BY_HTTPX.get(module, set())) & set(loaded)


@pytest.mark.parametrize(
    "module", ["kugetsu_engine.client.api", "kugetsu_engine.state.new_tasks", "kugetsu_engine.domain.refs"]
)
def test_what_enqueue_needs_loads_no_library(module: str) -> None:
    """`enqueue` starts fast: no msgspec, no watchfiles, no psutil, no git's subprocess."""
    loaded = set(_loaded_by_each()[module])
    assert not {"msgspec", "watchfiles", "psutil", "filelock", "humanize", "dataclasses", "asyncio"} & loaded


@pytest.mark.parametrize(
    "module", [name for name in ENGINE_MODULES if name.startswith("kugetsu_engine.domain")]
)  # fmt: skip
def test_the_domain_loads_nothing_that_touches_the_world(module: str) -> None:
    """No processes, no watcher, no locks."""
    assert not {"subprocess", "watchfiles", "psutil", "filelock", "socket"} & set(_loaded_by_each()[module])


def test_a_supervisor_starts_on_the_bare_standard_library() -> None:
    """With `-I -S` no package of the environment is in reach, and the import still works and stays small."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import kugetsu_engine.supervisor.supervisor, kugetsu_engine.agents.opencode.process_mode\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not {"msgspec", "filelock", "watchfiles", "psutil", "humanize", "dataclasses", "asyncio", "hashlib"} & loaded


STATE_NAME = re.compile(
    r"(?:^|[\w/-])\.(?:jsonl?|lock|log|sock|env|toml|md|txt|pid|bell|read|mute|seen|times|remote|reserve|removed)$"
    r"|^\.(?:jsonl?|lock|log|sock|env|toml|md|txt|pid|bell|read|mute|seen|times|remote|reserve|removed)\b"
    r"|/(?:env|queue|items|done|requests|answers|corrupt|edits|by-hand|slots|locks|runs|logs|servers|sessions|context"
    r"|repositories|worktrees|prompt|tmp|attempts-|opencode-|repository-|issue-|database-)(?:/|$)"
    r"|/(?:attempts|opencode|repository|issue|database)-$"
)
"""A literal that is the name of a file or folder of the state directory, or the end of one. Sentences have blanks."""
OTHER_NAMES: dict[str, tuple[set[str], str]] = {
    "kugetsu_engine/migration/importer.py": (
        {"index.json", "notifications.json", "repos.json", "pm-agent.md", "/queue/daemon.pid"}, "files of the bash kugetsu",
    ),
    "kugetsu_engine/migration/bash_settings.py": ({"repos.json", "pm-agent.md", "/env/"}, "files of the bash kugetsu"),
    "kugetsu_engine/migration/bash_sessions.py": (
        {"index.json", "base.json", "pm-agent.json", ".json", "/sessions", "/sessions/", "/context", "/context/"},
        "files of the bash kugetsu",
    ),
    "kugetsu_engine/migration/bash_tasks.py": (
        {"notifications.json", "/notifications.json", ".json"}, "files of the bash kugetsu",
    ),
    "kugetsu_engine/agents/demo_agent.py": ({".md", "README.md"}, "files of the repository it works in"),
    "kugetsu_engine/client/demo_setup.py": ({"README.md"}, "a file of its repository"),
    "kugetsu_engine/agents/opencode/session_ids.py": ({"/session-copy.json"}, "for opencode, in a folder for temporary files"),
    "kugetsu_engine/agents/program_versions.py": ({"/package.json", "/tmp"}, "npm's name; the system's folder"),
    "kugetsu_engine/agents/opencode/keeper_protocol.py": ({"/tmp"}, "the system's folder"),
    "kugetsu_engine/git/isolation.py": ({"/tmp"}, "the system's folder"),
    "kugetsu_engine/git/worktree_state.py": ({"index.lock"}, "git's name"),
    "kugetsu_engine/git/baseline.py": ({"/logs/HEAD"}, "git's name"),
    "kugetsu_engine/git/delivery.py": ({"/logs/HEAD"}, "git's name"),
    "kugetsu_engine/git/new_worktree.py": ({".lock", "/worktrees"}, "git's names"),
    "kugetsu_engine/git/ref_files.py": ({".lock", ".lock/"}, "git's name"),
    "kugetsu_engine/git/remotes.py": ({".remote"}, "the end of a setting of git"),
    "kugetsu_engine/git/folder_removal.py": ({".removed-"}, "beside a worktree, wherever that is"),
    "kugetsu_engine/cli/version.py": ({"commit.txt"}, "a file of the package"),
    "kugetsu_engine/agents/program_folders.py": (
        {"/.claude.json", "settings.json", "hooks.json", "AGENTS.md", "config.toml", "CLAUDE.md", "GEMINI.md"},
        "files of agents",
    ),
    "kugetsu_engine/process/bubblewrap.py": ({".cargo/credentials.toml", "/var/tmp", "/tmp"}, "places of the system"),
    "kugetsu_engine/supervisor/sandbox.py": ({"/worktrees", "/logs"}, "git's own folders"),
    "kugetsu_engine/domain/refs.py": ({"fix/issue-"}, "a branch"),
    "kugetsu_engine/doctor/agent_logins.py": (
        {"{CLAUDE_CONFIG_DIR:~/.claude}/.credentials.json", "{CODEX_HOME:~/.codex}/auth.json",
         "{CODEX_HOME:~/.codex}/config.toml",
         "{GEMINI_CLI_HOME:~}/.gemini/gemini-credentials.json", "{GEMINI_CLI_HOME:~}/.gemini/oauth_creds.json",
         "{XDG_DATA_HOME:~/.local/share}/opencode/auth.json"},
        "files of agents",
    ),
    "kugetsu_tui/keys.py": ({"pane.log", "log.times", "diff.read"}, "names of actions"),
}  # fmt: skip
"""By file what it spells that looks like such a name, and what it is."""


def _state_names(source: str) -> set[str]:
    tree = ast.parse(source)
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said)
    return {word for word in words if isinstance(word, str) and not re.search(r"\s", word) and STATE_NAME.search(word)}


@pytest.mark.parametrize(
    "source",
    ["x = f'{a}/run.json'", "n.endswith('.lock')", "p = a + '/queue'", "f'{a}/servers/{b}'", "n.endswith('.json.removed')",
     "f'{a}/opencode-{b}'", "f'{a}/prompt'", "x = 'engine.json'"],
)  # fmt: skip
def test_the_scan_finds_names_of_the_state_directory(source: str) -> None:
    """A scan that finds nothing would prove nothing."""
    assert _state_names(source)


def test_all_names_of_the_state_directory_are_spelt_in_one_module() -> None:
    """No other module of the two packages spells one. The list of what only looks like one does not go stale."""
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in SOURCES
        if path != ROOT / "kugetsu_engine/paths.py"
        for name in _state_names(path.read_text("utf-8"))
    }
    assert found == {(path, name) for path, (names, _) in OTHER_NAMES.items() for name in names}


BY_HAND = re.compile(
    r"""removeprefix\(["']q_["']\)|id\[2:\]|["'](?:e?s|ies)["'] \* \(|["']e?s\b[^"']*["'] if [\w.()]+ [!=<>]+ 1|\* 100 // """
)
"""An id, a plural or a share that is written without `domain.new_task` and `domain.text.quantities`."""


@pytest.mark.parametrize(
    "line", ["id.removeprefix('q_')", "task_id[2:]", "'s wait' if n != 1 else ' waits'", "'s' if len(x) > 1"]
)
def test_the_scan_finds_what_is_written_by_hand(line: str) -> None:
    """A scan that finds nothing would prove nothing."""
    assert BY_HAND.search(line)


def test_ids_plurals_and_shares_are_written_in_one_place() -> None:
    """Elsewhere they were forgotten where a number happened to be 1, or an id was that of an old kugetsu."""
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text("utf-8").splitlines()
        if path.name != "new_task.py" and BY_HAND.search(line)
    }
    assert found == set()


def test_nobody_opens_a_state_file_for_writing_beside_the_one_module() -> None:
    """`open(…, "w")` and the like stand only where a file is new and nobody else's: listed, and the list does not go stale."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _dotted(node.func) in ("open", "io.open", "os.fdopen"):
                modes = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
                modes += [
                    word.value.value for word in node.keywords if word.arg == "mode" and isinstance(word.value, ast.Constant)
                ]
                if any(isinstance(mode, str) and set(mode) & set("wx+") for mode in modes):
                    found.add(str(path.relative_to(ROOT)))
    assert found == {"kugetsu_engine/client/demo_setup.py"}


def test_supervisors_measure_by_the_monotonic_clock_and_tell_by_the_other() -> None:
    """In what runs attempts, `time.time()` stands only where a time is written down, `iso(time.time())`, or read from outside.

    From outside are the times of files and those that a provider tells; where a log's times begin, both clocks are read once.
    """
    wrong = []
    folders = [ROOT / "kugetsu_engine" / name for name in ("supervisor", "process")]
    for path in (path for folder in folders for path in folder.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.args[0]) for node in ast.walk(tree) if isinstance(node, ast.Call) and _dotted(node.func) == "iso"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _dotted(node.func) == "time.time" and id(node) not in told:
                wrong.append(path.name)
    assert sorted(wrong) == ["log_stamper.py", "outcome.py", "stall.py"]


def test_every_module_and_every_public_function_says_what_it_is() -> None:
    """A docstring each, in both packages' modules; in the engine for each public function and class too."""
    silent = []
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        if not ast.get_docstring(tree):
            silent.append(f"{path.name}")
        if path.is_relative_to(ROOT / "kugetsu_engine"):
            silent += [
                f"{path.name}:{node.name}"
                for node in tree.body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_" and not ast.get_docstring(node)
            ]
    assert silent == []


VAGUE = frozenset({"look", "tell", "hear", "take", "told", "words", "one", "found", "over", "begin"})
"""Words that do not say what a function does."""
VAGUE_ALLOWED: dict[str, str] = {}
"""By public name why it has such a word."""


def _public_names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """The functions and classes of a module and the methods of its public classes: `Engine.take_turn`."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name[0] != "_":
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _public_names(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _public_names([*node.body, *node.orelse], prefix)


def _parts(name: str) -> set[str]:
    """The parts of a name at underscores and capitals, in small letters."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name.rpartition(".")[2])}


@pytest.mark.parametrize("name", ["look", "tell_all", "EditBegin", "Engine.take_turn", "inOneLine", "HTTPWords"])
def test_the_scan_finds_vague_names(name: str) -> None:
    """A scan that finds nothing would prove nothing; and `overlap` or `beginning` are no such names."""
    assert _parts(name) & VAGUE
    assert not _parts("overlaps_beginning_taken") & VAGUE


def test_public_names_say_what_they_do() -> None:
    """`look`, `tell` or `take` could be anything. The list of what is allowed does not go stale."""
    vague = {
        f"{path.relative_to(ROOT)}:{name}"
        for path in SOURCES
        for name in _public_names(ast.parse(path.read_text("utf-8")).body)
        if _parts(name) & VAGUE
    }
    assert vague == set(VAGUE_ALLOWED)


def test_few_modules_stand_at_the_top_of_the_engine() -> None:
    """Whatever else there is has a package that says what it is about."""
    top = {path.name for path in (ROOT / "kugetsu_engine").iterdir() if path.is_file()}
    assert top == {"__init__.py", "__main__.py", "errors.py", "paths.py", "py.typed"}


SAME_SUBJECT: dict[str, str] = {
    "attach.py": "a manual session: the command, what the client does for it, and the console's key",
    "completion.py": "completing a line: in a shell, and in the console's `:`",
    "diff.py": "the diff of a worktree: read from git, as rows, as a screen",
    "edit.py": "editing a waiting task: the command, and what the client does for it",
    "forecast.py": "when tasks will start: the simulation, as rows, as a dialog",
    "main.py": "where a program begins: without and with the console",
    "notifications.py": "notifications: on disk, as rows",
    "queue.py": "the waiting tasks: the command that lists them, as rows",
    "replay.py": "a past moment: the command, the client's snapshot of it, and the console's keys",
    "start.py": "starting work on an issue: the command, and what the client does for it",
    "start_point.py": "where the work of an attempt starts: found in git, as a sentence",
    "task.py": "a task: the record, and its screen",
    "utilization.py": "how the slots were used: as rows, as a dialog",
    "worktrees.py": "worktrees: made by git, and the command that lists them",
}
"""File names that occur in several packages: one subject, on several storeys."""
FOR_ONE_RELEASE = frozenset({"kugetsu_engine/process/supervisor.py"})
"""Modules at an old place, for programs that started before an upgrade."""


def test_a_file_name_stands_for_one_subject() -> None:
    """A name in two packages is one subject on two storeys. The list does not go stale, and it stays short."""
    names = Counter(path.name for path in SOURCES if str(path.relative_to(ROOT)) not in FOR_ONE_RELEASE)
    assert {name for name, times in names.items() if times > 1} - {"__init__.py"} == set(SAME_SUBJECT)
    assert len(SAME_SUBJECT) <= 15
    assert all((ROOT / path).is_file() for path in FOR_ONE_RELEASE)


def test_nothing_shadows_the_standard_library() -> None:
    """ruff checks it at the top of the packages. Further down only `queue` bears such a name, which no word says better."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert "A" in ruff["select"]
    assert "A005" not in ruff["ignore"]
    names = {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(ROOT).parts}
    assert names & sys.stdlib_module_names == {"queue"}


def test_the_sources_are_where_the_scan_looks() -> None:
    """The scanned files are those of this checkout."""
    assert Path(__import__("kugetsu_engine").__file__ or "").resolve().is_relative_to(ROOT.resolve())
