"""Issue references: one parser, one injective name for files, one branch.

Accepted: `host/owner/repo#N`, `https://host/owner/repo/issues/N` (also `/pull/N`, `/pulls/N`, `/-/issues/N`),
`owner/repo#N` (default server) and `local/<name>#N` for work without a forge.
"""

import re

from ..errors import UsageError

MAX_LENGTH = 512
LOCAL = "local"
_URL = r"https?://(?P<path>[^\s?#]+?)(?:/-)?/(?:issues|pulls?|merge_requests)/(?P<number>\d{1,12})/?(?:[?#].*)?"
_PLAIN = "[a-z0-9_][a-z0-9._]*"
# Patterns are compiled when they are needed: `enqueue` of a short reference needs none.


class IssueRef:
    """One issue: `host`, the path of its repository on the host, and its number."""

    __slots__ = ("host", "number", "path")

    def __init__(self, host: str, path: str, number: int) -> None:
        self.host = host
        self.path = path
        self.number = number

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"

    def __repr__(self) -> str:
        return f"IssueRef({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IssueRef) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def repository(self) -> str:
        """`host/owner/repo`, the key of `[repos]`."""
        return f"{self.host}/{self.path}"

    @property
    def short(self) -> str:
        """What fits in a list: `repo#N`."""
        return f"{self.path.rpartition('/')[2]}#{self.number}"

    @property
    def is_local(self) -> bool:
        """Whether the issue has no forge."""
        return self.host == LOCAL

    @property
    def branch(self) -> str:
        """The branch an agent works on."""
        return f"fix/issue-{self.number}"

    @property
    def slug(self) -> str:
        """A file name of this issue's own, also where the file system folds case."""
        return slug(str(self))


def parse(text: str, default_host: str = "github.com") -> IssueRef:
    """Read a reference in any accepted form.

    Raises:
        UsageError: it is none.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise _not_a_reference(text)
    if text.startswith(("https://", "http://")):
        match = re.fullmatch(_URL, text)
        if match is None:
            raise _not_a_reference(text)
        path, number, in_url = match["path"], match["number"], True
    else:
        path, _, number = text.rpartition("#")
        in_url = False
    parts = path.split("/")
    if not (number.isascii() and number.isdigit() and len(number) <= 12) or not all(map(_is_name, parts)):
        raise _not_a_reference(text)
    if len(parts) >= 3 or (parts[0] == LOCAL and len(parts) == 2):
        return IssueRef(parts[0].lower(), "/".join(parts[1:]), int(number))
    if len(parts) == 2 and not in_url:
        return IssueRef(default_host, path, int(number))
    raise _not_a_reference(text)


def _is_name(part: str) -> bool:
    """Whether a part of a path is a name: printable, without a space, `#` or a backslash, and not `.` or `..`."""
    return part.isprintable() and part not in ("", ".", "..") and not {" ", "#", "\\"}.intersection(part)


def slug(ref: str) -> str:
    """Name files after any reference: readable, legal, at most 80 characters, and never the same for two references.

    A part with anything but `a-z 0-9 . _` makes the name end in `--` and ten digits of a hash; no plain name has `--`.
    """
    path, _, number = ref.rpartition("#")
    readable = f"{path.replace('/', '-')}-{number}"
    if len(readable) <= 80 and re.fullmatch("[0-9]+", number) and all(re.fullmatch(_PLAIN, part) for part in path.split("/")):
        return readable
    import hashlib  # loads OpenSSL, which few commands need

    digest = hashlib.sha256(ref.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{re.sub(r'[^a-z0-9_.]+', '-', ref.lower())[:60].strip('-.') or 'issue'}--{digest}"


def _not_a_reference(text: str) -> UsageError:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return UsageError(
        f"{shown!r} is no issue reference",
        "write host/owner/repo#N, owner/repo#N, local/name#N or the issue's address",
    )
