"""opencode's sessions: looked up read-only, copied under new ids, deleted and looked for."""

import json
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents.opencode import session_ids
from kugetsu_engine.agents.opencode.session_ids import ForkFailed, MissingSession
from kugetsu_engine.errors import AttemptFailed

OLD = "ses_e00bbc93dffe7WmhxV6lJsX6sC"
MESSAGES = ("msg_1ff446da7001sF5p3DyqfHmkur", "msg_1ff44dffd0016bFyOB1AT2dmgX")
DOCUMENT: dict[str, Any] = {
    "info": {"id": OLD, "title": "old", "parentID": "ses_e00ba0a59ffeMk0LfjRS5s64hZ", "share": {}, "metadata": {"issue": 7}},
    "messages": [
        {"info": {"id": one, "sessionID": OLD, "parentID": MESSAGES[0]}, "parts": [{"id": "prt_1ff44d6eb001xulxsPBRmpGR1l"}]}
        for one in MESSAGES
    ],
}
STAND_IN = """#!{python}
import json, os, shutil, sqlite3, sys
here = os.path.dirname(os.path.abspath(sys.argv[0]))
words = sys.argv[1:]
open(here + "/called", "a").write(" ".join(words) + " in " + os.environ["PWD"] + "\\n")
if os.path.exists(here + "/refuse"):
    sys.exit("Error: no, " + words[0])
if words[0] == "export":
    shutil.copyfileobj(open(here + "/export.json"), sys.stdout)
elif words[0] == "import":
    shutil.copy(words[1], here + "/imported.json")
elif words[:2] == ["session", "delete"] and not os.path.exists(here + "/keep"):
    with sqlite3.connect(here + "/opencode/opencode.db") as database:
        database.execute("delete from session where id = ?", (words[2],))
"""


class Place:
    """A folder with a stand-in for opencode and a database of sessions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = str(folder / "oc")
        (folder / "oc").write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
        (folder / "oc").chmod(0o755)
        (folder / "export.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
        (folder / "opencode").mkdir()
        (folder / "tmp").mkdir()
        self.env = {"XDG_DATA_HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PATH": "/usr/bin:/bin"}
        self.database = sqlite3.connect(folder / "opencode" / "opencode.db", isolation_level=None)
        self.database.execute("create table session (id text, directory text)")
        self.database.execute("insert into session values (?, ?)", (OLD, str(folder)))

    def job(self, mode: str, session: str = OLD) -> dict[str, Any]:
        """The job of an attempt in that folder."""
        return {
            "session": {"mode": mode, "session_id": session}, "argv": [self.program, "run"], "worktree": str(self.folder),
            "env": self.env, "issue_ref": "local/a#1", "prompt": "whole", "prompt_continued": "go on",
        }  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Any:
    """A place of its own."""
    place = Place(tmp_path)
    yield place
    place.database.close()


def test_a_session_goes_on_in_its_own_directory_only(place: Place) -> None:
    """From any other one opencode would work in the old directory, print nothing and never end."""
    assert session_ids.prepare_session(place.job("continue")) == {"argv": [place.program, "run", "-s", OLD], "prompt": "go on"}
    assert session_ids.prepare_session({**place.job("continue"), "prompt_continued": None})["prompt"] == "whole"
    elsewhere = {**place.job("continue"), "worktree": str(place.folder / "tmp")}
    with pytest.raises(MissingSession, match="belongs to"):
        session_ids.prepare_session(elsewhere)
    with pytest.raises(MissingSession, match="no longer has"):
        session_ids.prepare_session(place.job("continue", OLD.replace("e00", "e01")))
    for odd in ("--help", "", "ses_short", "x; rm"):
        with pytest.raises(MissingSession):
            session_ids.prepare_session(place.job("continue", odd))


def test_a_session_that_never_got_the_task_gets_all_of_it(place: Place) -> None:
    """Its attempt was killed after the session was created; words that go on would mean nothing to it."""
    place.database.execute("create table message (id text, session_id text, data text)")
    place.database.execute("create table part (message_id text, session_id text, data text)")
    job = {**place.job("continue"), "message": 'mend "it"'}
    assert session_ids.prepare_session(job)["prompt"] == "whole"
    for message, role, text in (("m1", "assistant", 'mend "it"'), ("m2", "user", 'please mend "it" now')):
        assert session_ids.prepare_session(job)["prompt"] == "whole"
        place.database.execute(
            "insert into message values (?, ?, ?)", (message, OLD, json.dumps({"role": role}).replace(": ", ":"))
        )
        part = json.dumps({"type": "text", "text": text})
        place.database.execute("insert into part values (?, ?, ?)", (message, OLD, part))
        place.database.commit()
    assert session_ids.prepare_session(job)["prompt"] == "go on"
    only_message = {**job, "prompt_continued": "another message", "message": "another message"}
    assert session_ids.prepare_session(only_message)["prompt"] == "another message"


def test_a_database_that_cannot_be_read_is_no_obstacle(place: Place) -> None:
    """Another version's, none at all, or one in another place: the run itself will tell."""
    assert session_ids.read_directory(OLD, {"XDG_DATA_HOME": "/nowhere"}) is None
    assert session_ids.find_database({"OPENCODE_DB": ":memory:"}) is None
    assert session_ids.find_database({"OPENCODE_DB": "/x/y.db"}) == "/x/y.db"
    assert session_ids.find_database({"HOME": "/h"}) == "/h/.local/share/opencode/opencode.db"
    place.database.execute("drop table session")
    assert session_ids.read_directory(OLD, place.env) is None


def test_a_copy_has_new_ids_that_keep_their_order_and_says_whose_copy_it_is(place: Place) -> None:
    """The original is only read; nothing is left in the temporary folder."""
    changed = session_ids.prepare_session(place.job("fork"))
    new = changed["argv"][-1]
    copied = json.loads((place.folder / "imported.json").read_text("utf-8"))
    text = json.dumps(copied["messages"])
    assert re.fullmatch(r"ses_[0-9a-f]{26}", new)
    assert new != OLD
    assert copied["info"] == {"id": new, "title": "local/a#1", "metadata": {"issue": 7, "fork_of": OLD}}
    assert OLD not in text
    assert not any(one in text for one in MESSAGES)
    ids = [message["info"]["id"] for message in copied["messages"]]
    assert sorted(ids) == ids
    assert {message["info"]["parentID"] for message in copied["messages"]} == {ids[0]}
    assert "prompt" not in changed
    assert list((place.folder / "tmp").iterdir()) == []
    assert (place.folder / "called").read_text("utf-8").splitlines()[0] == f"export {OLD} in {place.folder}"


@pytest.mark.parametrize("exported", ["", "{", "[]", "{}", '{"info": 3}', "\udcff"])
def test_what_is_no_session_is_not_copied(place: Place, exported: str) -> None:
    """Refused with the class that has the next attempt begin anew."""
    (place.folder / "export.json").write_bytes(exported.encode("utf-8", "surrogateescape"))
    with pytest.raises(ForkFailed) as failed:
        session_ids.prepare_session(place.job("fork"))
    assert failed.value.failure == "session"


def test_what_opencode_refuses_is_told_in_its_own_words(place: Place) -> None:
    """And so is a program that is not there."""
    (place.folder / "refuse").touch()
    with pytest.raises(ForkFailed, match="exit code 1: Error: no, export"):
        session_ids.prepare_session(place.job("fork"))
    with pytest.raises(ForkFailed, match="cannot run /no/such/opencode"):
        session_ids.prepare_session({**place.job("fork"), "argv": ["/no/such/opencode"]})


def test_a_deletion_is_believed_only_when_the_session_is_gone(place: Place) -> None:
    """One that is gone already is no error, and neither is an opencode that never ran here."""
    (place.folder / "keep").touch()
    with pytest.raises(AttemptFailed, match="still exists"):
        session_ids.delete_session(place.program, OLD, place.env)
    (place.folder / "keep").unlink()
    session_ids.delete_session(place.program, OLD, place.env)
    session_ids.delete_session(place.program, OLD, place.env)
    session_ids.delete_session(place.program, OLD, {**place.env, "XDG_DATA_HOME": "/nowhere"})
    assert (place.folder / "called").read_text("utf-8").count("session delete") == 2
