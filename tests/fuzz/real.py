"""Fuzz through real programs: an agent that keeps what it is given, and a console under a pty that shows a log."""

import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kugetsu_engine.domain import refs
from tests.support.fleet import Fleet
from tests.support.terminal import Pty

ROUND = 25
SIGNATURE = "60606"
"""Stands in every sequence of a payload, and in none of a console's own."""
OBEYED = re.compile(
    rb"\x1b[\]PX^_][^\x07\x1b]*" + SIGNATURE.encode() + rb"|\x1b\[[0-?]*" + SIGNATURE.encode() + rb"|[\x00\x05\x07\x0e\x0f\x7f]"
    rb"|\x1bc|\x1b#8|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""What a terminal would obey and no console of ours writes."""


@contextmanager
def _fleet() -> Iterator[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="kugetsu-fuzz-"))
    fleet = Fleet(folder)
    try:
        yield fleet
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


def prompts(count: int, chance: random.Random) -> None:
    """Any message a task takes reaches the agent's standard input with exactly its bytes, up to the longest."""
    with _fleet() as fleet:
        fleet.tables = '[agents.recorder]\ncommand = ["tee", "received"]'
        fleet.configure(agent="recorder", log_cap="4KiB", max_attempts=1)
        fleet.start_engine()
        for begun in range(0, count, ROUND):
            sent = {}
            for number in range(begun, min(begun + ROUND, count)):
                message = _message(chance, longest=number % 50 == 7)
                task_id = fleet.operator.enqueue(f"local/work#{number + 1}", message)[0]
                sent[task_id] = (number + 1, message)
            for task in fleet.wait_for_end(sent, 60.0):
                number, message = sent[task.id]
                assert task.state == "completed", task.error
                received = Path(fleet.paths.worktree(refs.parse_reference(f"local/work#{number}", "").slug), "received")
                assert received.read_bytes() == message.encode(), repr(message[:200])
                shutil.rmtree(received.parent)


def _message(chance: random.Random, longest: bool) -> str:
    pieces = [
        "\r\n",
        "\r",
        "\x1b[2J",
        "\x04",
        "\x1a",
        "--help",
        "$(touch x)",
        "`",
        "'",
        '"',
        "\\",
        "\t",
        "\u202e",
        "\U0001f600",
        "%s",
        "é",
    ]
    length = (1 << 20) - 1 if longest else chance.choice([1, 3, 30, 300, 70_000])
    text = "m"
    while len(text) < min(length, 400):
        text += (
            chance.choice(pieces)
            if chance.random() < 0.6
            else chr(chance.choice([chance.randrange(1, 128), chance.randrange(1, 0xD800)]))
        )
    if length > 400:
        text = (text * (length // len(text.encode()) + 1)).encode()[:length].decode("utf-8", "ignore")
    return text


def logs(count: int, chance: random.Random) -> None:
    """Screens full of any bytes and any escape sequences in a log: nothing a terminal obeys comes out of the console."""
    with _fleet() as fleet:
        task = fleet.enqueue(wait=fleet.waiting_file("x"))
        console = Pty(fleet.folder / "state", fleet.repository)
        try:
            console.read_until(b"#1")
            fleet.wait_for(task, "running")
            console.read(0.3, 5.0)
            for number in range(count):
                console.written = b""
                mark = f"screen-{number}-end"
                payload = b"".join(_line(chance) for _ in range(40))
                assert OBEYED.search(payload)
                with open(fleet.paths.log(task, 1), "ab") as log:
                    log.write(payload + f"\x18\n{mark}\n".encode())
                console.read_until(mark.encode(), 30.0)
                assert console.process.poll() is None
                found = OBEYED.search(console.written)
                assert found is None, (found, console.written[-4000:])
        finally:
            fleet.release("x")
            console.close()


def _line(chance: random.Random) -> bytes:
    """Random bytes, or text with escape sequences of every kind, some of them cut short."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randint(0, 200)).replace(b"\x1bc", b"\x1bd") + b"\n"
    found = b""
    for _ in range(chance.randint(0, 8)):
        parameters = f"{chance.randint(0, 99)};{SIGNATURE}".encode()
        sequence = chance.choice([
            b"\x1b[" + parameters + chance.choice([b"m", b"H", b"J", b"r", b"q", b"t", b" q"]),
            b"\x1b[?" + parameters + chance.choice([b"h", b"l"]), b"\x1b]0;" + parameters + b"\x07",
            b"\x1b]52;c;" + parameters + b"\x1b\\", b"\x1bP" + parameters + b"\x1b\\", b"\x1b_" + parameters + b"\x1b\\",
            b"\x1bc", b"\x1b#8", b"\x9b" + parameters + b"m", "\x9d0;".encode() + parameters + b"\x07", b"\x07", b"\x0e",
            b"\x05",
            "\u202e".encode(), "\u2066".encode(), b"\x1b]8;;http://" + parameters + b"\x1b\\link\x1b]8;;\x1b\\", b"\x08\x7f",
        ])  # fmt: skip
        found += chance.choice([b"word ", b"\xc3\xa9 ", b""]) + sequence[: chance.choice([99, 99, 99, len(sequence) - 1])]
    return found + b"\n"
