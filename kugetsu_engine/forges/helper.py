"""A short-lived process that asks forges for those who must start fast or stay small. One JSON document on its output.

argv: `text STATE_DIR REF`, `pull STATE_DIR REF BRANCH`, or `refresh STATE_DIR`. Tokens are read here, from the env files:
they are in nobody's argv.
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


def main(words: list[str]) -> int:
    """Ask, print, and return the exit code."""
    try:
        found = _answer(*words)
    except KugetsuError as error:
        found = {"error": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")
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
