"""Finds secrets and masks them in texts. Standard library only, as supervisors use it.

A text may begin or end in the middle of a secret, for example a line that is still being written or has been cut. So the
beginning or the end of a secret at the edge of a text is masked too.
"""

import json
import re
from collections.abc import Iterable, Mapping

MASK = "***"
LEAST_NAMED = 8
"""Minimum length of a value that is a secret because of its name; shorter ones would mask ordinary words."""
LEAST_MIXED = 12
"""Minimum length of a value that is a secret because of its characters."""
EDGE = 4
"""Minimum length of a part of a secret at an edge."""

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
    """Find the secrets among variables.

    A value is a secret by its name (`…KEY…`, `…TOKEN…`, `…SECRET…`, `…PASSWORD…` and the like) if it has at least
    `LEAST_NAMED` characters. It is one by its characters if it has at least `LEAST_MIXED`, letters and digits, no blank, and
    is not a path or address, unless the name says otherwise (`…_URL`, `…_MODEL` …). In an address, the password is a secret.
    In a value of several lines, each long line is one.
    """
    secrets: set[str] = set()
    for name, value in values.items():
        named = _SECRET_NAME.search(name) is not None and not _PLAIN_NAME.search(name)
        for line in value.splitlines():
            line = line.strip()
            secrets |= {part for pair in _IN_ADDRESS.findall(line) for part in pair if len(part) >= LEAST_NAMED}
            if len(line) >= LEAST_NAMED if named else not _PLAIN_NAME.search(name) and _looks_secret(line):
                secrets.add(line)
    return secrets


def _looks_secret(value: str) -> bool:
    if len(value) < LEAST_MIXED or any(character.isspace() for character in value):
        return False
    if value[0] in "/~." or "://" in value:
        return False
    return any(character.isdigit() for character in value) and any(character.isalpha() for character in value)


class Mask:
    """Replaces secrets in texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1], _quoted(secret))}
        self._secrets = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def whole(self, text: str) -> str:
        """Mask each whole secret in a text with `***`, but no parts of secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def __call__(self, text: str) -> str:
        """Mask each secret in a text with `***`, and parts of secrets at its beginning and end."""
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
    """Percent-encode a text as in an address."""
    return "".join(
        character if character.isascii() and (character.isalnum() or character in "-._~") else _percent(character)
        for character in text
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
