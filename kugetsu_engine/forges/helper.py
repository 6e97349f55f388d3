"""A short-lived process that asks forges, so that engine and supervisors load no HTTP client. It prints one JSON document.

Arguments: `text STATE_DIR REF`, `pull STATE_DIR REF BRANCH`, or `refresh STATE_DIR`. It reads the tokens from the env files
itself, so that they appear in no command line.
"""

import json
import os
import sys
import time

from ..domain import refs
from ..errors import KugetsuError
from ..paths import StatePaths
from ..state import pull_requests
from .cache import CachedForges


def main(argv: list[str]) -> int:
    """Print the answer as JSON and return the exit code."""
    try:
        answer = _answer(*argv)
    except KugetsuError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _answer(verb: str, root: str, reference: str = "", branch: str = "") -> dict[str, object]:
    paths = StatePaths(root)
    forges = CachedForges(paths, os.environ)
    if verb == "refresh":
        return {
            "asked": len(pull_requests.list_due_refreshes(pull_requests.load_pull_requests(paths), time.time())),
            "faults": forges.refresh_pull_requests(),
        }
    ref = refs.parse_reference(reference)
    if verb == "text":
        text = forges.fetch_issue_text(ref)
        return {"title": text.title, "body": text.body} if text else {}
    pull = forges.fetch_pull_request(ref, branch)
    return {"url": pull.url} if pull else {}
