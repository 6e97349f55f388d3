"""The file `console.json`, which keeps the console's preferences between runs.

Only consoles write it; of two, the last one wins. What cannot be read is ignored.
"""

import msgspec

from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files, json_files

from ..formatting.cells import clean

MAX_LINES = 100
MAX_LENGTH = 400
MAX_BYTES = 256 * 1024
MAX_PANES = 16


class ListPreference(msgspec.Struct, frozen=True):
    """Sorting and filter of one list."""

    sort: str = ""
    backwards: bool = False
    filter: str = ""


class PreferencesFile(msgspec.Struct, frozen=True):
    """The content of the file."""

    schema: int = 1
    lists: dict[str, ListPreference] = {}
    """By id of the pane."""
    typed: tuple[str, ...] = ()
    """Typed command lines, the newest last."""
    log_times: bool = False
    """Whether logs show when each line was written."""

    def with_list(self, pane: str, preference: ListPreference) -> "PreferencesFile":
        """Return a copy with another preference for a list."""
        lists = {name: other for name, other in self.lists.items() if name != pane}
        if preference != ListPreference():
            lists[pane] = preference
        return msgspec.structs.replace(self, lists=lists)

    def with_line(self, line: str) -> "PreferencesFile":
        """Return a copy with another typed line; each line is kept once."""
        typed = (*(other for other in self.typed if other != line), line)[-MAX_LINES:]
        return msgspec.structs.replace(self, typed=typed)


def load_preferences(paths: StatePaths) -> PreferencesFile:
    """Read the preferences; the defaults if there are none, or they cannot be read."""
    try:
        stored = json_files.decode(files.read(paths.console, MAX_BYTES), PreferencesFile, paths.console)
    except (OSError, BadFile):
        return PreferencesFile()
    lists = {
        pane[:40]: ListPreference(clean(kept.sort, 40), kept.backwards, clean(kept.filter, MAX_LENGTH))
        for pane, kept in list(stored.lists.items())[:MAX_PANES]
    }
    return PreferencesFile(1, lists, tuple(clean(line, MAX_LENGTH) for line in stored.typed[-MAX_LINES:]), stored.log_times)


def save_preferences(paths: StatePaths, preferences: PreferencesFile) -> None:
    """Save the preferences; a failed write is ignored, as nothing depends on them."""
    try:
        lines = tuple(line for line in preferences.typed if len(line) <= MAX_LENGTH)
        files.replace(paths.console, msgspec.json.encode(msgspec.structs.replace(preferences, typed=lines)), durable=False)
    except (OSError, BadFile, UnicodeEncodeError):
        return
