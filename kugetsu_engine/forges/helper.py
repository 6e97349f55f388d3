"""A short-lived process that asks forges for those who must start fast or stay small. One JSON document on its output.

argv: `text STATE_DIR REF`, `pull STATE_DIR REF BRANCH`, or `refresh STATE_DIR`. Tokens are read here, from the env files:
they are in nobody's argv.
"""

import json
import os
import sys
import time

from ..domain import refs
from ..domain.pulls import KnownPull
from ..domain.times import epoch
from ..errors import ForgeError, KugetsuError
from ..paths import StatePaths
from ..store import pulls
from .knowing import Forges

REFRESH_AFTER_S = 240.0
FORGET_AFTER_S = 30 * 86400.0
MAX_REFRESHED = 50


def main(words: list[str]) -> int:
    """Ask, print, and return the exit code."""
    try:
        found = _answer(*words)
    except KugetsuError as error:
        found = {"error": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _answer(verb: str, root: str, reference: str = "", branch: str = "") -> dict[str, object]:
    forges = Forges(StatePaths(root), os.environ)
    if verb == "refresh":
        return {"asked": refresh(StatePaths(root), forges)}
    ref = refs.parse(reference)
    if verb == "text":
        text = forges.issue_text(ref)
        return {"title": text.title, "body": text.body} if text else {}
    pull = forges.pull_request_of(ref, branch)
    return {"url": pull.url} if pull else {}


def refresh(paths: StatePaths, forges: Forges) -> int:
    """Ask again about the pull requests that may have changed; how many were asked about."""
    now, asked = time.time(), 0
    known = sorted(pulls.load(paths).issues.items(), key=lambda item: item[1].asked_at)
    for reference, one in known:
        if asked >= MAX_REFRESHED or not _may_have_changed(one, now):
            continue
        try:
            forges.pull_request_of(refs.parse(reference), one.branch)
        except ForgeError:
            continue  # its forge is left alone for a while now; another one may answer
        except KugetsuError:
            continue  # a reference that someone wrote into the file by hand
        asked += 1
    return asked


def _may_have_changed(one: KnownPull, now: float) -> bool:
    age = now - (epoch(one.asked_at) or now)
    return REFRESH_AFTER_S <= age <= FORGET_AFTER_S and (one.pull is None or one.pull.state == "open")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
