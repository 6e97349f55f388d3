"""What the console keeps between runs: the sorting and filter of each list, typed commands, times in logs. In `console.json`.

Written by consoles alone; of two, the last one to write wins. What cannot be read is forgotten.
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
    """What was chosen for one list."""

    sort: str = ""
    backwards: bool = False
    filter: str = ""


class PreferencesFile(msgspec.Struct, frozen=True):
    """Everything that is kept."""

    schema: int = 1
    lists: dict[str, ListPreference] = {}
    """By id of the pane."""
    typed: tuple[str, ...] = ()
    """Lines of the command line, the last one last."""
    log_times: bool = False
    """Whether logs show when each line was written."""

    def with_list(self, pane: str, choice: ListPreference) -> "PreferencesFile":
        """Return it with another choice for a list."""
        lists = {name: one for name, one in self.lists.items() if name != pane}
        if choice != ListPreference():
            lists[pane] = choice
        return msgspec.structs.replace(self, lists=lists)

    def with_line(self, line: str) -> "PreferencesFile":
        """Return it with another typed line; each line stands there once."""
        typed = (*(one for one in self.typed if one != line), line)[-MAX_LINES:]
        return msgspec.structs.replace(self, typed=typed)


def load(paths: StatePaths) -> PreferencesFile:
    """Read what was kept; nothing where there is none, or it cannot be read."""
    try:
        found = json_files.decode(files.read(paths.console, MAX_BYTES), PreferencesFile, paths.console)
    except (OSError, BadFile):
        return PreferencesFile()
    lists = {
        pane[:40]: ListPreference(clean(one.sort, 40), one.backwards, clean(one.filter, MAX_LENGTH))
        for pane, one in list(found.lists.items())[:MAX_PANES]
    }
    return PreferencesFile(1, lists, tuple(clean(line, MAX_LENGTH) for line in found.typed[-MAX_LINES:]), found.log_times)


def save(paths: StatePaths, remembered: PreferencesFile) -> None:
    """Keep it. What a disk refuses is forgotten, as nothing depends on it."""
    try:
        lines = tuple(line for line in remembered.typed if len(line) <= MAX_LENGTH)
        files.replace(paths.console, msgspec.json.encode(msgspec.structs.replace(remembered, typed=lines)), durable=False)
    except (OSError, BadFile, UnicodeEncodeError):
        return
