"""What is fuzzed: each target takes a number of inputs and a source of chance, and raises when one of them does harm."""

import contextlib
import io
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from kugetsu_engine.cli import main
from kugetsu_engine.cli.commands.status import build_document
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config import env_files, loader
from kugetsu_engine.domain import refs, task_document
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.domain.engine_state import Control, EngineState
from kugetsu_engine.domain.job import Progress, Result, RunRecord
from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.task import Notice, Task
from kugetsu_engine.domain.text.safe_text import safe_line, safe_text
from kugetsu_engine.engine.request_handlers import EDITABLE
from kugetsu_engine.errors import BadFile, KugetsuError, UsageError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files, json_files
from kugetsu_tui.controllers.preferences_file import PreferencesFile
from tests.model.world import World

from . import mutations as valid
from . import real
from .mutations import changed_value, dump, mutated
from .streams import read_streams
from .terminal import terminal_input

Target = Callable[[int, random.Random], None]

DOCUMENTS: tuple[tuple[dict[str, Any], Any], ...] = (
    (valid.RUN, RunRecord), (valid.PROGRESS, Progress), (valid.RESULT, Result), (valid.CONTROL, Control),
    (valid.ENGINE, EngineState), (valid.REQUEST, Request), (valid.ANSWER, Answer), (valid.NOTICE, Notice),
    (valid.RUN_TIMES, RunTimes), (valid.REMEMBERED, PreferencesFile),
)  # fmt: skip
BATCH = 50


def parse_documents(count: int, chance: random.Random) -> None:
    """Mutated files of every kind: a document that can be written again, or `BadFile`."""
    for _ in range(count):
        good, kind = chance.choice(DOCUMENTS)
        data = dump(changed_value(good, chance)) if chance.random() < 0.3 else mutated(dump(good), chance)
        try:
            found = json_files.decode(data, kind, "a file")
        except BadFile:
            continue
        assert json_files.decode(msgspec.json.encode(found), kind, "a file") == found, data


def parse_tasks(count: int, chance: random.Random) -> None:
    """Mutated task files: a task that can be written again with all it does not know, or `BadFile`."""
    for _ in range(count):
        data = dump(changed_value(valid.TASK, chance)) if chance.random() < 0.3 else mutated(dump(valid.TASK), chance)
        try:
            task = tasks.decode_task(data, "q_1")
        except BadFile:
            continue
        again = tasks.encode_task(task, tasks.find_unknown_fields(data))
        assert tasks.decode_task(again, "q_1") == task, data


def edit_texts(count: int, chance: random.Random) -> None:
    """Mutated texts of edits: changes that make sense, or `UsageError`; a text that was not touched changes nothing."""
    task = msgspec.convert(valid.TASK | {"message": "work\n---\n# more"}, Task)
    whole = task_document.format_document(task)
    assert task_document.list_changes(task, *task_document.parse_document(whole), 0.0) == {}
    for _ in range(count):
        text = mutated(whole.encode(), chance).decode("utf-8", "replace")
        with contextlib.suppress(UsageError):
            found = task_document.list_changes(task, *task_document.parse_document(text), 1_800_000_000.0)
            assert found.keys() <= EDITABLE.keys()


def parse_settings(count: int, chance: random.Random) -> None:
    """Mutated `config.toml` and env files: settings that are whole, with words for what was wrong; never an exception."""
    folder = tempfile.mkdtemp(prefix="kugetsu-fuzz-")
    paths = StatePaths(folder)
    try:
        for _ in range(count):
            Path(paths.config).write_bytes(mutated(valid.CONFIG, chance))
            found, _ = loader.load_settings(paths, {})
            assert 1 <= found.max_concurrent_agents <= 1000
            values, _ = env_files.parse_assignments(mutated(valid.ENV, chance).decode("utf-8", "replace"))
            assert not any("\0" in value for value in values.values())
            assert not values.keys() & env_files.REFUSED
    finally:
        shutil.rmtree(folder)


def through_the_engine(count: int, chance: random.Random) -> None:
    """Broken items, requests, runs and controls before a living engine: it goes on, and no byte is lost."""
    while count > 0:
        world = World()
        try:
            count -= _batch(world, min(count, BATCH), chance)
        finally:
            world.close()


def _batch(world: World, count: int, chance: random.Random) -> int:
    good = world.enqueue(1, priority=9)
    world.run()
    world.turn()
    one = world.table.live[0]
    world.note_used(one)
    world.table.start_agent(one)
    written: list[bytes] = []
    for number in range(count):
        task_id = f"q_{1000 + number}"
        base = valid.TASK | {"id": task_id, "issue_ref": f"local/a#{1000 + number}", "held": True}
        data = dump(changed_value(base, chance)) if chance.random() < 0.3 else mutated(dump(base), chance)
        files.replace(world.paths.item(task_id), data, durable=False)
        written.append(data)
        request = dump(changed_value(valid.REQUEST | {"task": good}, chance))
        if number % 5 == 0:
            data = mutated(request, chance) if number % 2 else request
            files.replace(f"{world.paths.requests}/{number + 1:09}.json", data, durable=False)
    for name, content in (("run.json", valid.RUN), ("progress.json", valid.PROGRESS)):
        files.replace(f"{one.job.run_dir}/{name}", mutated(dump(content | {"token": one.job.token}), chance), durable=False)
    files.replace(world.paths.notifications_read, mutated(b"2026-11-21T09:00:00.000Z", chance), durable=False)
    for seconds in (6.0, 3.0, 6.0):
        world.turn(seconds)
    shown = build_document(SnapshotReader(world.paths, {}, clock=lambda: world.now).read())
    json.dumps(msgspec.to_builtins(shown))
    assert not world.faults, world.faults
    live = [other for other in world.table.live if other.job.task_id == good]
    if live:
        world.end(live[0], "ok", 0)
        world.turn(6.0)
    task = world.task(good)
    assert task is not None
    assert task.state in ("completed", "cancelled", "pending"), task
    _nothing_lost(world, written)
    return count


def _nothing_lost(world: World, written: list[bytes]) -> None:
    """Each file that was no task is where it was, or lies byte for byte in `queue/corrupt`."""
    kept = {Path(world.paths.corrupt, name).read_bytes() for name in os.listdir(world.paths.corrupt)}
    kept |= {Path(world.paths.items, name).read_bytes() for name in os.listdir(world.paths.items)}
    for number, data in enumerate(written):
        try:
            tasks.decode_task(data, f"q_{1000 + number}")
        except BadFile:
            assert data in kept, data


def references(count: int, chance: random.Random) -> None:
    """Any text as an issue reference: refused, or of one lower-case name that is legal as file and branch, and its own."""
    names: dict[str, str] = {}
    alphabet = "ab/#.-_:@~%\\ \t\0\n\u202e\u00e9\u00df\u0130\u0131A0" + "\ud800"
    for _ in range(count):
        host = chance.choice(["", "", "github.com/", "local/", "https://github.com/", "http://X.example/"])
        text = host + "".join(chance.choice(alphabet) for _ in range(chance.randint(0, 30)))
        text += chance.choice(["", "#7", "/issues/7", "#007", "#-1"])
        try:
            ref = refs.parse_reference(text, "github.com")
        except KugetsuError:
            continue
        again = refs.parse_reference(str(ref), "github.com")
        assert again == ref, text
        slug = ref.slug.casefold()
        assert names.setdefault(slug, str(ref).casefold()) == str(ref).casefold(), text
        assert slug not in ("", ".", "..")
        assert not set(slug) & set("/\0\n ~^:?*[\\"), text
        assert len(slug) <= 200
        assert not ref.branch.startswith("-")
        assert ".." not in ref.branch


def cleaned_text(count: int, chance: random.Random) -> None:
    """Any text through the cleaner: no control character is left but line ends, and a second time changes nothing."""
    pieces = [
        "\x1b]52;c;eA==\x07", "\x1b]0;t\x1b\\", "\x9d0;t\x9c", "\x1bP+q\x1b\\", "\x1b[2J", "\x9b31m", "\x1b", "\r\n", "\u202e",
        "\u200b", "\ud800", "\x7f", "\x85", "plain", "\u00fc", "\n", "\t", "\0", "\U000e0041",
    ]  # fmt: skip
    for _ in range(count):
        text = "".join(
            chance.choice(pieces) if chance.random() < 0.7 else chr(chance.randrange(0x110000))
            for _ in range(chance.randint(0, 60))
        )
        for clean in (safe_line, safe_text):
            shown = clean(text)
            bad = [c for c in shown if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000]
            bad += [c for c in shown if c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
            assert not bad, (text, shown)
            assert clean(shown) == shown, text


def messages(count: int, chance: random.Random) -> None:
    """Any message a task takes reaches the supervisor's prompt with exactly its bytes."""
    world = World()
    try:
        world.ask("limit", limit=1000)
        world.limit = 1000
        world.run()
        for number in range(count):
            length = chance.choice([1, 10, 100, 5000])
            text = "m" + "".join(
                chr(chance.choice([chance.randrange(1, 128), chance.randrange(1, 0xD800)])) for _ in range(length)
            )
            task_id, _ = world.operator.enqueue(f"local/a#{number + 1}", text)
            world.turn()
            one = next(one for one in world.table.live if one.job.task_id == task_id)
            assert one.job.prompt.encode("utf-8", "surrogateescape") == text.encode(), text
            world.table.start_agent(one)
            world.end(one, "ok", 0)
            world.turn()
    finally:
        world.close()


WORDS = [
    "enqueue", "queue", "list", "status", "show", "cancel", "retry", "hold", "release", "move", "edit", "pause", "resume",
    "limit", "logs", "notify", "completion", "clear", "stats", "--json", "--all", "-n", "--help", "--", "-", "1", "#1",
    "q_1", "999", "local/a#1", "--to", "top", "--priority", "\x1b[2J", "\u202e", "../../etc", "-1", "--agent", "fake",
    "--no-such", "",
]  # fmt: skip


def command_lines(count: int, chance: random.Random) -> None:
    """Any words on the command line: an exit code that is documented and one line of complaint, never a traceback."""
    world = World()
    codes = {0, 1, 2, 3, 4, 64}
    try:
        world.enqueue(1, hold=True)
        with mock.patch.dict(os.environ, {"KUGETSU_DIR": world.paths.root}), contextlib.chdir(world.folder):
            for _ in range(count):
                words = [chance.choice(WORDS) for _ in range(chance.randint(1, 5))]
                out, err = io.StringIO(), io.StringIO()
                with (
                    contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
                    mock.patch("sys.stdin", io.StringIO("from stdin")),
                ):  # fmt: skip
                    try:
                        code = main.run(words)
                    except SystemExit as end:
                        code = int(end.code or 0)
                assert code in codes, (words, code)
                assert "Traceback" not in err.getvalue(), words
    finally:
        world.close()


TARGETS: dict[str, tuple[Target, int, int]] = {
    "documents": (parse_documents, 2000, 20_000),
    "task files": (parse_tasks, 2000, 20_000),
    "agents' events": (read_streams, 2000, 20_000),
    "texts of edits": (edit_texts, 500, 20_000),
    "settings and env files": (parse_settings, 500, 20_000),
    "files before a living engine": (through_the_engine, 500, 20_000),
    "issue references": (references, 2000, 100_000),
    "cleaned text": (cleaned_text, 2000, 100_000),
    "messages": (messages, 200, 5000),
    "command lines": (command_lines, 300, 5000),
    "what a terminal sends": (terminal_input, 20_000, 1_000_000),
    "prompts of real agents": (real.prompts, 25, 500),
    "logs on a real screen": (real.logs, 50, 500),
}
"""Name to target, inputs in the tests, inputs in the long run."""


def timed(name: str, count: int, seed: int) -> float:
    """Run one target; the seconds it took."""
    began = time.monotonic()
    TARGETS[name][0](count, random.Random(f"{seed} {name}"))
    return time.monotonic() - began
