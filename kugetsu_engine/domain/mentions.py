"""Finding issue references in what a person wrote: addresses, `host/owner/repo#N`, `owner/repo#N`, `local/name#N`."""

import re
from collections.abc import Callable

from ..errors import UsageError
from . import refs

MAX_FOUND = 50
"""References found in one text at most."""
_NAME = r"[\w~+][\w.~+-]*"
_MENTION = re.compile(
    rf"(?P<address>(?:https?://)?(?:{_NAME}/){{2,8}}(?:-/)?(?:issues|pulls?|merge_requests)/\d{{1,12}})(?![\w/])"
    rf"|(?<![\w./~+-])(?P<short>(?:{_NAME}/){{1,8}}{_NAME}#\d{{1,12}})(?!\w)"
)


def find_mentions(text: str, default_host: str | Callable[[], str] = "github.com") -> list[refs.IssueRef]:
    """Find the issues that a text mentions, each once, in their order."""
    mentions: dict[str, refs.IssueRef] = {}
    for match in _MENTION.finditer(text):
        mention = match["short"] or match["address"]
        if match["address"] and not mention.startswith("http"):
            mention = f"https://{mention}"
        try:
            ref = refs.parse_reference(mention, default_host)
        except UsageError:
            continue
        mentions.setdefault(ref.key, ref)
        if len(mentions) == MAX_FOUND:
            break
    return list(mentions.values())
