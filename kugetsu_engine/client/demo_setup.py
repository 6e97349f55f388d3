"""The demo: a throwaway state directory, a scratch git repository, a dozen tasks for the demo agent; no keys, no network."""

import os
import shutil
import tempfile
from collections.abc import Mapping

from ..config.loader import OLD_NAMES
from ..domain.new_task import MAX_MESSAGE_BYTES
from ..errors import UsageError
from ..git.command import git
from ..paths import StatePaths
from .api import Client

REF = "local/moonbase#{number}"

SCRIPT: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("Fix the login loop after the cookie expires", "steps=7", {}),
    ("Add a rate limiter to the public API", "steps=5", {}),
    ("Dark theme for the settings page", "steps=9 end=fail-once", {}),
    ("Find out why the nightly job hangs", "steps=3 end=hang", {"timeout": "8s"}),
    ("Write the release notes for 2.1", "steps=4", {"priority": 7}),
    ("Move the icons to one sprite", "steps=6", {}),
    ("Upgrade the date library", "steps=4 end=fail", {}),
    ("Check whether the cache needs a lock", "steps=4 end=nothing", {}),
    ("Speed up the search index", "steps=6", {}),
    ("Stop the worker that will not stop", "steps=3 end=stubborn", {"timeout": "6s"}),
    ("Start the preview server and test against it", "steps=4 end=leave", {}),
    ("Translate the error pages: 日本語 and Ελληνικά", "steps=5", {}),
)
"""Message, behaviour and options of each task."""

EXPECTED = {4: "error", 7: "error", 10: "error"}
"""The final states of the tasks that do not complete: one hangs, one always fails, one ignores TERM."""

CONFIG = """\
# The settings of the demo.
max_concurrent_agents = 3
max_attempts = 2
retry_delay = "2s"
stop_grace = "2s"
task_timeout = "5m"
agent = "demo"
min_free_memory = "off" # the demo agent needs next to nothing
min_free_disk = "off"
max_load_per_core = "off"
max_memory_pressure = "off"

[agents.demo]
env = {{ KUGETSU_DEMO_SPEED = "{speed}" }}

[repos]
"local/moonbase" = "{repository}"
"""

FILES = {
    "README.md": "# moonbase\n\nA small web service with a login, a search and a settings page.\n",
    "app/login.py": 'def login(cookie):\n    if not cookie:\n        return redirect("/login")\n    return session(cookie)\n',
    "app/search.py": "def search(words, index):\n    return [page for page in index if all(word in page for word in words)]\n",
    "app/settings.py": 'THEMES = ["light"]\n\n\ndef theme(user):\n    return user.get("theme", THEMES[0])\n',
    "tests/test_login.py": "def test_no_cookie_goes_to_login():\n    assert login(None).target == '/login'\n",
}


def prepare_demo(task_count: int = len(SCRIPT), speed: float = 1.0, environ: Mapping[str, str] = os.environ) -> str:
    """Make the demo in a new temporary folder; returns its state directory.

    Args:
        task_count: how many tasks; after twelve the script repeats.
        speed: 2.0 works twice as fast.

    Raises:
        UsageError: a number is out of range.
        KugetsuError: git is missing or fails.
    """
    if not 1 <= task_count <= 10_000:
        raise UsageError("--tasks takes a number from 1 to 10000")
    if not 0.01 <= speed <= 1000:
        raise UsageError("--speed takes a number from 0.01 to 1000")
    folder = tempfile.mkdtemp(prefix="kugetsu-demo-")
    repository, state_dir = f"{folder}/moonbase", f"{folder}/state"
    _make_repository(repository)
    os.mkdir(state_dir, 0o700)
    with open(StatePaths(state_dir).config, "x", encoding="utf-8") as config:
        config.write(CONFIG.format(speed=speed, repository=repository))
    client = Client(state_dir, without_settings(environ))
    for number in range(1, task_count + 1):
        message, behaviour, options = SCRIPT[(number - 1) % len(SCRIPT)]
        timeout = options.get("timeout")
        client.enqueue(
            REF.format(number=number), f"{message}\n\ndemo: {behaviour}\n"[:MAX_MESSAGE_BYTES],
            priority=int(str(options.get("priority", 5))),
            timeout=f"{float(str(timeout)[:-1]) / min(speed, 10):.2f}s" if timeout else None,
        )  # fmt: skip
    return state_dir


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that are settings of kugetsu, as the demo has its own."""
    return {name: value for name, value in environ.items() if not name.startswith("KUGETSU_") and name not in OLD_NAMES}


def remove_demo(state_dir: str) -> None:
    """Remove the folder of a demo."""
    folder = os.path.dirname(state_dir)
    if os.path.basename(folder).startswith("kugetsu-demo-"):
        shutil.rmtree(folder, ignore_errors=True)


def get_expected_state(number: int) -> str:
    """Return the final state of a task of the demo."""
    return EXPECTED.get((number - 1) % len(SCRIPT) + 1, "completed")


def _make_repository(folder: str) -> None:
    os.makedirs(folder)
    for name, text in FILES.items():
        path = f"{folder}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    who = ("-c", "user.name=kugetsu demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    for argv in (("init", "--quiet", "-b", "main"), ("add", "-A"), (*who, "commit", "--quiet", "-m", "A small web service")):
        git(folder, *argv)
