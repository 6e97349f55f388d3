"""Which values are secrets, and masking them in text that is shown. Standard library only, as supervisors use it.

A mask works on one piece of text at a time, and a piece may begin or end in the middle of a secret: a line that is still
being written, one that was cut at its longest length, a reason of so many characters. So a beginning and an end of a secret
at the edge of a text are masked too.
"""

import json
import re
from collections.abc import Iterable, Mapping

MASK = "***"
LEAST_NAMED = 8
"""Characters of the shortest value that is a secret because of its name; shorter ones would black out ordinary words."""
LEAST_MIXED = 12
"""Characters of the shortest value that is taken for a secret by its looks."""
EDGE = 4
"""Characters of a secret that must stand at an edge to be taken for a part of it."""

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS(WD|WORD|PHRASE)?(_|$)|PASSW|CREDENTIAL|AUTH(_|$)|AUTHORIZATION|PRIVATE|(^|_)PAT(_|$)|(^|_)PWD$"
    r"|COOKIE|SIGNATURE|WEBHOOK|DSN(_|$)",
    re.IGNORECASE,
)
_PLAIN_NAME = re.compile(
    r"(^|_)(?<!WEBHOOK_)(URL|URI|PATH|DIR|HOME|FILE|HOST|MODEL|REGION|SOCK|PROXY|ENDPOINT|ID|VERSION|MODE)S?$", re.IGNORECASE
)
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:([^/\s@]+)@|://([^/\s:@]+)@")


def find_secrets(values: Mapping[str, str]) -> set[str]:
    """Return what is secret among variables.

    A value is, if its name says so (`…KEY…`, `…TOKEN…`, `…SECRET…`, `…PASSWORD…` and the like) and it has at least
    `LEAST_NAMED` characters; or if it looks so: at least `LEAST_MIXED` characters, letters and digits, without a blank, no
    path and no address, unless its name says that it is something else (`…_URL`, `…_MODEL` …). Of an address, the password is.
    Of a value of several lines, each long line is.
    """
    found: set[str] = set()
    for name, value in values.items():
        named = _SECRET_NAME.search(name) is not None and not _PLAIN_NAME.search(name)
        for line in value.splitlines():
            line = line.strip()
            found |= {one for pair in _IN_ADDRESS.findall(line) for one in pair if len(one) >= LEAST_NAMED}
            if len(line) >= LEAST_NAMED if named else not _PLAIN_NAME.search(name) and _looks_secret(line):
                found.add(line)
    return found


def _looks_secret(value: str) -> bool:
    if len(value) < LEAST_MIXED or any(character.isspace() for character in value):
        return False
    if value[0] in "/~." or "://" in value:
        return False
    return any(character.isdigit() for character in value) and any(character.isalpha() for character in value)


class Mask:
    """Replaces secrets in text; without any it does nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1], _quoted(secret))}
        self._secrets = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def whole(self, text: str) -> str:
        """The text with `***` for each secret in it, and for no part of one."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def __call__(self, text: str) -> str:
        """The text with `***` for each secret in it, and for a part of one at its beginning or end."""
        if self._pattern is None:
            return text
        text = self.whole(text)
        cut = text.endswith("…")
        body = text[:-1] if cut else text
        for secret in self._secrets:
            body = _without_edges(body, secret)
        return f"{body}…" if cut else body


def _without_edges(text: str, secret: str) -> str:
    """Mask the longest beginning of a secret at the end of a text, and the longest end of one at its beginning."""
    head, tail = secret[:EDGE], secret[-EDGE:]
    place = text.find(head, max(len(text) - len(secret) + 1, 0))
    while place >= 0:
        if secret.startswith(text[place:]):
            text = text[:place] + MASK
            break
        place = text.find(head, place + 1)
    place = text.rfind(tail, 0, len(secret) - 1)
    while place >= 0:
        if secret.endswith(text[: place + EDGE]):
            return MASK + text[place + EDGE :]
        place = text.rfind(tail, 0, place + EDGE - 1)
    return text


def _quoted(text: str) -> str:
    """As it stands in an address."""
    return "".join(
        character if character.isascii() and (character.isalnum() or character in "-._~") else _percent(character)
        for character in text
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
