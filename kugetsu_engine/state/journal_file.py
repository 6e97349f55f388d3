"""The journal of requests and changes, `acts.jsonl`. Only the engine writes it."""

import msgspec

from ..domain.history.journal_entries import Act
from ..paths import StatePaths
from ..storage import json_lines

KEEP_BYTES = json_lines.KEEP_BYTES
"""A longer file is renamed to `acts.1.jsonl`; older ones are dropped."""

_decoder = msgspec.json.Decoder(Act)
_encoder = msgspec.json.Encoder()


def append_entry(paths: StatePaths, act: Act) -> None:
    """Append one entry.

    Raises:
        OSError: writing failed.
    """
    json_lines.append(paths.journal, _encoder.encode(act), KEEP_BYTES)


def read_journal(paths: StatePaths) -> list[Act]:
    """Read all entries, oldest first; invalid lines are ignored."""
    acts: list[Act] = []
    for line in json_lines.read_all(paths.journal):
        try:
            acts.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return acts
