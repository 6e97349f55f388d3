"""What the console keeps between runs: the sorting and filter of each list, typed commands, times in logs. In `console.json`.

Written by consoles alone; of two, the last one to write wins. What cannot be read is forgotten.
"""

import msgspec

from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files, json_files

from ..formatting.cells import clean

KEPT_LINES = 100
LONGEST = 400
MOST_BYTES = 256 * 1024
MOST_PANES = 16


class PreferenceRecord(msgspec.Struct, frozen=True):
    """What was chosen for one list."""

    sort: str = ""
    backwards: bool = False
    filter: str = ""


class PreferencesFile(msgspec.Struct, frozen=True):
    """Everything that is kept."""

    schema: int = 1
    lists: dict[str, PreferenceRecord] = {}
    """By id of the pane."""
    typed: tuple[str, ...] = ()
    """Lines of the command line, the last one last."""
    log_times: bool = False
    """Whether logs show when each line was written."""

    def with_choice(self, pane: str, choice: PreferenceRecord) -> "PreferencesFile":
        """Return it with another choice for a list."""
        lists = {name: one for name, one in self.lists.items() if name != pane}
        if choice != PreferenceRecord():
            lists[pane] = choice
        return msgspec.structs.replace(self, lists=lists)

    def with_line(self, line: str) -> "PreferencesFile":
        """Return it with another typed line; each line stands there once."""
        typed = (*(one for one in self.typed if one != line), line)[-KEPT_LINES:]
        return msgspec.structs.replace(self, typed=typed)


def load(paths: StatePaths) -> PreferencesFile:
    """Read what was kept; nothing where there is none, or it cannot be read."""
    try:
        found = json_files.decode(files.read(paths.console, MOST_BYTES), PreferencesFile, paths.console)
    except (OSError, BadFile):
        return PreferencesFile()
    lists = {
        pane[:40]: PreferenceRecord(clean(one.sort, 40), one.backwards, clean(one.filter, LONGEST))
        for pane, one in list(found.lists.items())[:MOST_PANES]
    }
    return PreferencesFile(1, lists, tuple(clean(line, LONGEST) for line in found.typed[-KEPT_LINES:]), found.log_times)


def save(paths: StatePaths, remembered: PreferencesFile) -> None:
    """Keep it. What a disk refuses is forgotten, as nothing depends on it."""
    try:
        lines = tuple(line for line in remembered.typed if len(line) <= LONGEST)
        files.replace(paths.console, msgspec.json.encode(msgspec.structs.replace(remembered, typed=lines)), durable=False)
    except (OSError, BadFile, UnicodeEncodeError):
        return
