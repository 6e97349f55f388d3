"""`kugetsu import`: imports the state directory of a bash kugetsu (v0.2)."""

import os
import time

from ...client import state_setup
from ...doctor import fix_findings, gather_evidence, run_checks
from ...domain.text.safe_text import safe_line
from ...migration import importer
from ...storage import files
from ...storage.engine_lock import EngineLock
from ..context import make_client
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Import it, and print each thing that is converted."""
    args = make_parser(verb).parse_args(argv)
    client = make_client()
    work = importer.BashImporter(args.folder or client.paths.root, client.paths, time.time(), args.dry_run)
    work.check()
    importer.refuse_second_import(client.paths)
    if args.dry_run:
        for line in work.steps():
            print(safe_line(line))
        print("Nothing was changed. To import it, run the same without --dry-run")
        return 0
    os.makedirs(client.paths.root, 0o700, exist_ok=True)
    files.create_folders(client.paths.folders())
    lock = EngineLock(client.paths)
    lock.acquire()
    try:
        for line in work.steps():
            print(safe_line(line), flush=True)
        for path in state_setup.create_files(client):
            print(safe_line(f"made {path}"))
    finally:
        lock.release()
    for text in fix_findings(client.paths, os.environ, run_checks(gather_evidence(client.paths, client.settings))):
        print(safe_line(text))
    print("Done. Next: kugetsu doctor, then kugetsu")
    return 0
