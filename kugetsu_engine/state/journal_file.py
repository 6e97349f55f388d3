"""The journal of what was asked and done: `acts.jsonl`, appended by the engine alone."""

import msgspec

from ..domain.history.journal_entries import Act
from ..paths import StatePaths
from ..storage import json_lines

KEEP_BYTES = json_lines.KEEP_BYTES
"""A longer file is put away as `acts.1.jsonl`; older ones are dropped."""

_decoder = msgspec.json.Decoder(Act)
_encoder = msgspec.json.Encoder()


def append_entry(paths: StatePaths, act: Act) -> None:
    """Add one line.

    Raises:
        OSError: the disk refuses.
    """
    json_lines.append(paths.journal, _encoder.encode(act), KEEP_BYTES)


def read_journal(paths: StatePaths) -> list[Act]:
    """Every act that is kept, oldest first; lines that are none are passed over."""
    acts: list[Act] = []
    for line in json_lines.read_all(paths.journal):
        try:
            acts.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return acts
