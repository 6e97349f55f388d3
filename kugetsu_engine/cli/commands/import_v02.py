"""`kugetsu import`: taking over the directory of a bash kugetsu (v0.2)."""

import os
import time

from ...client import state_setup
from ...doctor import fix_findings, gather_evidence, run_checks
from ...domain.text.safe_text import safe_line
from ...migration import importer
from ...storage import files
from ...storage.engine_lock import EngineLock
from ..context import make_client
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Take it over, and say line by line what becomes what."""
    given = parser_of(verb).parse_args(words)
    acting = make_client()
    work = importer.BashImporter(given.folder or acting.paths.root, acting.paths, time.time(), given.dry_run)
    work.check()
    importer.refuse_twice(acting.paths)
    if given.dry_run:
        for line in work.steps():
            print(safe_line(line))
        print("Nothing was changed. To take it over: the same without --dry-run")
        return 0
    os.makedirs(acting.paths.root, 0o700, exist_ok=True)
    files.create_folders(acting.paths.folders())
    lock = EngineLock(acting.paths)
    lock.acquire()
    try:
        for line in work.steps():
            print(safe_line(line), flush=True)
        for path in state_setup.create_files(acting):
            print(safe_line(f"made {path}"))
    finally:
        lock.release()
    for text in fix_findings(acting.paths, os.environ, run_checks(gather_evidence(acting.paths, acting.settings))):
        print(safe_line(text))
    print("Done. Next: kugetsu doctor, then kugetsu")
    return 0
