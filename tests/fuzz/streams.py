"""Fuzzing of the readers of agents' events: recorded streams, mutated, cut, mixed up."""

import json
import random
from pathlib import Path
from typing import Any

from kugetsu_engine.agents import aider, claude, codex, gemini, json_stream
from kugetsu_engine.agents.opencode import process_mode
from kugetsu_engine.agents.stream_events import Reader
from kugetsu_engine.domain.text import json_paths

from .mutations import changed_value, dump, mutated

STREAMS = sorted((Path(__file__).parents[1] / "streams").iterdir())
PLACES: tuple[Any, ...] = (
    "session_id", "item.text", "message.content.*.text", ["usage", "*"], "error.message", "type", "a.0.b",
)  # fmt: skip
CONDITIONS: tuple[Any, ...] = (
    {"type": "result"}, {"is_error": True}, {"item": {"type": "*"}}, {"usage.input_tokens": [0, 200]},
)  # fmt: skip


def read_streams(count: int, chance: random.Random) -> None:
    """Whatever an agent prints, its reader takes it: events are text, figures are figures, and it has a verdict."""
    for _ in range(count // 20):
        reader = _reader(chance)
        lines = chance.choice(STREAMS).read_bytes().splitlines()
        for line in chance.choices(lines, k=20):
            for event in reader.feed(_mutated(line, chance)):
                assert isinstance(event.text, str), event
                assert isinstance(event.result, str), event
        assert isinstance(reader.steps, int)
        assert isinstance(reader.last_text, str)
        for code in (0, 1):
            told = reader.find_failure(code)
            assert told is None or (isinstance(told[0], str) and isinstance(told[1], str)), told
        reader.find_hang()
        reader.describe_wait(30.0, 2)


def _reader(chance: random.Random) -> Reader:
    made: Any = chance.choice((aider, claude, codex, gemini, process_mode, json_stream))
    if made is not json_stream:
        found: Reader = made.reader({"directory": "/home/me/tree"})
        return found
    table = {name: chance.choice(PLACES) for name in json_paths.PLACES if chance.random() < 0.7}
    table |= {name: chance.choice(CONDITIONS) for name in json_paths.CONDITIONS if chance.random() < 0.7}
    return json_stream.reader({"stream": json_paths.compile_stream({**table, "deltas": chance.random() < 0.5})})


def _mutated(line: bytes, chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.5:
        try:
            event = json.loads(line)
        except ValueError:
            return mutated(line, chance)
        return dump(changed_value(event, chance)).replace(b"\n", b" ")
    return mutated(line, chance).replace(b"\n", b" ") if kind < 0.8 else line
