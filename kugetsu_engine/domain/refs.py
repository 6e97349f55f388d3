"""Issue references: one parser, one canonical form, one unique file name, one branch.

Accepted: `host/owner/repo#N`, the address of an issue or pull request, `owner/repo#N` (default server), the addresses git
clones from with `#N` (`git@host:owner/repo.git#N`, `ssh://…`), and `local/<name>#N` for work without a forge.

Two references with the same `key` mean the same issue. Forges ignore case in owners and repositories, so the key does too;
the reference keeps it, for people and for cloning. Names of local repositories are compared as they are.
"""

import re
from collections.abc import Callable

from ..errors import UsageError

MAX_LENGTH = 512
LOCAL = "local"
_SECURE_SHELL = frozenset({"ssh", "git+ssh", "ssh+git", "git"})
"""Their ports are not those of the forge's web pages."""
_SCHEMES = frozenset({"https", "http", "git+https", "git+http", *_SECURE_SHELL})
_WEB_PORTS = (80, 443)
_PAGES = "(?:issues|pulls?|merge_requests|work_items)"
_ADDRESS = rf"(?P<path>[^/\s?#]+(?:/[^/\s?#]+){{2,}}?)(?:/-)?/{_PAGES}/(?P<number>[0-9]{{1,12}})(?:[/?#].*)?"
_PLAIN = "[a-z0-9_][a-z0-9._]*"
_NAME = "\\.?[A-Za-z0-9_-][A-Za-z0-9._-]*"
_HOST = r"(?!www\.)[a-z0-9][a-z0-9.-]*[a-z0-9]"
_CANONICAL = rf"(?:local(?:/{_NAME})+|{_HOST}(?:/{_NAME}){{2,}}(?<!\.[gG][iI][tT]))#(?:0|[1-9][0-9]{{0,11}})"
_last_canonical = [""]
"""The repository of the last reference that was found to be canonical."""
# Patterns are compiled when they are needed: `enqueue` of a short reference needs none.


class IssueRef:
    """One issue: `host`, the repository's path on the host as written, and the number."""

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
        return isinstance(other, IssueRef) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> str:
        """The same for every way to write this issue; used for locks, worktrees and comparisons."""
        return key_of(str(self))

    @property
    def repository(self) -> str:
        """`host/owner/repo`, as written."""
        return f"{self.host}/{self.path}"

    @property
    def repository_key(self) -> str:
        """The same for every way to write this repository; the key of `[repos]`."""
        return key_of(self.repository)

    @property
    def short(self) -> str:
        """The short form for lists: `repo#N`."""
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
        """The issue's unique file name, also on file systems that ignore case."""
        return make_slug(self.key)


def parse_reference(text: str, default_host: str | Callable[[], str] = "github.com") -> IssueRef:
    """Read a reference in any accepted form.

    Args:
        default_host: the host of `owner/repo#N`; a function is called only for such a reference.

    Raises:
        UsageError: it is not a valid reference.
    """
    text = text.strip()
    scheme, address = _without_scheme(text)
    path, _, number = address.rpartition("#")
    match = None
    if (scheme or not _is_number(number)) and len(text) <= MAX_LENGTH:
        match = re.fullmatch(_ADDRESS, address)
    if match is not None:
        path, number = match["path"], match["number"]
    if len(text) > MAX_LENGTH or not _is_number(number) or scheme not in _SCHEMES | {""}:
        raise _not_a_reference(text)
    first, _, rest = path.rstrip("/").partition("/")
    owner, _, name = rest.partition("/")
    if not scheme and first.lower() != LOCAL and "@" in owner and _scp(owner):
        first, rest = owner, name  # older versions put the default server in front of `git@host:owner`
    scp = not scheme and _scp(first)
    if scp:
        first, rest = scp[0], f"{scp[1]}/{rest}" if rest else scp[1]
    try:
        if first.lower() == LOCAL and rest and not scheme:
            return IssueRef(LOCAL, "/".join(_names(rest, LOCAL)), int(number))
        if "/" in rest or "%2f" in rest.lower():
            host = _host(first, "ssh" if scp else scheme)
            return IssueRef(host, "/".join(_names(rest, host)), int(number))
        if rest and not scheme and not scp and match is None:
            host = parse_host(default_host if isinstance(default_host, str) else default_host())
            return IssueRef(host, "/".join(_names(f"{first}/{rest}", host)), int(number))
    except ValueError:
        pass
    raise _not_a_reference(text)


def normalize_reference(text: str, default_host: str | Callable[[], str] = "") -> str:
    """Write a stored reference in canonical form; one that is not valid is returned unchanged.

    Args:
        default_host: the host of `owner/repo#N`; without one such a reference is returned unchanged.
    """
    repository, _, number = text.rpartition("#")
    if repository == _last_canonical[0] and number.isdecimal() and number.isascii() and number[0] != "0" and len(number) <= 12:
        return text  # as that of the reference before: large queues are about few repositories
    if len(text) <= MAX_LENGTH and re.fullmatch(_CANONICAL, text):
        _last_canonical[0] = repository
        return text
    try:
        return str(parse_reference(text, default_host))
    except UsageError:
        return text


def repository_of(issue_ref: str) -> str:
    """The repository key of a canonical reference."""
    return key_of(issue_ref.rpartition("#")[0] or issue_ref)


def key_of(reference: str) -> str:
    """The key of a canonical reference, or of the `host/owner/repo` in front of its number."""
    return reference if reference.startswith(f"{LOCAL}/") else reference.lower()


def parse_repository_key(text: str, default_host: str | Callable[[], str] = "github.com") -> str:
    """Read a repository, in any form that a reference has before its `#`, as a key of `[repos]`.

    Raises:
        UsageError: it is not a valid repository.
    """
    if "#" not in text and len(text) < MAX_LENGTH:
        try:
            return parse_reference(f"{text.strip()}#1", default_host).repository_key
        except UsageError:
            pass
    raise UsageError(f"{_shortened(text)!r} is not a repository", "write host/owner/repo, owner/repo or local/name")


def parse_host(text: str) -> str:
    """Read the name of a host, or an address without a path, and return it in canonical form.

    Raises:
        UsageError: it is not a valid host.
    """
    scheme, address = _without_scheme(text.strip())
    try:
        if scheme in _SCHEMES | {""} and "/" not in address.rstrip("/"):
            return _host(address.rstrip("/"), scheme)
    except ValueError:
        pass
    raise UsageError(f"{_shortened(text)!r} is not the name of a host", "write it like github.com or git.example.org:8443")


def _without_scheme(text: str) -> tuple[str, str]:
    scheme, mark, address = text.partition("://")
    return (scheme.lower(), address) if mark else ("", text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12


def _scp(first: str) -> tuple[str, str] | None:
    """Host and first folder of `git@host:owner`, as git writes addresses; None when the colon is that of a port."""
    host, colon, folder = first.rpartition(":")
    return (host, folder) if colon and folder and not folder.isdigit() and not folder.endswith("]") else None


def _host(authority: str, scheme: str) -> str:
    """Return the host in lower case, without user, final dot, `www.` or usual port; `ValueError` if it is not valid."""
    name, port = authority.rpartition("@")[2].lower(), ""
    if name.startswith("["):
        import ipaddress  # few hosts are an IPv6 address

        inside, _, after = name[1:].partition("]")
        name, port = f"[{ipaddress.IPv6Address(inside)}]", after.removeprefix(":")
        legal = not after or after.startswith(":")
    else:
        name, _, port = name.partition(":")
        if not name.isascii():
            name = name.encode("idna").decode("ascii").lower()
        name = name.rstrip(".")
        while name.startswith("www.") and "." in name[4:]:
            name = name[4:]
        letters = name.replace(".", "").replace("-", "").replace("_", "")
        legal = letters.isascii() and letters.isalnum() and name[0] not in "-." and len(name) <= 253
    if not legal or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) < 65536)):
        raise ValueError
    if not port or scheme in _SECURE_SHELL or int(port) in _WEB_PORTS:
        return name
    return f"{name}:{int(port)}"


def _names(path: str, host: str) -> list[str]:
    """Return the parts of a repository's path; `ValueError` if one is not a valid name."""
    if host != LOCAL:
        if "%" in path:
            path = re.sub(b"%([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), path.encode()).decode()
        while path.lower().endswith(".git"):
            path = path[:-4]
    if not path.isascii():
        import unicodedata

        path = unicodedata.normalize("NFC", path)
    parts = path.split("/")
    if not all(map(_is_name, parts)) or (host != LOCAL and "%" in path):
        raise ValueError
    return parts


def _is_name(part: str) -> bool:
    """Whether a part of a path is valid: printable, without a space, `#` or backslash, and not `.` or `..`."""
    return part.isprintable() and part not in ("", ".", "..") and not {" ", "#", "\\"}.intersection(part)


def make_slug(ref: str) -> str:
    """Make a file name from any reference: readable, legal, at most 80 characters, and unique.

    If a part contains anything but `a-z 0-9 . _`, the name ends in `--` and ten digits of a hash; plain names have no `--`.
    """
    path, _, number = ref.rpartition("#")
    readable = f"{path.replace('/', '-')}-{number}"
    if len(readable) <= 80 and re.fullmatch("[0-9]+", number) and all(re.fullmatch(_PLAIN, part) for part in path.split("/")):
        return readable
    import hashlib  # loads OpenSSL, which few commands need

    digest = hashlib.sha256(ref.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{re.sub(r'[^a-z0-9_.]+', '-', ref.lower())[:60].strip('-.') or 'issue'}--{digest}"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _not_a_reference(text: str) -> UsageError:
    return UsageError(
        f"{_shortened(text)!r} is not a valid issue reference",
        "write host/owner/repo#N, owner/repo#N, local/name#N or the issue's address",
    )
