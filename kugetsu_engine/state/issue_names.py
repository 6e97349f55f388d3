"""The name of an issue's worktree, lock, session and context: its slug, or the name given by an older kugetsu.

Older versions made names from the reference as written, so that `Acme/App#7` and `acme/app#7` had different names. Such names
are kept, as the sessions of agents belong to their folders. The first engine of this version finds the names in use, and
stores them in `issue-names.json`.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from ..domain import refs
from ..domain.reserved_refs import SESSIONS
from ..domain.states import ACTIVE
from ..errors import BadFile
from ..paths import JSON, StatePaths
from ..storage import files

_ADDRESS = r"https?://([^\s?#]+?)(?:/-)?/(?:issues|pulls?|merge_requests)/([0-9]{1,12})/?(?:[?#].*)?"
_read: dict[str, tuple[object, dict[str, str]]] = {}
"""By state directory: the signature of the file that was read, and its names."""


def name_of(paths: StatePaths, reference: str) -> str:
    """The name of an issue in the state directory, the same however the issue is written."""
    key = refs.key_of(refs.normalize_reference(reference))
    return _older(paths).get(key) or refs.make_slug(key)


def session_name(paths: StatePaths, reference: str) -> str:
    """The name of an issue's session file, without its ending."""
    return SESSIONS.get(reference) or name_of(paths, reference)


def keep_older_names(paths: StatePaths) -> None:
    """Find and store the older names in use, unless that was done. Only the engine calls this.

    Raises:
        OSError: storing failed; it is tried again next time.
    """
    if os.path.lexists(paths.issue_names):
        return
    older_names = _Older(paths)
    names = older_names.names()
    for text in older_names.texts:
        older = paths.context_of(refs.make_slug(text))
        newer = paths.context_of(names.get(_key(text)) or refs.make_slug(_key(text)))
        if older != newer and os.path.lexists(older) and not os.path.lexists(newer):
            os.rename(older, newer)
    files.replace(paths.issue_names, json.dumps({"schema": 1, "names": names}, ensure_ascii=False).encode())


def _older(paths: StatePaths) -> dict[str, str]:
    seen = files.read_signature(paths.issue_names)
    known = _read.get(paths.root)
    if known is None or known[0] != seen:
        known = _read[paths.root] = (seen, _Older(paths).names() if seen is None else _names_in(paths))
    return known[1]


def _names_in(paths: StatePaths) -> dict[str, str]:
    names = _document(paths.issue_names).get("names")
    legal = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,79}")
    if not isinstance(names, dict):
        return {}
    return {key: name for key, name in names.items() if isinstance(name, str) and legal.fullmatch(name)}


class _Older:
    """The names given by older versions that are still in use."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._worktrees = {name for name in files.list_names(paths.worktrees) if name[0] != "."}
        self._sessions = set(files.list_documents(paths.sessions))
        self._active: set[str] = set()
        self.texts: dict[str, None] = {}
        """References as written by older versions."""
        if self._worktrees or self._sessions:
            self.texts = dict.fromkeys(self._references())

    def names(self) -> dict[str, str]:
        """By key, the name that an issue keeps, if it is not its slug."""
        there = self._worktrees | self._sessions | self._active
        candidates: dict[str, set[str]] = {}
        for text in self.texts:
            names = {refs.make_slug(text), refs.make_slug(_as_before(text)), refs.make_slug(_key(text))}
            candidates.setdefault(_key(text), set()).update(names & there)
        best = {key: max(names, key=self._worth) for key, names in sorted(candidates.items()) if names}
        return {key: name for key, name in best.items() if name != refs.make_slug(key)}

    def _references(self) -> Iterator[str]:
        for name in sorted(self._sessions):
            yield from _reference(_document(self._paths.session(name)))
        for folder in (self._paths.items, self._paths.done):
            for name in files.list_documents(folder):
                document = _document(f"{folder}/{name}{JSON}")
                for text in _reference(document):
                    if document.get("state") in ACTIVE:
                        self._active |= {refs.make_slug(_as_before(text))}
                    yield text

    def _worth(self, name: str) -> tuple[bool, bool, str, bool, str]:
        """How much would be lost without this name: a running agent, a session, a worktree."""
        session = _document(self._paths.session(name)) if name in self._sessions else {}
        updated = session.get("updated_at")
        return (
            name in self._active, bool(session.get("session_id")), updated if isinstance(updated, str) else "",
            name in self._worktrees, name,
        )  # fmt: skip


def _key(text: str) -> str:
    return refs.key_of(refs.normalize_reference(text))


def _as_before(text: str) -> str:
    """The form of a reference from which older versions made a name."""
    address = re.fullmatch(_ADDRESS, text)
    path, number = address.groups() if address else text.rpartition("#")[::2]
    host, slash, rest = path.partition("/")
    return f"{host.lower()}{slash}{rest}#{int(number) if re.fullmatch('[0-9]{1,12}', number) else number}"


def _reference(document: dict[str, Any]) -> list[str]:
    text = document.get("issue_ref")
    return [text] if isinstance(text, str) and text and text not in SESSIONS else []


def _document(path: str) -> dict[str, Any]:
    try:
        document = json.loads(files.read(path))
    except (OSError, BadFile, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
